"""Strict YAML → typed, frozen config, and back.

A recipe's YAML may inherit from another one (``base: name.yaml``, or a shipped config's name):
mappings merge, ``null`` removes the inherited value, other values replace it. An entry may inherit
from its sibling (``like: sibling``). Overrides (``key.sub=value``) are applied last. A section
whose ``kind`` selects its schema inherits nothing from a section of another kind. Unknown keys and
names, missing keys and wrong types are reported at once, each with its file, line and nearest known
name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model

from .errors import UserError, did_you_mean, input_error
from .kinds import UNKNOWN
from .recipes import config_path
from .schema import REMOVED, Switched, apply_nulls, fields_at, without_members

T = TypeVar("T", bound="Config")
Tree = dict[str, Any]
Lines = dict[tuple[str | int, ...], str]
MAX_VALUES, MAX_DEPTH = 100_000, 100  # limits of a YAML file


class KeyOrigin(str):
    """The ``file:line`` or the override that set a key.

    Attributes:
        layer: 1 for overrides, 0 for the config, -1 for its base, and so on; the highest wins.
    """

    layer: int

    def __new__(cls, text: str, layer: int = 0) -> KeyOrigin:
        """``text`` with its layer."""
        origin = super().__new__(cls, text)
        origin.layer = layer
        return origin


class Config(BaseModel):
    """Base of every config: frozen, without unknown keys; defaults are validated as well."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    def dump(self) -> Tree:
        """Plain data; ``type(self)(**cfg.dump()) == cfg``."""
        return self.model_dump(mode="json")


