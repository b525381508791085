"""The prompt library: every family of a folder, loaded strictly, with all faults told at once."""

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
    """Families of wordings, by name (see :class:`.template.FamilySpec`).

    Attributes:
        specs: family → its file's contents.
        places: full template id → the ``file:line`` it stands at, where it came from a file.
    """

    specs: Mapping[str, FamilySpec]
    places: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path | None = None, extra: Iterable[Path] = ()) -> PromptLibrary:
        """The families of ``folder`` (the shipped one by default) and of further folders.

        Raises:
            UserError: one line a fault, all faults of all files.
        """
        faults: list[str] = []
        specs: dict[str, FamilySpec] = {}
        files: dict[str, Path] = {}
        places: dict[str, str] = {}
        for path in _files([folder or assets("prompts"), *extra], faults):
            try:
                spec, where = read_family(path)
            except UserError as error:
                faults += error.lines
                continue
            if spec.family in specs:
                faults.append(
                    f"{where('family')}: expected a family of its own, got {spec.family!r} again "
                    f"(first in {files[spec.family]}); rename one"
                )
                continue
            specs[spec.family], files[spec.family] = spec, path
            for i, entry in enumerate(spec.templates):
                places[resolve(spec, entry).full_id] = where("templates", i)
        if faults:
            raise UserError(*faults)
        return cls(specs, places)

    @classmethod
    def from_dump(cls, dump: Mapping[str, Any], source: str = "stored prompts") -> PromptLibrary:
        """The library behind a :meth:`subset_dump`.

        Raises:
            UserError: the dump is damaged or belongs to another version of the schema.
        """
        found = [
            check_family(dict(tree), {}, f"{source}: {name}")[0] for name, tree in dump.items()
        ]
        return cls({spec.family: spec for spec in found})

    def families(self) -> tuple[str, ...]:
        """Names of the families, sorted."""
        return tuple(sorted(self.specs))

    def family(self, name: str) -> FamilySpec:
        """One family.

        Raises:
            UserError: no such family.
        """
        if name not in self.specs:
            raise UserError(
                f"expected a known prompt family, got {name!r}; {did_you_mean(name, self.specs)}"
            )
        return self.specs[name]

    def templates(
        self, family: str | None = None, unseen: bool | None = None
    ) -> tuple[Template, ...]:
        """The wordings of one family (of all by default), in file order.

        Args:
            family: its name.
            unseen: only those held out of training, or only the others.
        """
        chosen = [self.family(family)] if family else [self.specs[f] for f in self.families()]
        found = (resolve(spec, entry) for spec in chosen for entry in spec.templates)
        return tuple(t for t in found if unseen is None or t.unseen == unseen)

    def fitting(
        self, family: str, view: CorpusView, unseen: bool | None = None
    ) -> tuple[Template, ...]:
        """Those of :meth:`templates` whose fields the corpus can offer."""
        absent = TASKS.get(self.family(family).task).absent(view)
        return tuple(t for t in self.templates(family, unseen) if not t.fields & absent)

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
        """A hash of every wording, for manifests."""
        return digest(self.hashes())

    def subset_dump(self, names: Iterable[str] | None = None) -> dict[str, Any]:
        """The families named (all by default) as plain data, to store with a checkpoint."""
        chosen = self.families() if names is None else sorted(names)
        return {name: self.family(name).dump() for name in chosen}


def _files(folders: Iterable[Path], faults: list[str]) -> list[Path]:
    """The prompt files of the folders; a folder or file that would go unread is a fault."""
    found: list[Path] = []
    for folder in folders:
        files = sorted(folder.glob("*.yaml"))
        if not files:
            faults += input_error(
                folder, "a folder of prompt files (*.yaml)", "none", "check it"
            ).lines
        faults += [
            f"{path}: expected the ending .yaml, got .yml; rename the file"
            for path in sorted(folder.glob("*.yml"))
        ]
        found += files
    return found
