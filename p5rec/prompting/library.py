"""The prompt library: loads every family of a folder strictly and reports all errors at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import digest
from p5rec.core.errors import UserError, did_you_mean, input_error
from p5rec.core.paths import assets
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

from .checks import check_family, read_family
from .template import FamilySpec, Template, resolve


@dataclass(frozen=True, eq=False)
class PromptLibrary:
    """Prompt families by name (see :class:`.template.FamilySpec`).

    Attributes:
        specs: family → its file's contents.
        locations: full template id → its ``file:line``, for templates read from files.
        folders: the folders that the files were read from.
        own: names of the families from further folders.
    """

    specs: Mapping[str, FamilySpec]
    locations: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    own: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path | None = None, extra: Iterable[Path] = ()) -> PromptLibrary:
        """The families of ``folder`` (the shipped one by default) and of further folders.

        Raises:
            UserError: one line per error, all errors of all files.
        """
        folders = (folder or assets("prompts"), *extra)
        errors: list[str] = []
        specs: dict[str, FamilySpec] = {}
        files: dict[str, Path] = {}
        locations: dict[str, str] = {}
        for path in _files(folders, errors):
            try:
                spec, where = read_family(path)
            except UserError as error:
                errors += error.lines
                continue
            if spec.family in specs:
                errors.append(
                    f"{where('family')}: expected a family of its own, got {spec.family!r} again "
                    f"(first in {files[spec.family]}); rename one"
                )
                continue
            specs[spec.family], files[spec.family] = spec, path
            for i, entry in enumerate(spec.templates):
                locations[resolve(spec, entry).full_id] = where("templates", i)
        if errors:
            raise UserError(*errors)
        own = tuple(sorted(name for name, path in files.items() if path.parent != folders[0]))
        return cls(specs, locations, folders, own)

    @classmethod
    def from_dump(cls, dump: Mapping[str, Any], source: str = "stored prompts") -> PromptLibrary:
        """Restores the library from a :meth:`subset_dump`.

        Raises:
            UserError: the dump is damaged or belongs to another version of the schema.
        """
        loaded = [
            check_family(dict(tree), {}, f"{source}: {name}")[0] for name, tree in dump.items()
        ]
        return cls({spec.family: spec for spec in loaded})

    def families(self) -> tuple[str, ...]:
        """Names of the families, sorted."""
        return tuple(sorted(self.specs))

    def family(self, name: str) -> FamilySpec:
        """One family.

        Raises:
            UserError: no such family.
        """
        if name not in self.specs:
            raise UserError(self.unknown(name))
        return self.specs[name]

    def unknown(self, name: str, also: Iterable[str] = ()) -> str:
        """The error sentence about a family that the library lacks; ``also``: further names."""
        searched = f" in {', '.join(map(str, self.folders))}" if self.folders else ""
        hint = did_you_mean(name, [*self.specs, *also])
        return f"expected a known prompt family{searched}, got {name!r}; {hint}"

    def templates(
        self, family: str | None = None, held_out: bool | None = None
    ) -> tuple[Template, ...]:
        """The templates of one family (of all families by default), in file order.

        Args:
            family: its name.
            held_out: True: held-out templates alone; False: training templates alone.
        """
        chosen = [self.family(family)] if family else [self.specs[f] for f in self.families()]
        resolved = (resolve(spec, entry) for spec in chosen for entry in spec.templates)
        return tuple(t for t in resolved if held_out is None or t.held_out == held_out)

    def fitting(
        self, family: str, view: CorpusView, held_out: bool | None = None
    ) -> tuple[Template, ...]:
        """The :meth:`templates` whose fields the corpus can fill."""
        absent = TASKS.get(self.family(family).task).absent(view)
        return tuple(t for t in self.templates(family, held_out) if not t.fields & absent)

    def get(self, name: str) -> Template:
        """The template with this id or full id.

        Raises:
            UserError: no such template.
        """
        known = {t.full_id: t for t in self.templates()}
        short = {t.id: t for t in known.values()}
        if name not in known and name not in short:
            raise UserError(
                f"expected a known prompt, got {name!r}; {did_you_mean(name, {**known, **short})}"
            )
        return known.get(name) or short[name]

    def hashes(self) -> dict[str, str]:
        """Full id → hash of the text."""
        return {t.full_id: t.hash for t in self.templates()}

    def digest(self) -> str:
        """A hash of all templates, for manifests."""
        return digest(self.hashes())

    def subset_dump(self, names: Iterable[str] | None = None) -> dict[str, Any]:
        """The named families (all by default) as plain data, stored with a checkpoint."""
        chosen = self.families() if names is None else sorted(names)
        return {name: self.family(name).dump() for name in chosen}


def _files(folders: Iterable[Path], errors: list[str]) -> list[Path]:
    """The prompt files of the folders; an empty folder or a ``.yml`` file is an error."""
    paths: list[Path] = []
    for folder in folders:
        files = sorted(folder.glob("*.yaml"))
        if not files:
            errors += input_error(
                folder, "a folder of prompt files (*.yaml)", "none", "check it"
            ).lines
        errors += [
            f"{path}: expected the ending .yaml, got .yml; rename the file"
            for path in sorted(folder.glob("*.yml"))
        ]
        paths += files
    return paths