def _names_a_file(name: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(
            "expected a name of letters, digits, '_', '.' and '-', first a letter, digit or '_'"
        )
    return name


FileName = Annotated[str, AfterValidator(_names_a_file)]  # becomes the name of a file or folder


def compose(name: str, /, **fields: Any) -> type[Config]:
    """A config class with the given fields: ``compose("Sft", data=DataConfig, seed=(int, 0))``."""
    types = {k: v if isinstance(v, tuple) else (v, ...) for k, v in fields.items()}
    return create_model(name, __base__=Config, **types)  # type: ignore[no-any-return, call-overload]


def read_yaml(path: Path, layer: int = 0) -> tuple[Tree, Lines]:
    """The mapping in ``path`` and, for each key path, the :class:`KeyOrigin` that set it.

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
            at: KeyOrigin(line, layer) for at, line in lines.items()
        }
    except RecursionError:
        raise input_error(
            path, "readable YAML", "a nesting that is too deep", "flatten it"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise input_error(
            path, "valid YAML", error.problem or "an error", "fix it", line=line
        ) from None
    except yaml.YAMLError as error:
        got = str(error).splitlines()[0]
        raise input_error(path, "valid YAML", got, "fix the file") from None


def _walk(node: yaml.Node, at: tuple[str | int, ...], path: Path, lines: Lines) -> None:
    lines[at] = f"{path}:{node.start_mark.line + 1}"
    if len(lines) > MAX_VALUES or len(at) > MAX_DEPTH:
        got = f"more than {MAX_VALUES:,} values or {MAX_DEPTH} levels (aliases expanded)"
        raise input_error(path, "readable YAML", got, "shorten it")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                got = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                raise input_error(
                    path, "keys that are strings", f"{got}, which YAML reads as another type",
                    "quote it", line=key.start_mark.line + 1,
                )  # fmt: skip
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
    """The YAML at ``path`` merged over its ``base``, with ``key.sub=value`` overrides applied.

    Raises:
        UserError: a file cannot be read; or one line for each invalid override, or for each
            ``like`` without a sibling.
    """
    tree, lines = _over_bases(path, ())
    tree = overridden(tree, lines, overrides)
    errors: list[str] = []
    tree = _resolve_like(tree, lines, errors)
    if errors:
        raise UserError(*errors)
    return tree, lines


def overridden(tree: Tree, lines: Lines, overrides: Sequence[str]) -> Tree:
    """``tree`` with ``key.sub=value`` overrides applied; their origins are added to ``lines``.

    Raises:
        UserError: one line for each invalid override.
    """
    errors: list[str] = []
    for override in overrides:
        try:
            at, leaf = _parsed(override)
        except UserError as error:
            errors += error.lines
            continue
        lines |= dict.fromkeys(_keys(leaf, at), KeyOrigin(f"override {override!r}", 1))
        for step in reversed(at):
            leaf = {step: leaf}
        tree = merge(tree, leaf)
    if errors:
        raise UserError(*errors)
    return tree


def _parsed(override: str) -> tuple[tuple[str, ...], Any]:
    """The key path and the value of ``key.sub=value``."""
    key, sign, value = override.partition("=")
    if not sign or not key:
        raise UserError(f"expected key.sub=value, got {override!r}; name the key and its value")
    try:
        node = yaml.compose(value, Loader=yaml.SafeLoader)
        if node is not None:
            _walk(node, (), Path("override"), {})
        return tuple(key.split(".")), yaml.safe_load(value)
    except (yaml.YAMLError, RecursionError):
        raise UserError(f"{override!r}: expected a YAML value after '='; quote it") from None


def _resolve_like(
    tree: Tree, lines: Lines, errors: list[str], at: tuple[str | int, ...] = ()
) -> Tree:
    """Merges each entry with ``like: sibling`` over its sibling.

    So a control differs from the entry that it controls only in the keys that it sets.

    Args:
        tree: plain data.
        lines: the source line of each key.
        errors: receives a line for each ``like`` that names no sibling.
        at: the key of ``tree``.
    """
    if isinstance(tree, Switched):
        both = _resolve_like(dict(tree), lines, errors, at)
        return Switched(both, _resolve_like(tree.own, lines, errors, at), tree.kinds)
    out: Tree = {}
    for key, value in tree.items():
        nested = isinstance(value, dict)
        out[key] = _resolve_like(value, lines, errors, (*at, key)) if nested else value
    failed: list[Any] = []
    for key, value in out.items():
        if not isinstance(value, dict) or "like" not in value:
            continue
        sibling, own = value["like"], {k: v for k, v in value.items() if k != "like"}
        if sibling in failed:  # its own line says why
            failed.append(key)
            continue
        inherited = out.get(sibling) if isinstance(sibling, str) else None
        if not isinstance(inherited, dict) or "like" in inherited or sibling == key:
            where = lines.get((*at, key, "like"), ".".join(map(str, (*at, key))))
            removed = isinstance(sibling, str) and out.get(sibling) is REMOVED
            got = f"{sibling!r}" + ", which is removed" * removed
            hint = did_you_mean(
                str(sibling), [k for k in out if k != key and out[k] is not REMOVED]
            )
            errors.append(f"{where}: expected `like` to name a sibling entry, got {got}; {hint}")
            failed.append(key)
            continue
        merged = merge(inherited, own)
        if isinstance(value, Switched):  # an entry of another kind inherits nothing
            merged = Switched(merged, value.own, value.kinds)
        out[key] = merged
    return out


def _keys(value: Any, at: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """``at`` and every key path under it."""
    yield at
    entries = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else entries:
        yield from _keys(inner, (*at, key))


def _over_bases(path: Path, derived: tuple[Path, ...]) -> tuple[Tree, Lines]:
    if path.resolve() in derived:
        chain = " > ".join(p.name for p in (*derived, path))
        raise input_error(
            path, "a chain of bases that ends", f"a cycle ({chain})", "remove one `base:`"
        )
    tree, lines = read_yaml(path, -len(derived))
    base = tree.pop("base", None)
    if base is None:
        return tree, lines
    try:
        base_path = config_path(str(base), path.parent)
    except UserError as error:
        raise UserError(*(f"{lines[('base',)]}: base: {line}" for line in error.lines)) from None
    base_tree, base_lines = _over_bases(base_path, (*derived, path.resolve()))
    return merge(base_tree, tree), {**base_lines, **lines}


def merge(base: Tree, update: Mapping[str, Any]) -> Tree:
    """``update`` over ``base``: mappings merge, other values replace."""
    if isinstance(update, Switched):
        return Switched(_merged(base, update), merge(base, update.own), update.kinds)
    kinds = base.get("kind"), update.get("kind")
    if kinds[1] is not None and kinds[0] != kinds[1]:
        return Switched(_merged(base, update), dict(update), kinds)
    if isinstance(base, Switched):
        return Switched(_merged(base, update), merge(base.own, update), base.kinds)
    return _merged(base, update)


def _merged(base: Tree, update: Mapping[str, Any]) -> Tree:
    merged = dict(base)
    for key, value in update.items():
        old = merged.get(key)
        if value is None and old is not None:
            merged[key] = REMOVED
        else:
            both = isinstance(old, dict) and isinstance(value, dict)
            merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def bind(schema: type[T], tree: Tree, lines: Lines, source: str | Path) -> T:
    """``tree`` validated as a ``schema``, after its ``null`` values are applied (:mod:`.schema`).

    Raises:
        UserError: the tree is invalid; one line for each error.
    """
    try:
        return schema(**apply_nulls(schema, tree))
    except ValidationError as error:
        raise UserError(*(_sentence(schema, e, lines, source) for e in error.errors())) from None


@contextmanager
def locating(lines: Lines) -> Iterator[None]:
    """Puts the source line of its key before each error raised inside that starts with a key.

    An error about a key of a base is reported at the ``base:`` of the config, with the line in the
    base.

    Args:
        lines: the source line of each key of the config.
    """
    try:
        yield
    except UserError as error:
        located = tuple(_located(lines, message) for message in error.lines)
        if located == error.lines:
            raise
        raise UserError(*located) from None


def _located(lines: Lines, message: str) -> str:
    """``message`` after the source line of its key, or of the nearest section around the key."""
    key = (re.match(r"[^\s:]+(?=: | \()", message) or [""])[0] + "."
    around = [at for at in lines if at and key.startswith(".".join(map(str, at)) + ".")]
    if not around:
        return message
    origin = lines[max(around, key=len)]
    base = lines.get(("base",))
    if base is not None and getattr(origin, "layer", 0) < 0:
        return f"{base}: base ({origin}): {message}"
    return f"{origin}: {message}"


def load(path: Path, schema: type[T], overrides: Sequence[str] = ()) -> T:
    """The config at ``path`` (see :func:`read_tree`, :func:`bind`)."""
    tree, lines = read_tree(path, overrides)
    return bind(schema, tree, lines, path)


def dump_yaml(config: Config) -> str:
    """The config as YAML that loads to an equal config."""
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
