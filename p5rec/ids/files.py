"""Codes on disk: three files, validated on load.

A folder holds ``codes.safetensors`` (the codes, ``(N, L)`` int32), ``items.json`` (the items'
external ids, in the order of the codes) and ``codes.json`` (scheme, sizes, digest of the
item table, collision statistics, and the hashes of the other files).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field
from safetensors.numpy import load, save

from p5rec.core.artefacts import file_sha256, read_json, write_json
from p5rec.core.atomic import atomic_write
from p5rec.core.config import Config, bind
from p5rec.core.errors import input_error
from p5rec.core.item_codes import ItemCodes

from .prefixes import sharing

if TYPE_CHECKING:  # reading codes needs no fitting code
    from .collisions import Collisions

MANIFEST, TENSORS, ITEMS = "codes.json", "codes.safetensors", "items.json"
# config and encoder, beside codes that were built here
CONFIG, ENCODER, ENCODER_TENSORS = ENCODER_FILES = (
    "ids.json",
    "encoder.json",
    "encoder.safetensors",
)
REBUILD = "build the codes again (p5rec ids build)"


class ItemsRecord(Config):
    """The item table of the codes: its size, and a hash of the external ids in row order."""

    count: int
    digest: str
    digest_any_order: str

    @classmethod
    def of(cls, item_ids: Sequence[str]) -> ItemsRecord:
        """The record of a table's external ids ``(N,)``."""
        ids = list(item_ids)
        return cls(count=len(ids), digest=_hash(ids), digest_any_order=_hash(sorted(ids)))


def _hash(words: Sequence[str]) -> str:
    state = sha256()
    for word in words:
        data = word.encode()
        state.update(
            len(data).to_bytes(8, "big") + data
        )  # length prefixes make the hash unambiguous
    return state.hexdigest()[:32]


class CodesManifest(Config):
    """The contents of ``codes.json``."""

    scheme: str
    sizes: list[Annotated[int, Field(ge=1)]]
    items: ItemsRecord
    tied: bool = False
    collisions: dict[str, Any] | None
    sha256: str


def save_codes(
    codes: ItemCodes, folder: Path, item_ids: Sequence[str], collisions: Collisions | None = None
) -> None:
    """Writes codes for the items with external ids ``item_ids (N,)`` into ``folder``."""
    with atomic_write(folder / TENSORS, "wb") as handle:
        handle.write(save({"codes": np.ascontiguousarray(codes.codes, dtype=np.int32)}))
    write_json(folder / ITEMS, list(item_ids))
    # the manifest is written last: a mix of old and new files fails the hash check
    manifest = CodesManifest(
        scheme=codes.scheme,
        sizes=list(codes.sizes),
        items=ItemsRecord.of(item_ids),
        tied=codes.tied,
        collisions=None if collisions is None else asdict(collisions),
        sha256=file_sha256(folder / TENSORS),
    )
    write_json(folder / MANIFEST, manifest.dump())


def load_codes(folder: Path, item_ids: Sequence[str] | None = None) -> ItemCodes:
    """Loads the codes in ``folder``; ``item_ids (N,)``, if given, are checked against them.

    Raises:
        UserError: a file is missing or damaged, or the codes belong to another item table.
    """
    manifest = read_manifest(folder)
    path = folder / TENSORS
    if not path.is_file():
        raise input_error(path, "a codes file", "nothing there", REBUILD)
    if file_sha256(path) != manifest.sha256:
        raise input_error(
            path, f"the file that {MANIFEST} names", "another or a damaged one", REBUILD
        )
    try:
        tensors = load(path.read_bytes())
        array = tensors["codes"]
    except Exception as error:  # safetensors has its own error class; KeyError means damage too
        raise input_error(path, "a tensor named codes", str(error), REBUILD) from None
    _check_array(path, array, manifest)
    if item_ids is not None:
        check_matches(folder, item_ids)
    return ItemCodes(array, tuple(manifest.sizes), manifest.scheme, manifest.tied)


def load_item_ids(folder: Path) -> list[str]:
    """The external ids ``(N,)`` of the items of the codes in ``folder``.

    Raises:
        UserError: they are missing or damaged.
    """
    ids = read_json(folder / ITEMS)
    if (
        not isinstance(ids, list)
        or ItemsRecord.of(list(map(str, ids))) != read_manifest(folder).items
    ):
        raise input_error(folder / ITEMS, f"the items of {MANIFEST}", "others", REBUILD)
    return [str(item) for item in ids]


def read_manifest(folder: Path) -> CodesManifest:
    """``codes.json`` in ``folder``.

    Raises:
        UserError: it is missing or damaged.
    """
    tree = read_json(folder / MANIFEST)
    if not isinstance(tree, dict):
        raise input_error(folder / MANIFEST, "a JSON object", type(tree).__name__, REBUILD)
    return bind(CodesManifest, tree, {}, folder / MANIFEST)


def _check_array(path: Path, array: np.ndarray, manifest: CodesManifest) -> None:
    shape = (manifest.items.count, len(manifest.sizes))
    if array.shape != shape or array.dtype != np.int32:
        raise input_error(path, f"int32 codes {shape}", f"{array.dtype} {array.shape}", REBUILD)
    outside = (array < 0) | (array >= np.array(manifest.sizes))
    if outside.any():
        row = int(np.argwhere(outside)[0, 0])
        raise input_error(
            path,
            f"codes below {manifest.sizes}",
            f"{array[row].tolist()} at item row {row}",
            REBUILD,
        )
    if shared := sharing(array):
        raise input_error(
            path, "different codes for all items", f"{shared} items that share codes", REBUILD
        )


def check_matches(folder: Path, item_ids: Sequence[str]) -> None:
    """Checks that the codes belong to this item table.

    Raises:
        UserError: the number of items, the items, or their order differ; the message says which.
    """
    stored, table = read_manifest(folder).items, ItemsRecord.of(item_ids)
    if stored == table:
        return
    if stored.count != table.count:
        got = f"{stored.count} items in the codes and {table.count} in the table"
    elif stored.digest_any_order == table.digest_any_order:
        got = f"the same {table.count} items in another order"
    else:
        got = f"{table.count} items in both, but not the same ones"
    raise input_error(folder / MANIFEST, "codes made for this item table", got, REBUILD)
