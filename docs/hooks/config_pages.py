"""The reference of configs: every key with its type, default and meaning, from the schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fields import REQUIRED, Key, keys_of
from prose import parsed, table
from pydantic import BaseModel

from p5rec.backbones.registry import BACKBONES
from p5rec.backbones.vectors_config import StoredVectorsConfig
from p5rec.cli.run import load
from p5rec.core.paths import assets
from p5rec.data.config import DataConfig
from p5rec.evaluate.config import EvaluateConfig
from p5rec.ids.config import IdsConfig
from p5rec.methods.base import Method
from p5rec.methods.registry import DEFAULT, METHODS, RANKING
from p5rec.recommend.writing.config import TextsConfig
from p5rec.recommend.writing.registry import GENERATORS

FOLDER = "reference/config"
LINKS = {
    "data": "data.md",
    "ids": "ids.md",
    "texts": "texts.md",
    "vectors": "vectors.md",
    "methods": "methods.md",
    "evaluate": "evaluate.md",
}


@dataclass(frozen=True)
class Section:
    """A section of a config.

    Attributes:
        at: its path below the page's own section; empty: that section itself.
        model: its config class.
        kind: its kind, if a registry has several.
    """

    at: tuple[str, ...]
    model: type[BaseModel]
    kind: str = ""


def sources() -> Mapping[str, str]:
    """Path in the repository → page made from it."""
    return {
        "recipes/sft.py": f"{FOLDER}/index.md",
        "p5rec/data/config.py": f"{FOLDER}/data.md",
        "p5rec/ids/config.py": f"{FOLDER}/ids.md",
        "p5rec/recommend/writing/config.py": f"{FOLDER}/texts.md",
        "p5rec/backbones/vectors_config.py": f"{FOLDER}/vectors.md",
        "p5rec/methods/generative/method.py": f"{FOLDER}/generative.md",
        "p5rec/methods/registry.py": f"{FOLDER}/methods.md",
        "p5rec/evaluate/config.py": f"{FOLDER}/evaluate.md",
    }


def pages() -> Mapping[str, str]:
    """Path below ``docs/`` → page."""
    texts = {
        "index.md": _index(),
        "data.md": _page("data", "Keys of `data`", DataConfig),
        "ids.md": _page("ids.NAME", "Keys of `ids`", IdsConfig),
        "texts.md": _page("texts.NAME", "Keys of `texts`", TextsConfig),
        "vectors.md": _page("vectors.NAME", "Keys of `vectors`", StoredVectorsConfig),
        "generative.md": _page("methods.NAME", "Keys of `kind: generative`", METHODS.get(DEFAULT)),
        "methods.md": _methods(),
        "evaluate.md": _page("evaluate", "Keys of `evaluate`", EvaluateConfig),
    }
    return {f"{FOLDER}/{name}": text for name, text in texts.items()}


def entries(
    model: type[BaseModel], prefix: str, skipped: frozenset[str] = frozenset(), kind: str = ""
) -> str:
    """A heading, type, default and meaning for each key of ``model``.

    Args:
        prefix: prefix of the keys' names.
        skipped: keys to leave out. Keys with one possible value are left out, too, because the
            heading names it.
        kind: added to the anchors, so that they are unique among several kinds of one section.
    """
    return "\n".join(
        _entry(key, prefix, kind)
        for key in keys_of(model)
        if key.name not in skipped and key.type != key.default
    )


def _entry(key: Key, prefix: str, kind: str) -> str:
    default = key.default if key.default == REQUIRED else f"default: {key.default}"
    return (
        f"### `{prefix}{key.name}` {{ #{_anchor(prefix, kind, key.name)} .key }}\n\n"
        f"{key.type} · {default}\n{{ .key-type }}\n\n{_null_as_code(key.meaning)}\n"
    )


def _null_as_code(text: str) -> str:
    return re.sub(r"\bnull:", "`null`:", text)


def _anchor(*names: str) -> str:
    return "-".join(filter(None, ".".join(names).lower().split(".")))


def _index() -> str:
    schema = load(Path(assets("recipes")) / "sft.py").SCHEMA
    rows = [
        [
            f"[`{key.name}`]({LINKS[key.name]})" if key.name in LINKS else f"`{key.name}`",
            key.type, key.default, _null_as_code(key.meaning),
        ]
        for key in keys_of(schema)
    ]  # fmt: skip
    return (
        "# Config keys\n\n"
        "A config is a YAML file with the sections below. Unknown keys, repeated keys and values "
        "of another type are errors; each error names the file, the line and the nearest known "
        "key. [Write configs and recipes](../../how-to/recipes.md) explains `base`, `like`, "
        "`null` and overrides. `p5rec run NAME --show` prints a config with every default.\n\n"
        + table(["key", "type", "default", "meaning"], rows)
        + "\nThe keys of a language model are on a page of their own: "
        "[`kind: generative`](generative.md). Prompt files have "
        "[keys of their own](../prompts.md).\n"
    )


def _page(path: str, title: str, root: type[BaseModel]) -> str:
    """All keys of ``root`` and of the sections below it."""
    out = [f"# {title}\n", f"Keys below `{path}`. {parsed(root.__doc__).text}\n"]
    paths: dict[type[BaseModel], str] = {}  # config class → the section that describes its keys
    for section in _sections(root, ()):
        here = ".".join(section.at)
        if here and paths.get(section.model) == here:
            continue
        if section.at:
            kind = f", `kind: {section.kind}`" if section.kind else ""
            out.append(f"## `{here}`{kind} {{ #{_anchor(here, section.kind or 'section')} }}\n")
        if described := paths.get(section.model):
            anchor = _anchor(described, "section")
            out.append(f"The keys of [`{described}`](#{anchor}).\n")
            continue
        if section.at:
            out.append(parsed(section.model.__doc__).text + "\n")
        if not section.kind:
            paths[section.model] = here
        out.append(entries(section.model, f"{here}." if here else "", kind=section.kind))
    return "\n".join(out)


def _sections(model: type[BaseModel], at: tuple[str, ...], kind: str = "") -> Iterator[Section]:
    """The section of ``model``, then the sections inside it."""
    yield Section(at, model, kind)
    for key in keys_of(model):
        inside = (*at, key.name, "NAME") if key.type.startswith("mapping") else (*at, key.name)
        if key.kinds is not None and key.kinds.registry in (BACKBONES, GENERATORS):
            for name in key.kinds.registry:
                yield from _sections(key.kinds.registry.get(name), inside, name)
        for below in key.models:
            tag = _objective(below) if len(key.models) > 1 else ""
            yield from _sections(below, inside, tag)


def _objective(model: type[BaseModel]) -> str:
    """The ``objective`` of a member of a union; empty if it has none."""
    objective = model.model_fields.get("objective")
    return str(objective.annotation.__args__[0]) if objective and objective.annotation else ""


def _methods() -> str:
    """The keys of all kinds of method except the language model; shared keys come first."""
    shared = frozenset(Method.model_fields)
    short = {name: section["kind"] for name, section in RANKING.items()}
    out = [
        "# Keys of `methods`\n",
        "Each entry of `methods` is a name and a section; `kind` selects the method. A section "
        "without a `kind` is a [language model](generative.md). [Methods](../methods.md) "
        "explains when to use which.\n",
        "## Keys of every kind\n",
        entries(Method, ""),
    ]
    for kind in METHODS:
        model = METHODS.get(kind)
        if kind == DEFAULT:
            continue
        names = ", ".join(f"`{name}`" for name, of in short.items() if of == kind)
        out.append(f"## `kind: {kind}` {{ #{kind} }}\n")
        out.append(parsed(model.__doc__).text + "\n")
        if names:
            out.append(f"Short names under `baselines`: {names}.\n")
        if model.grid:
            out.append(f"Searched on validation unless set: {_grid(model.grid)}.\n")
        out.append(entries(model, f"{kind}.", shared))
    return "\n".join(out)


def _grid(grid: Mapping[str, Sequence[object]]) -> str:
    """``l2``: 1, 2; ``half_life``: null, 4."""
    return "; ".join(f"`{name}`: {json.dumps(values)[1:-1]}" for name, values in grid.items())
