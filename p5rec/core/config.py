"""Strict YAML → typed, frozen config, and back.

A recipe's YAML may start from another one (``base: name.yaml``, or a shipped config's name;
mappings merge, ``null`` takes away what is below, everything else replaces), an entry may be
``like:`` one beside it, and ``key.sub=value`` overrides come on top. A section whose ``kind``
chooses its schema starts anew where another kind comes on top. The whole is checked at once:
every fault is told, with its file, line and nearest known key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model

from .errors import UserError, did_you_mean, input_error
from .kinds import UNKNOWN
from .recipes import config_path
from .schema import GONE, Switched, fields_at, settled, without_members

T = TypeVar("T", bound="Config")
Tree = dict[str, Any]
Lines = dict[tuple[str | int, ...], str]
MOST, DEEPEST = 100_000, 100  # values of a YAML file, and how deep they may lie


class Place(str):
    """The ``file:line`` that set a key, or the override that did.

    Attributes:
        layer: the higher wins: 1 of overrides, 0 of the config itself, -1 of its base, and so on.
    """

    layer: int

    def __new__(cls, text: str, layer: int = 0) -> Place:
        """``text`` with its layer."""
        place = super().__new__(cls, text)
        place.layer = layer
        return place


class Config(BaseModel):
    """Base of every config: frozen, no unknown keys, defaults checked like values."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    def dump(self) -> Tree:
        """Plain data; ``type(self)(**cfg.dump()) == cfg``."""
        return self.model_dump(mode="json")


