"""Codes on disk: round trips, and errors for anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import UserError
from p5rec.core.item_codes import ItemCodes
from p5rec.ids.collisions import Collisions
from p5rec.ids.files import ITEMS, MANIFEST, TENSORS, load_codes, read_manifest, save_codes

IDS = ["x", "y", "z"]
CODES = ItemCodes(np.array([[0, 1], [1, 0], [0, 0]], dtype=np.int32), (2, 2), "rq-kmeans")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_codes(CODES, tmp_path, IDS, Collisions("nearest-free", 2, 0, 1, 0.5, 0.75))
    return tmp_path


@pytest.mark.system("semantic-ids")
def test_saved_codes_are_read_back(folder: Path) -> None:
    back = load_codes(folder, IDS)
    np.testing.assert_array_equal(back.codes, CODES.codes)
    assert (back.codes.dtype, back.sizes, back.scheme) == (np.int32, (2, 2), "rq-kmeans")
    collisions = read_manifest(folder).collisions
    assert collisions is not None
    assert collisions["moved"] == 1
    assert sorted(p.name for p in folder.iterdir()) == [MANIFEST, TENSORS, ITEMS]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["x", "y"], "3 items in the codes and 2 in the table"),
        (["y", "x", "z"], "the same 3 items in another order"),
        (["x", "y", "w"], "3 items in both, but not the same ones"),
        (["xy", "", "z"], "3 items in both, but not the same ones"),
    ],
)
def test_another_item_table_is_an_error_with_the_difference(
    ids: list[str], message: str, folder: Path
) -> None:
    with pytest.raises(UserError, match=message):
        load_codes(folder, ids)


def rewrite(folder: Path, array: np.ndarray, name: str = "codes") -> None:
    """Replaces the tensor and its hash in the manifest."""
    save_file({name: array}, folder / TENSORS)
    tree = json.loads((folder / MANIFEST).read_text())
    tree["sha256"] = file_sha256(folder / TENSORS)
    (folder / MANIFEST).write_text(json.dumps(tree))


def flip(folder: Path) -> None:
    data = bytearray((folder / TENSORS).read_bytes())
    data[-1] ^= 1
    (folder / TENSORS).write_bytes(bytes(data))


def not_a_tensor_file(folder: Path) -> None:
    (folder / TENSORS).write_bytes(b"no tensors here")
    tree = json.loads((folder / MANIFEST).read_text())
    tree["sha256"] = file_sha256(folder / TENSORS)
    (folder / MANIFEST).write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / MANIFEST).unlink(), "nothing there"),
        (lambda f: (f / TENSORS).unlink(), "nothing there"),
        (lambda f: (f / MANIFEST).write_text("{"), "valid JSON"),
        (lambda f: (f / MANIFEST).write_text("[]"), "a JSON object"),
        (lambda f: (f / MANIFEST).write_text("{}"), "expected a value for 'scheme'"),
        (flip, "another or a damaged one"),
        (not_a_tensor_file, "a tensor named codes"),
        (lambda f: rewrite(f, CODES.codes, "other"), "a tensor named codes"),
        (lambda f: rewrite(f, CODES.codes[:2]), r"int32 codes \(3, 2\), got int32 \(2, 2\)"),
        (lambda f: rewrite(f, CODES.codes.astype(np.int64)), "got int64"),
        (
            lambda f: rewrite(f, CODES.codes + 1),
            r"codes below \[2, 2\], got \[1, 2\] at item row 0",
        ),
        (lambda f: rewrite(f, CODES.codes - 1), r"got \[-1, 0\] at item row 0"),
        (lambda f: rewrite(f, CODES.codes * 0), "3 items that share"),
    ],
)
def test_damage_is_an_error_of_one_line(
    damage: Callable[[Path], None], message: str, folder: Path
) -> None:
    damage(folder)
    with pytest.raises(UserError, match=message) as caught:
        load_codes(folder)
    assert str(folder) in str(caught.value).splitlines()[0]
