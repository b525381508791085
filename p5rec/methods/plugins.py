"""Plugins: methods in the user's own Python files and modules.

A plugin defines classes that extend :class:`.base.Method`. It is imported only if the user names it
in a config, on the command line or in a call. The folder of a run or a model records the names of
its plugins, and no command imports a plugin for such a record.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from p5rec.core.code import CODE
from p5rec.core.config import Lines, Tree, bind, compose
from p5rec.core.errors import UserError, all_of, input_error
from p5rec.core.recipes import RECORD

from .base import Method
from .registry import METHODS

KEY = "plugins"  # of a config
PREFIX = "p5rec_plugin_"  # of the module of a file
CLASS = "class MyMethod(Method): kind: Literal['my-method'] = 'my-method'"


@dataclass(frozen=True)
class Plugin:
    """An imported plugin.

    Attributes:
        name: the name of its file without the folder, or of its module.
        source: its absolute path, or the name of its module; another process imports this.
        digest: SHA-256 of the file; empty for a module.
        kinds: the kinds of methods that it defines.
    """

    name: str
    source: str
    digest: str
    kinds: tuple[str, ...]


_IMPORTED: dict[str, Plugin] = {}  # by the name of the module


def load_plugins(*names: str | Path) -> tuple[str, ...]:
    """Imports plugins and makes their methods available to recipes and to Python.

    A plugin is imported once per process.

    Args:
        names: Python files (``./my_baseline.py``) or modules (``my_package.module``).

    Returns:
        The kinds of the methods that the plugins define.

    Raises:
        UserError: one line for each plugin that cannot be imported, defines no method, or defines
            one whose kind or class name is taken.
    """
    all_of(*(partial(_load, str(name)) for name in names))
    return tuple(kind for name in names for kind in _IMPORTED[_module_name(str(name))].kinds)


def load_configured(tree: Tree, lines: Lines, source: Path, *, needed: bool) -> None:
    """Imports the plugins that a config names.

    Args:
        tree: the config.
        lines: the source line of each of its keys.
        source: the config's file.
        needed: whether methods are read from the config.

    Raises:
        UserError: see :func:`load_plugins`; or the plugins are ``needed``, and the record of a run
            names them but the user does not.
    """
    schema = compose("Plugins", **{KEY: (tuple[str, ...], ())})
    given = {KEY: tree[KEY]} if KEY in tree else {}
    names = getattr(bind(schema, given, lines, source), KEY)
    line = str(lines.get((KEY,), source))
    if Path(line.rpartition(":")[0]).name != RECORD:
        load_plugins(*names)
        return
    known = {plugin.name for plugin in _IMPORTED.values()}
    if needed and (missing := [name for name in names if _name(name) not in known]):
        options = " ".join(f"--plugin {name}" for name in missing)
        raise input_error(
            f"{line}: {KEY}", f"plugins that you name again, since a run's {RECORD} imports none",
            ", ".join(missing), f"run `p5rec {options} ...`",
        )  # fmt: skip


def imported() -> tuple[str, ...]:
    """The sources of all imported plugins, with which another process imports them."""
    return tuple(plugin.source for plugin in _IMPORTED.values())


def plugins_of(method: Method) -> dict[str, str]:
    """Kind → the name of its plugin, for each kind in the settings of ``method``."""
    owners = {kind: plugin.name for plugin in _IMPORTED.values() for kind in plugin.kinds}
    kinds = sorted(_kinds(method.dump()) & owners.keys())
    return {kind: owners[kind] for kind in kinds}


def _kinds(tree: Any) -> set[str]:
    if not isinstance(tree, dict):
        return set()
    own = {tree["kind"]} if isinstance(tree.get("kind"), str) else set()
    return own.union(*map(_kinds, tree.values()))


def _is_file(name: str) -> bool:
    return name.endswith(".py") or os.sep in name


def _name(name: str) -> str:
    return Path(name).name if _is_file(name) else name


def _module_name(name: str) -> str:
    return PREFIX + re.sub(r"\W", "_", Path(name).stem) if _is_file(name) else name


def _load(name: str) -> None:
    """Imports a plugin, unless it is imported, and registers its methods."""
    module_name, path, digest = _module_name(name), None, ""
    if _is_file(name):
        path = Path(name).expanduser().absolute()
        try:
            digest = sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise input_error(
                name, "a Python file", error.strerror or "an error", "check the path"
            ) from None
    if (known := _IMPORTED.get(module_name)) is not None:
        if known.digest != digest:
            raise input_error(
                name, f"the plugin {known.name} that is imported", f"another version of "
                f"{known.source}", "rename the file, or start Python again after a change",
            )  # fmt: skip
        return
    module = _import(name, module_name, path)
    try:
        targets = _targets(name, module)
        CODE.closure(*targets.values())  # reads the sources now, before the user edits them
    except UserError:
        if path is not None:
            del sys.modules[module_name]
        raise
    for kind, target in targets.items():
        METHODS.add(kind, target)
    source = module_name if path is None else str(path)
    _IMPORTED[module_name] = Plugin(_name(name), source, digest, tuple(targets))


class _SourceLoader(SourceFileLoader):
    """Compiles the source on each import: a bytecode file may be of an earlier version."""

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self.get_data(self.path), self.path)


def _import(name: str, module_name: str, path: Path | None) -> ModuleType:
    try:
        if path is None:
            return import_module(module_name)
        spec = spec_from_loader(module_name, _SourceLoader(module_name, str(path)))
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[module_name] = module  # annotations of its classes are resolved there
        spec.loader.exec_module(module)
        return module
    except (Exception, SystemExit) as error:
        sys.modules.pop(module_name, None)
        absent = isinstance(error, ModuleNotFoundError)
        raise input_error(
            name, "a plugin that Python can import", _sentence(error),
            "install it, or add its folder to PYTHONPATH" if absent else "fix the plugin",
            line=_line(error, path),
        ) from None  # fmt: skip


def _sentence(error: BaseException) -> str:
    """The class of an exception and the first line of its message."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return ": ".join([type(error).__name__, *text.splitlines()[:1]])


def _line(error: BaseException, path: Path | None) -> int | None:
    """The line of the file ``path`` that raised ``error``; None: another file raised it."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    frames = [each.lineno for each in extract_tb(error.__traceback__) if each.filename == str(path)]
    return frames[-1] if frames else None


def _targets(name: str, module: ModuleType) -> Mapping[str, str]:
    """Kind → target of each method that a plugin defines.

    Raises:
        UserError: it defines none, or a kind or the name of a class is taken.
    """
    targets: dict[str, str] = {}
    taken = {METHODS.target(kind): kind for kind in METHODS}
    package = module.__name__.partition(".")[0]
    for each in vars(module).values():
        if not (isinstance(each, type) and issubclass(each, Method)):
            continue
        kind = each.model_fields["kind"].default
        if each.__module__.partition(".")[0] != package or not isinstance(kind, str):
            continue
        target = f"{each.__module__}:{each.__name__}"
        if taken.get(target) == kind:
            targets[kind] = target
            continue
        if kind in METHODS or targets.get(kind, target) != target:
            raise input_error(name, "a kind that no other method has", repr(kind), "rename it")
        if each.__name__ in {known.partition(":")[2] for known in taken}:
            got = each.__name__
            raise input_error(name, "a class name that no other method has", got, "rename it")
        targets[kind] = target
    if not targets:
        raise input_error(name, f"a method ({CLASS})", "none", "add one")
    return targets
