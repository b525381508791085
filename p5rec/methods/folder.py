"""The folder of a fitted method that is complete in itself: settings, model, items.

``method.json`` says how the method is queried (:mod:`p5rec.recommend.serving`), ``config.json`` its
settings, ``items.json`` the items it knows, ``lineage.npy`` the events it learned from; the rest is
the method's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.artefacts import file_sha256, read_json, write_json
from p5rec.core.config import bind
from p5rec.core.errors import fault
from p5rec.core.types import Catalog, Corpus

from .base import Method
from .registry import METHODS

if TYPE_CHECKING:
    from p5rec.recommend.serving import ServingConfig

CONFIG, ITEMS = "config.json", "items.json"


def saved_files(
    method: Method, model: Path, serving: ServingConfig, catalog: Catalog, work: Path
) -> dict[str, Path]:
    """The files of a method's folder, by their path in it.

    Args:
        model: what :meth:`~p5rec.methods.base.Method.fit` filled.
        serving: how the method is queried.
        catalog: its items.
        work: a folder of its own for the files that have to be written.
    """
    from p5rec.recommend.serving import FILE

    work.mkdir(parents=True, exist_ok=True)
    write_json(work / FILE, serving.dump())
    write_json(work / CONFIG, method.dump())
    write_json(work / ITEMS, {"ids": list(catalog.ids), "titles": list(catalog.titles)})
    own = {path.relative_to(model).as_posix(): path for path in model.rglob("*") if path.is_file()}
    return own | {name: work / name for name in (FILE, CONFIG, ITEMS)}


def is_fitted(folder: Path) -> bool:
    """Whether ``folder`` holds a method that was fitted to the data alone."""
    return (folder / CONFIG).is_file() and (folder / ITEMS).is_file()


def contents(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in ``folder``, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def read_method(folder: Path, corpus: Corpus) -> Method:
    """The method whose model is in ``folder``, for the items of ``corpus``.

    Raises:
        UserError: the folder is damaged, or of other items.
    """
    tree, items = read_json(folder / CONFIG), read_json(folder / ITEMS)
    known, here = items["ids"], list(corpus.catalog.ids)
    if known != here:
        how = "in another order" if sorted(known) == sorted(here) else "that differs"
        raise fault(
            folder, f"the {len(known)} items it was fitted to",
            f"an item table of {len(here)} {how}",
            "use the data section it was fitted with, or fit it again",
        )  # fmt: skip
    method: Method = bind(METHODS.get(str(tree.get("kind"))), tree, {}, folder / CONFIG)
    return method
