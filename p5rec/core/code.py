"""The code behind a stage: the modules of p5rec that its work can run, and what else shapes it.

The modules are those that the work's own module imports, and theirs, read from the sources. Of each
its syntax tree counts: comments, docstrings and layout do not, nor do imports for type checkers
alone. A name in a registry imports nothing, so who uses one names its target as well.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .paths import PACKAGE

# a function or class that does the work, or "package.module:attribute" for one
Work = Callable[..., Any] | str

# what is imported → the distributions that shape results through it
SHAPING = {
    "accelerate": ("accelerate",),
    "bitsandbytes": ("bitsandbytes",),
    "datasets": ("datasets",),
    "matplotlib": ("matplotlib",),
    "numpy": ("numpy",),
    "peft": ("peft",),
    "polars": ("polars",),
    "pyarrow": ("pyarrow",),
    "rouge_score": ("rouge-score",),
    "sacrebleu": ("sacrebleu",),
    "safetensors": ("safetensors",),
    "scipy": ("scipy",),
    "sklearn": ("scikit-learn",),
    "torch": ("torch",),
    "transformers": ("transformers", "tokenizers"),
    "trl": ("trl",),
}
PAGES = {".html", ".css", ".js"}


@dataclass(frozen=True)
class Module:
    """What counts of a module.

    Attributes:
        digest: of its syntax tree and of the pages that it reads.
        imports: names that it imports, of modules or of what is in them, packages of both included.
    """

    digest: str
    imports: frozenset[str]


@dataclass(frozen=True)
class Code:
    """The sources of p5rec.

    Attributes:
        root: the folder that holds the package.
    """

    root: Path

    def closure(self, *work: Work) -> list[str]:
        """Names of the modules of p5rec that ``work`` can run, sorted.

        Where work lies in a package of its own, which a user wrote, modules of that count too.

        Raises:
            ValueError: work is in no module whose source can be read.
        """
        return _closure(self.root, frozenset(_place(each).partition(":")[0] for each in work))

    def digest(self, *work: Work) -> str:
        """A short hash of what ``work`` is and of all that it can run."""
        state = blake2b(digest_size=8)
        for place in sorted({_place(each) for each in work}):
            state.update(f"{place}\n".encode())
        for name in self.closure(*work):
            state.update(f"{name} {_read(self.root, name).digest}\n".encode())
        return state.hexdigest()

    def libraries(self, *work: Work) -> dict[str, str]:
        """Versions of what shapes the results of ``work``: libraries, and Python, whose syntax
        trees the digest is made of."""
        imported = {
            name.partition(".")[0]
            for module in self.closure(*work)
            for name in _read(self.root, module).imports
        }
        shaping = sorted({each for name in imported for each in SHAPING.get(name, ())})
        return {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            **{name: version_of(name) for name in shaping},
        }


CODE = Code(PACKAGE.parent)


@cache
def version_of(distribution: str) -> str:
    """The installed version, or ``absent``."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "absent"


def _place(work: Work) -> str:
    return work if isinstance(work, str) else f"{work.__module__}:{work.__qualname__}"


def _packages(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


@cache
def _file(root: Path, name: str) -> Path | None:
    """The source of a module: of p5rec below ``root``, of others where Python finds it."""
    if name.partition(".")[0] != PACKAGE.name:
        spec = find_spec(name)
        found = Path(spec.origin) if spec and spec.origin else Path()
        return found if found.suffix == ".py" else None
    path = root.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@cache
def _closure(root: Path, names: frozenset[str]) -> list[str]:
    """See :meth:`Code.closure`; ``names`` are those of the modules of the work."""
    found: set[str] = set()
    ours = {PACKAGE.name, *(name.partition(".")[0] for name in names)}
    if strange := sorted(name for name in names if _file(root, name) is None):
        raise ValueError(f"expected work in a module with a source, got {', '.join(strange)}")
    waiting = [*names, *(package for name in names for package in _packages(name))]
    while waiting:
        name = waiting.pop()
        mine = name.partition(".")[0] in ours and _file(root, name) is not None
        if name not in found and mine:
            found.add(name)
            waiting += _read(root, name).imports
    return sorted(found)


@cache
def _read(root: Path, name: str) -> Module:
    path = _file(root, name)
    assert path is not None, "asked for modules alone"
    tree = _Bare().visit(ast.parse(path.read_bytes()))
    state = blake2b(ast.dump(tree).encode(), digest_size=16)
    for package in _read_from(tree):
        folder = root.joinpath(*package.split("."))
        for page in sorted(p for p in folder.rglob("*") if p.suffix in PAGES):
            state.update(page.relative_to(folder).as_posix().encode() + page.read_bytes())
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    named = set(_imports(tree, package))
    return Module(state.hexdigest(), frozenset({*named, *(p for n in named for p in _packages(n))}))


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """What a module in ``package`` imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _read_from(tree: ast.AST) -> Iterator[str]:
    """Packages whose files a module opens: ``files("p5rec.package")``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "files" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and str(first.value).startswith(PACKAGE.name):
                yield str(first.value)


def _called(node: ast.Call) -> str:
    return _name(node.func) or ""


def _name(node: ast.expr) -> str | None:
    """The last word of ``a.b.name`` or ``name``."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


class _Bare(ast.NodeTransformer):
    """Leaves out what no result depends on."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Docstrings go, and other strings that stand alone."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """What is there for type checkers alone goes."""
        test = self.generic_visit(node)
        assert isinstance(test, ast.If)
        return test.orelse if _name(test.test) == "TYPE_CHECKING" else test

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The entries of a registry go: those in use are named as work."""
        self.generic_visit(node)
        if _called(node) == "Registry":
            node.args = node.args[:1]
        return node
