"""How a trained model was asked when it was measured, kept with it and asked again the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.config import Config, bind
from p5rec.core.errors import fault

from .config import DecodeConfig

FILE = "method.json"


class ServingConfig(Config):
    """What a method's lists and answers depend on beside its model and the data.

    Attributes:
        version: of this file's form.
        kind: of the method.
        decode: the search.
        k: length of the lists that were measured.
        exclude_seen: leave the items of a history out of its list.
        tie_seed: of the order of items whose scores are equal, and of what ``sample`` draws.
        questions: prompt family → held-out rows of ``test`` that were put to it.
        unseen: put them in wordings that no training row had, too.
        seed: of the choice of questions.
    """

    version: Literal[1] = 1
    kind: str = "generative"
    decode: DecodeConfig = DecodeConfig()
    k: int = Field(20, ge=1)
    exclude_seen: bool = True
    tie_seed: int = 0
    questions: dict[str, int] = {}
    unseen: bool = False
    seed: int = 0

    def about(self, part: str) -> ServingConfig:
        """The same for a held-out part: prompted families are asked about ``test`` alone."""
        return self if part == "test" else self.model_copy(update={"questions": {}})

    def overridden(
        self, source: str | Path, decode: Mapping[str, Any], **others: Any
    ) -> tuple[ServingConfig, list[str]]:
        """The same with what a request sets itself; None stands for "as saved".

        Args:
            source: what a fault names.
            decode: settings of the search.

        Returns:
            The settings, and the names of those that the request set.

        Raises:
            UserError: the settings do not go together.
        """
        chosen = {name: value for name, value in decode.items() if value is not None}
        more = {name: value for name, value in others.items() if value is not None}
        search = {**self.decode.dump(), **chosen}
        search["beams"] = max(search["beams"], search["k"])
        tree = {**self.dump(), **more, "decode": search}
        return bind(ServingConfig, tree, {}, source), sorted([*chosen, *more])


def read_serving(folder: Path) -> ServingConfig | None:
    """How the model in ``folder`` was asked; None where its folder does not say so.

    Raises:
        UserError: the file is damaged, or of a later version.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    tree = read_json(path)
    if not isinstance(tree, dict):
        raise fault(path, "settings by name", type(tree).__name__, "copy the model's folder anew")
    return bind(ServingConfig, tree, {}, path)


def served_files(
    bundle: Path,
    linear: Path | None,
    serving: ServingConfig,
    titles: Sequence[str],
    work: Path,
) -> dict[str, Path]:
    """The files of a model's folder that is complete in itself, by their place in it.

    Args:
        bundle: the trained model's folder.
        linear: the file of what its lists add to the model's; None: nothing.
        serving: how it is asked.
        titles: ``(N,)`` of its items.
        work: a folder of its own for the files that have to be written.
    """
    from p5rec.models.checkpoint import LINEAR, MANIFEST, TITLES, joined_manifest

    write_json(work / FILE, serving.dump())
    write_json(work / TITLES, list(titles))
    manifest = joined_manifest(bundle, linear, {TITLES: work / TITLES})
    write_json(work / MANIFEST, manifest)
    found = [path for path in bundle.rglob("*") if path.is_file()]
    files = {path.relative_to(bundle).as_posix(): path for path in found}
    if linear is not None:
        files[LINEAR] = linear
    return files | {name: work / name for name in (FILE, TITLES, MANIFEST)}
