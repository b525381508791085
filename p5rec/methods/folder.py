"""The complete folder of a fitted method: settings, model, items.

``config.json`` holds the method's settings, ``items.json`` its items, ``catalog.parquet`` their
table if they have attributes, ``method.json`` its serving settings
(:mod:`p5rec.recommend.serving`), ``lineage.npy`` its training events, ``plugins.json`` the plugins
that define its kinds (:mod:`.plugins`). Each method adds files of its own.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from p5rec.core.artefacts import file_sha256, read_json, write_json
from p5rec.core.config import bind
from p5rec.core.errors import input_error
from p5rec.core.types import Catalog, Corpus
from p5rec.ids.files import load_item_ids

from .base import Method
from .needs import Inputs
from .plugins import plugins_of
from .registry import METHODS

CONFIG, ITEMS, PLUGINS = "config.json", "items.json", "plugins.json"
CATALOG = "catalog.parquet"


def complete(
    method: Method, model: Path, query_inputs: Inputs, catalog: Catalog, work: Path
) -> dict[str, Path]:
    """The files of a method's folder, by their path in it.

    Args:
        model: the folder that :meth:`~p5rec.methods.base.Method.fit` filled.
        query_inputs: the artefacts of :meth:`~p5rec.methods.base.Method.query_needs`.
        catalog: its items.
        work: an empty folder for temporary files.
    """
    write_json(work / CONFIG, method.dump())
    write_json(work / ITEMS, {"ids": list(catalog.ids), "titles": list(catalog.titles)})
    own = [CONFIG, ITEMS]
    if catalog.attributes:
        pq.write_table(catalog.table, work / CATALOG, compression="zstd")
        own.append(CATALOG)
    if plugins := plugins_of(method):
        write_json(work / PLUGINS, plugins)
        own.append(PLUGINS)
    files = method.files(model, query_inputs, work)
    return files | {name: work / name for name in own}


def read_catalog(folder: Path) -> Catalog:
    """The items of the method in ``folder``, with their attributes if it has them.

    Raises:
        UserError: a file is missing or damaged.
    """
    if (folder / CATALOG).is_file():
        try:
            return Catalog(pq.ParquetFile(folder / CATALOG).read())  # read_table imports pandas
        except (pa.ArrowException, OSError):
            raise input_error(
                folder / CATALOG, "an item table", "a damaged file", "copy the folder again"
            ) from None
    known = read_json(folder / ITEMS)
    return Catalog(pa.table({"item": known["ids"], "title": known["titles"]}))


def is_fitted(folder: Path) -> bool:
    """Whether ``folder`` holds a fitted method."""
    return (folder / CONFIG).is_file() and (folder / ITEMS).is_file()


def check_fitted(folder: Path) -> None:
    """Checks that ``folder`` holds a fitted method.

    Raises:
        UserError: it does not.
    """
    if not (folder / CONFIG).is_file():
        raise input_error(folder, "a fitted method's folder", f"no {CONFIG}", "check the path")
    if not (folder / ITEMS).is_file():
        raise input_error(
            folder / ITEMS, "the file that was saved", "nothing there", "copy the folder again"
        )


def check_plugins(folder: Path) -> None:
    """Checks that the plugins of the method in ``folder`` are imported.

    Raises:
        UserError: one is not, or their record is damaged.
    """
    recorded = read_json(folder / PLUGINS) if (folder / PLUGINS).is_file() else {}
    if not isinstance(recorded, dict):
        raise input_error(
            folder / PLUGINS, "a plugin for each kind", "something else", "copy the folder again"
        )
    for kind, plugin in recorded.items():
        if kind not in METHODS:
            raise input_error(
                folder, f"the plugin {plugin}, which defines {kind!r}", "none imported",
                f"name its file: `p5rec --plugin {plugin} ...`, in Python "
                f"p5rec.load_plugins({plugin!r})",
            )  # fmt: skip


def contents(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in ``folder``, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def read_method(folder: Path) -> Method:
    """The settings of the method in ``folder``.

    Raises:
        UserError: the folder holds no method, is damaged, has an unknown kind, or needs a plugin
            that is not imported.
    """
    check_fitted(folder)
    check_plugins(folder)
    tree = read_json(folder / CONFIG)
    kind = str(tree.get("kind")) if isinstance(tree, dict) else ""
    if kind not in METHODS:
        raise input_error(
            folder / CONFIG, f"a kind of method ({', '.join(METHODS)})", repr(kind),
            "install the package that provides it, or copy the folder again",
        )  # fmt: skip
    method: Method = bind(METHODS.get(kind), tree, {}, folder / CONFIG)
    return method


def check_items(folder: Path, corpus: Corpus, ids: Path | None = None) -> None:
    """Checks that the method in ``folder`` has the items of ``corpus``, in the same order.

    Args:
        ids: codes that extend the model's codes to new items; None: the model's items only.

    Raises:
        UserError: items differ.
    """
    known = read_json(folder / ITEMS)["ids"] if ids is None else list(load_item_ids(ids))
    here = list(corpus.catalog.ids)
    if known != here:
        how = "in another order" if sorted(known) == sorted(here) else "that differs"
        raise input_error(
            ids or folder, f"the {len(known)} items it was {'built for' if ids else 'fitted to'}",
            f"an item table of {len(here)} {how}",
            "use the data section it was fitted with, extend its codes to new items "
            "(p5rec ids extend, then --ids) if it has codes, or fit it again",
        )  # fmt: skip
