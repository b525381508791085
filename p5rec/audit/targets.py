"""The targets of an audit: corpora, and the artefacts made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import Artefact, read_json
from p5rec.core.config import bind, overridden, read_tree
from p5rec.core.errors import UserError, input_error
from p5rec.core.item_codes import ItemCodes
from p5rec.core.paths import cache_home
from p5rec.core.recipes import YAML, config_path, shipped
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig, read_section
from p5rec.data.files import KINDS, existing, kind
from p5rec.data.prepare import SUMMARY, load_corpus
from p5rec.data.rawlog import RawLog
from p5rec.data.reading import read_log
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
    """One corpus and the artefacts made from it.

    Attributes:
        corpus: the corpus.
        ordinal: whether its times are mere positions.
        log: the log, where the target is a file.
        seen: whether it is a log with public ids.
        codes: item codes by name.
        prompts: the prompt settings of its methods.
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
    """The corpora behind ``target``, and the findings from the lineage of its artefacts.

    Args:
        target: a recipe, a run's folder, a prepared folder, a store, or a log.
        overrides: ``data.key=value``, for targets whose files are read.
        source: the data source of a log; empty: derived from its name.

    Raises:
        UserError: the target has nothing to audit, or cannot be read.
    """
    target = Path(target)
    if target.suffix in YAML or (not target.exists() and _names_a_config(target)):
        return [_of_recipe(config_path(target), overrides)], []
    folder = existing(target)
    is_output = folder.is_dir() and ((folder / RECORD).is_file() or any(folder.rglob(SUMMARY)))
    if is_output and not source:
        if overrides:
            raise UserError(f"{target}: expected KEY=VALUE beside a YAML or a log, got a folder")
        return _of_folder(folder)
    return [_of_log(target, overrides, source)], []


def _names_a_config(target: Path) -> bool:
    return any(str(target) in configs for configs in shipped().values())


def _of_recipe(path: Path, overrides: Sequence[str]) -> Target:
    config = read_section(path, overrides)
    methods = read_tree(path, overrides)[0].get("methods")
    trees = (
        [m for m in methods.values() if isinstance(m, dict)] if isinstance(methods, dict) else []
    )
    prompts = [bind(PromptsConfig, tree.get("prompts") or {}, {}, path) for tree in trees]
    return _read(config, prompts=_distinct(prompts))


def _of_log(path: Path, overrides: Sequence[str], source: str) -> Target:
    """A log without any deduplication."""
    known, file = (source, path) if source else _guess(path)
    lines: dict[tuple[str | int, ...], str] = {}
    tree = {"data": {"source": known, "path": str(file), "dedupe": "none"}}
    tree = overridden(tree, lines, overrides)
    other = [word for word in overrides if not word.startswith("data.")]
    if other:
        raise UserError(f"expected data.key=value beside a log, got {other[0]!r}")
    inner = {at[1:]: line for at, line in lines.items() if at[:1] == ("data",)}
    return _read(bind(DataConfig, tree["data"], inner, path), seen=True)


def _read(config: DataConfig, **attributes: Any) -> Target:
    log = read_log(config)
    corpus, summary = build(config, log)
    return Target(corpus, summary["ordinal"], log, **attributes)


def _guess(path: Path) -> tuple[str, Path]:
    """The data source of a log, by its name, and the log's path; of a folder, the one log in it,
    or the folder itself where it holds the shards of a table."""
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
    """The targets of a prepared folder, a store, or a run."""
    if (target / RECORD).is_file():
        root = cache_home() / "store"
        keys = load_report(target).manifest.get("artefacts", {}).values()
        around = artefacts_under(root)
        artefacts = behind(keys, around)
        prepared = [a.path for a in artefacts.values() if (a.path / SUMMARY).is_file()]
    else:
        root = target
        around = artefacts = artefacts_under(target)
        prepared = sorted(path.parent for path in target.rglob(SUMMARY))
    if not prepared:
        raise input_error(
            root, "the prepared data behind it", "none", "run it again, or name a YAML"
        )
    lineage = audit_artefacts(root, artefacts, around)
    return [_prepared(folder, artefacts) for folder in prepared], lineage


def _prepared(folder: Path, artefacts: Mapping[str, Artefact]) -> Target:
    corpus = load_corpus(folder)
    codes, prompts = {}, []
    for key, artefact in artefacts.items():
        about = artefact.manifest
        if folder.name not in behind([key], artefacts):
            continue
        if about["stage"] == "ids":
            codes[key] = load_codes(artefact.path, corpus.catalog.ids)
        if about["stage"] == "fit" and (tree := about["config"].get("prompts")):
            prompts.append(
                PromptsConfig(**{k: v for k, v in tree.items() if k in PromptsConfig.model_fields})
            )
    ordinal = read_json(folder / SUMMARY)["ordinal"]
    return Target(corpus, ordinal, codes=codes, prompts=_distinct(prompts))


def _distinct(configs: Sequence[PromptsConfig]) -> list[PromptsConfig]:
    return [config for n, config in enumerate(configs) if config not in configs[:n]]
