"""Code digests: the modules of p5rec that a stage can run, and the libraries that it uses.

The modules are the import closure of the module that defines the work, read from the sources. A
module's digest hashes its syntax tree without comments, docstrings, layout and imports for type
checkers. A registry name imports nothing, so a stage that uses one must also name its target.
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

from .json_cache import JsonCache
from .paths import PACKAGE, cache_home

# a function or class that a stage runs, or its "package.module:attribute"
Work = Callable[..., Any] | str

# imported package → the distributions whose version can change a result
RELEVANT_DISTRIBUTIONS = {
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
PARSED = "parsed.json"  # cache of digests and imports, by the hash of each module's source


@dataclass(frozen=True)
class Module:
    """The digest and the imports of one module.

    Attributes:
        digest: of its syntax tree and of the pages that it reads.
        imports: the names that it imports (modules or their members) and all parent packages.
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

        If a user's package defines the work, the modules of that package count too.

        Raises:
            ValueError: the source of the work's module is not available.
        """
        modules = frozenset(_target(each).partition(":")[0] for each in work)
        closure = _closure(self.root, modules)
        _parsed(cache_home() / PARSED).save()
        return list(closure)

    def digest(self, *work: Work) -> str:
        """A short hash of ``work`` and of all modules that it can run."""
        state = blake2b(digest_size=8)
        for target in sorted({_target(each) for each in work}):
            state.update(f"{target}\n".encode())
        for name in self.closure(*work):
            state.update(f"{name} {_read(self.root, name).digest}\n".encode())
        return state.hexdigest()

    def libraries(self, *work: Work) -> dict[str, str]:
        """Versions of the libraries that can change the results of ``work``, and of Python, whose
        syntax trees the digest hashes."""
        imported = {
            name.partition(".")[0]
            for module in self.closure(*work)
            for name in _read(self.root, module).imports
        }
        relevant = {each for name in imported for each in RELEVANT_DISTRIBUTIONS.get(name, ())}
        return {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            **{name: version_of(name) for name in sorted(relevant)},
        }


CODE = Code(PACKAGE.parent)


@cache
def version_of(distribution: str) -> str:
    """The installed version, or ``absent``."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "absent"


def _target(work: Work) -> str:
    return work if isinstance(work, str) else f"{work.__module__}:{work.__qualname__}"


def _packages(name: str) -> list[str]:
    steps = name.split(".")
    return [".".join(steps[:n]) for n in range(1, len(steps))]


@cache
def _file(root: Path, name: str) -> Path | None:
    """The source file of a module: of p5rec under ``root``, of others on Python's path."""
    if name.partition(".")[0] != PACKAGE.name:
        try:
            spec = find_spec(name)
        except ModuleNotFoundError:  # a member of a module
            return None
        source = Path(spec.origin) if spec and spec.origin else Path()
        return source if source.suffix == ".py" else None
    path = root.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@cache
def _closure(root: Path, modules: frozenset[str]) -> tuple[str, ...]:
    """See :meth:`Code.closure`; ``modules`` are the names of the modules of the work."""
    reached: set[str] = set()
    ours = {PACKAGE.name, *(name.partition(".")[0] for name in modules)}
    if strange := sorted(name for name in modules if _file(root, name) is None):
        raise ValueError(f"expected work in a module with a source, got {', '.join(strange)}")
    waiting = [*modules, *(package for name in modules for package in _packages(name))]
    while waiting:
        name = waiting.pop()
        counts = name.partition(".")[0] in ours and _file(root, name) is not None
        if name not in reached and counts:
            reached.add(name)
            waiting += _read(root, name).imports
    return tuple(sorted(reached))


@cache
def _read(root: Path, name: str) -> Module:
    path = _file(root, name)
    assert path is not None, "expected the name of a module"
    source, parsed = path.read_bytes(), _parsed(cache_home() / PARSED)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    key = blake2b(f"{package}\n".encode() + source, digest_size=16).hexdigest()
    module = parsed.get(name, key)
    if module is None:
        module = _parse(source, package)
        parsed.put(name, key, module)
    digest, imports, opened = module
    if opened:
        state = blake2b(digest.encode(), digest_size=16)
        for folder in (root.joinpath(*each.split(".")) for each in opened):
            for page in sorted(p for p in folder.rglob("*") if p.suffix in PAGES):
                state.update(page.relative_to(folder).as_posix().encode() + page.read_bytes())
        digest = state.hexdigest()
    return Module(digest, frozenset(imports))


@cache
def _parsed(path: Path) -> JsonCache:
    """The modules that earlier processes parsed with this Python version and this version of
    :mod:`p5rec.core.code`."""
    own = blake2b(Path(__file__).read_bytes(), digest_size=8).hexdigest()
    return JsonCache(path, f"{sys.version_info.major}.{sys.version_info.minor} {own}")


def _parse(source: bytes, package: str) -> tuple[str, list[str], list[str]]:
    """The digest of a module's syntax tree, its imports, and the packages whose files it opens."""
    tree = _Bare().visit(ast.parse(source))
    digest = blake2b(ast.dump(tree).encode(), digest_size=16).hexdigest()
    named = set(_imports(tree, package))
    imports = named | {each for name in named for each in _packages(name)}
    return digest, sorted(imports), list(_read_from(tree))


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The names that a module in ``package`` imports, at any depth of its code."""
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
    """Removes the nodes of a syntax tree that no result depends on."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Removes docstrings and other string statements."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Removes the branches for type checkers."""
        test = self.generic_visit(node)
        assert isinstance(test, ast.If)
        return test.orelse if _name(test.test) == "TYPE_CHECKING" else test

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Removes the entries of a registry; a stage names those it uses as work."""
        self.generic_visit(node)
        if _called(node) == "Registry":
            node.args = node.args[:1]
        return node
