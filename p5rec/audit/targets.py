"""What an audit is pointed at, whatever it is: corpora, and what was made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import Artefact, read_json
from p5rec.core.config import bind, overridden, read_tree
from p5rec.core.errors import UserError, input_error
from p5rec.core.paths import cache_home
from p5rec.core.recipes import YAML, config_path, shipped
from p5rec.core.types import Corpus, ItemCodes
from p5rec.data.build import build, read_log
from p5rec.data.config import DataConfig, read_section
from p5rec.data.files import KINDS, existing, kind
from p5rec.data.prepare import SUMMARY, load_corpus
from p5rec.data.rawlog import RawLog
from p5rec.data.sources import amazon, movielens
from p5rec.data.tables import column_names
from p5rec.evaluate.schema import RECORD, load_report
from p5rec.ids.files import load_codes
from p5rec.prompting.source import PromptsConfig

from .findings import Finding
from .lineage import artefacts_under, audit_artefacts, behind

ENDINGS = {".inter": "recbole", ".txt": "sequences", ".txt.gz": "sequences"}


@dataclass(frozen=True)
class Target:
    """One corpus and what there is beside it.

    Attributes:
        corpus: the corpus.
        ordinal: its times are positions.
        log: what its files hold, where they were read just now.
        seen: it is a log that anybody may read, ids and all.
        codes: item codes made of it, by name.
        prompts: the ways in which its prompts are posed.
    """

    corpus: Corpus
    ordinal: bool
    log: RawLog | None = None
    seen: bool = False
    codes: Mapping[str, ItemCodes] = field(default_factory=dict)
    prompts: Sequence[PromptsConfig] = ()


def find_targets(
    target: str | Path, overrides: Sequence[str], source: str
) -> tuple[list[Target], list[Finding]]:
    """The corpora behind ``target``, and what the lineage of artefacts there tells.

    Args:
        target: a recipe, a run's folder, a prepared folder, a store, or a log.
        overrides: ``data.key=value``, where files are read.
        source: kind of the log; empty: guessed from its name.

    Raises:
        UserError: there is nothing to audit, or it cannot be read.
    """
    target = Path(target)
    if target.suffix in YAML or (not target.exists() and _names_a_config(target)):
        return [_of_recipe(config_path(target), overrides)], []
    folder = existing(target)
    made = folder.is_dir() and ((folder / RECORD).is_file() or any(folder.rglob(SUMMARY)))
    if made and not source:
        if overrides:
            raise UserError(f"{target}: expected KEY=VALUE beside a YAML or a log, got a folder")
        return _of_folder(folder)
    return [_of_log(target, overrides, source)], []


def _names_a_config(target: Path) -> bool:
    return any(str(target) in configs for configs in shipped().values())


def _of_recipe(path: Path, overrides: Sequence[str]) -> Target:
    config = read_section(path, overrides)
    methods = read_tree(path, overrides)[0].get("methods")
    told = [m for m in methods.values() if isinstance(m, dict)] if isinstance(methods, dict) else []
    posed = [bind(PromptsConfig, method.get("prompts") or {}, {}, path) for method in told]
    return _read(config, prompts=_different(posed))


def _of_log(path: Path, overrides: Sequence[str], source: str) -> Target:
    """A log as it is: repeated rows stay."""
    known, file = (source, path) if source else _guess(path)
    lines: dict[tuple[str | int, ...], str] = {}
    tree = {"data": {"source": known, "path": str(file), "dedupe": "none"}}
    tree = overridden(tree, lines, overrides)
    strange = [word for word in overrides if not word.startswith("data.")]
    if strange:
        raise UserError(f"expected data.key=value beside a log, got {strange[0]!r}")
    inner = {at[1:]: line for at, line in lines.items() if at[:1] == ("data",)}
    return _read(bind(DataConfig, tree["data"], inner, path), seen=True)


def _read(config: DataConfig, **beside: Any) -> Target:
    log = read_log(config)
    corpus, summary = build(config, log)
    return Target(corpus, summary["ordinal"], log, **beside)


def _guess(path: Path) -> tuple[str, Path]:
    """The source that reads a log of this name, and the log; of a folder, the one log in it, or
    the log whose parts it holds."""
    if path.is_dir():
        logs = [p for p in sorted(path.iterdir()) if p.name in movielens.LAYOUTS]
        logs += [*path.glob("*.inter"), *path.glob("sequences.txt*")]
        if not logs and any(set(p.suffixes) & KINDS.keys() for p in path.iterdir()):
            return "table", path
        if len(logs) != 1:
            raise input_error(
                path, "a run, prepared data, a store, or a folder with one log",
                f"{len(logs)} logs", "name a file, or a YAML",
            )  # fmt: skip
        path = logs[0]
    if path.name in movielens.LAYOUTS:
        return "movielens", path
    for ending, known in ENDINGS.items():
        if path.name.endswith(ending):
            return known, path
    if not any(suffix in KINDS for suffix in path.suffixes):
        raise input_error(
            path, f"a YAML, a folder, or a log ({', '.join((*KINDS, '.txt', '.inter'))})",
            repr(path.name), "rename it, or name its --source",
        )  # fmt: skip
    kind(path)
    present = set(column_names(path))
    return ("amazon" if present & {amazon.OWN["user"][0], "parent_asin"} else "table"), path


def _of_folder(target: Path) -> tuple[list[Target], list[Finding]]:
    """A prepared folder, a store, or the artefacts behind a run's report."""
    if (target / RECORD).is_file():
        root = cache_home() / "store"
        keys = load_report(target).manifest.get("artefacts", {}).values()
        artefacts = behind(keys, artefacts_under(root))
        prepared = [a.path for a in artefacts.values() if (a.path / SUMMARY).is_file()]
    else:
        root, artefacts = target, artefacts_under(target)
        prepared = sorted(path.parent for path in target.rglob(SUMMARY))
    if not prepared:
        raise input_error(
            root, "the prepared data behind it", "none", "run it again, or name a YAML"
        )
    lineage = audit_artefacts(root, artefacts)
    return [_prepared(folder, artefacts) for folder in prepared], lineage


def _prepared(folder: Path, artefacts: Mapping[str, Artefact]) -> Target:
    corpus = load_corpus(folder)
    codes, posed = {}, []
    for key, artefact in artefacts.items():
        about = artefact.manifest
        if folder.name not in behind([key], artefacts):
            continue
        if about["stage"] == "ids":
            codes[key] = load_codes(artefact.path, corpus.catalog.ids)
        if about["stage"] == "fit" and (told := about["config"].get("prompts")):
            posed.append(
                PromptsConfig(**{k: v for k, v in told.items() if k in PromptsConfig.model_fields})
            )
    ordinal = read_json(folder / SUMMARY)["ordinal"]
    return Target(corpus, ordinal, codes=codes, prompts=_different(posed))


def _different(posed: Sequence[PromptsConfig]) -> list[PromptsConfig]:
    return [one for n, one in enumerate(posed) if one not in posed[:n]]