def _names_a_file(name: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError("expected a name of letters, digits, '_', '.' and '-', no mark first")
    return name


FileName = Annotated[str, AfterValidator(_names_a_file)]  # it becomes a file's or a folder's


def compose(name: str, /, **parts: Any) -> type[Config]:
    """A config class of the given parts: ``compose("Sft", data=DataConfig, seed=(int, 0))``."""
    fields = {k: v if isinstance(v, tuple) else (v, ...) for k, v in parts.items()}
    return create_model(name, __base__=Config, **fields)  # type: ignore[no-any-return, call-overload]


def read_yaml(path: Path, layer: int = 0) -> tuple[Tree, Lines]:
    """The mapping in ``path`` and, for each key path, the :class:`Place` that set it.

    Raises:
        UserError: the file is missing, is not YAML, repeats a key, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise input_error(path, "a YAML file", "nothing there", "check the path") from None
    except OSError as error:
        raise input_error(path, "a YAML file", str(error.strerror), "check the path") from None
    except UnicodeDecodeError as error:
        raise input_error(
            path, "UTF-8 text", f"{error.reason} at byte {error.start}", "re-save it"
        ) from None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise input_error(
                path, "a mapping of keys", "something else", "write `key: value` lines"
            )
        lines: Lines = {}
        _walk(node, (), path, lines)
        return loader.construct_document(node), {
            at: Place(line, layer) for at, line in lines.items()
        }
    except RecursionError:
        raise input_error(
            path, "YAML that people can read", "too deep a nesting", "flatten it"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise input_error(
            path, "valid YAML", error.problem or "a fault", "mend it", line=line
        ) from None
    except yaml.YAMLError as error:
        got = str(error).splitlines()[0]
        raise input_error(path, "valid YAML", got, "mend the file") from None


def _walk(node: yaml.Node, at: tuple[str | int, ...], path: Path, lines: Lines) -> None:
    lines[at] = f"{path}:{node.start_mark.line + 1}"
    if len(lines) > MOST or len(at) > DEEPEST:
        got = f"more than {MOST:,} values, or {DEEPEST} levels, aliases written out"
        raise input_error(path, "YAML that people can read", got, "shorten it")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                got = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                raise input_error(path, "keys that are words", f"{got}, which YAML reads as none",
                            "quote it", line=key.start_mark.line + 1)  # fmt: skip
            here = (*at, key.value)
            if here in lines:
                raise input_error(path, "each key once", f"{key.value!r} again", "remove one",
                            line=key.start_mark.line + 1)  # fmt: skip
            _walk(value, here, path, lines)
            lines[here] = f"{path}:{key.start_mark.line + 1}"
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _walk(value, (*at, i), path, lines)


def read_tree(path: Path, overrides: Sequence[str] = ()) -> tuple[Tree, Lines]:
    """The YAML at ``path`` over its ``base``, with ``key.sub=value`` overrides on top."""
    tree, lines = _over_bases(path, ())
    tree = overridden(tree, lines, overrides)
    return _alike(tree, lines), lines


def overridden(tree: Tree, lines: Lines, overrides: Sequence[str]) -> Tree:
    """``tree`` with ``key.sub=value`` overrides on top; ``lines`` learns where they came from."""
    for override in overrides:
        key, sign, value = override.partition("=")
        if not sign or not key:
            raise UserError(f"expected key.sub=value, got {override!r}; name the key and its value")
        try:
            node = yaml.compose(value, Loader=yaml.SafeLoader)
            if node is not None:
                _walk(node, (), Path("override"), {})
            leaf = yaml.safe_load(value)
        except (yaml.YAMLError, RecursionError):
            raise UserError(f"{override!r}: expected a YAML value after '='; quote it") from None
        at = tuple(key.split("."))
        lines |= dict.fromkeys(_keys(leaf, at), Place(f"override {override!r}", 1))
        for part in reversed(at):
            leaf = {part: leaf}
        tree = merge(tree, leaf)
    return tree


def _alike(tree: Tree, lines: Lines, at: tuple[str | int, ...] = ()) -> Tree:
    """Entries that say ``like: sibling`` get the sibling's keys below their own.

    That is how a control is kept equal to what it controls but for what it names.
    """
    if isinstance(tree, Switched):
        return Switched(_alike(dict(tree), lines, at), _alike(tree.own, lines, at), tree.kinds)
    out: Tree = {}
    for key, value in tree.items():
        out[key] = _alike(value, lines, (*at, key)) if isinstance(value, dict) else value
    for key, value in out.items():
        if not isinstance(value, dict) or "like" not in value:
            continue
        sibling, own = value["like"], {k: v for k, v in value.items() if k != "like"}
        below = out.get(sibling) if isinstance(sibling, str) else None
        if not isinstance(below, dict) or "like" in below or sibling == key:
            where = lines.get((*at, key, "like"), ".".join(map(str, (*at, key))))
            taken = isinstance(sibling, str) and out.get(sibling) is GONE
            got = f"{sibling!r}" + ", which is taken away" * taken
            hint = did_you_mean(str(sibling), [k for k in out if k != key and out[k] is not GONE])
            raise UserError(f"{where}: expected `like` to name an entry beside, got {got}; {hint}")
        whole = merge(below, own)
        if isinstance(value, Switched):  # what another kind is like, its own keys are not
            whole = Switched(whole, value.own, value.kinds)
        out[key] = whole
    return out


def _keys(value: Any, at: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """``at`` and every key path below it."""
    yield at
    below = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else below:
        yield from _keys(inner, (*at, key))


def _over_bases(path: Path, above: tuple[Path, ...]) -> tuple[Tree, Lines]:
    if path.resolve() in above:
        chain = " > ".join(p.name for p in (*above, path))
        raise input_error(path, "a base that ends", f"a circle ({chain})", "remove one `base:`")
    tree, lines = read_yaml(path, -len(above))
    base = tree.pop("base", None)
    if base is None:
        return tree, lines
    try:
        found = config_path(str(base), path.parent)
    except UserError as error:
        raise UserError(*(f"{lines[('base',)]}: base: {line}" for line in error.lines)) from None
    below, below_lines = _over_bases(found, (*above, path.resolve()))
    return merge(below, tree), {**below_lines, **lines}


def merge(below: Tree, above: Mapping[str, Any]) -> Tree:
    """``above`` over ``below``: mappings merge, everything else replaces."""
    if isinstance(above, Switched):
        return Switched(_merged(below, above), merge(below, above.own), above.kinds)
    kinds = below.get("kind"), above.get("kind")
    if kinds[1] is not None and kinds[0] != kinds[1]:
        return Switched(_merged(below, above), dict(above), kinds)
    if isinstance(below, Switched):
        return Switched(_merged(below, above), merge(below.own, above), below.kinds)
    return _merged(below, above)


def _merged(below: Tree, above: Mapping[str, Any]) -> Tree:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if value is None and old is not None:
            merged[key] = GONE
        else:
            both = isinstance(old, dict) and isinstance(value, dict)
            merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def bind(schema: type[T], tree: Tree, lines: Lines, source: str | Path) -> T:
    """``tree`` as a ``schema``; what a ``null`` in it takes away is gone (:mod:`.schema`).

    Raises:
        UserError: one line a fault, all of them.
    """
    try:
        return schema(**settled(schema, tree))
    except ValidationError as error:
        raise UserError(*(_sentence(schema, e, lines, source) for e in error.errors())) from None


def load(path: Path, schema: type[T], overrides: Sequence[str] = ()) -> T:
    """The config at ``path`` (see :func:`read_tree`, :func:`bind`)."""
    tree, lines = read_tree(path, overrides)
    return bind(schema, tree, lines, path)


def dump_yaml(config: Config) -> str:
    """YAML that loads to an equal config."""
    text: str = yaml.safe_dump(config.dump(), sort_keys=False, allow_unicode=True)
    return text


def _sentence(schema: type[BaseModel], error: Any, lines: Lines, source: str | Path) -> str:
    missing = error["type"] in ("extra_forbidden", "missing")
    loc = without_members(schema, error["loc"], key=missing)
    where = next((lines[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in lines), str(source))
    name = ".".join(map(str, loc))
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(str(loc[-1]), fields_at(schema, error["loc"][:-1]))
        return f"{where}: expected a known key, got {name!r}; {hint}"
    if error["type"] == "missing":
        return f"{where}: expected a value for {name!r}, got none; add it"
    got = repr(error["input"])
    hint = "change the value"
    if error["type"] == UNKNOWN:
        hint = did_you_mean(str(error["input"]), error["ctx"]["known"])
    return f"{where}: {name}: {error['msg'].lower()}, got {got[:80]}; {hint}"
