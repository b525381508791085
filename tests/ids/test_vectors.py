"""Fusion of views into item vectors, and views with missing items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from p5rec.core.errors import UserError
from p5rec.ids.vectors import Fusion, file_vectors


def fused(views: dict[str, np.ndarray], weights: dict[str, float], whiten: bool = False):
    views = {name: np.asarray(view, dtype=np.float32) for name, view in views.items()}
    fusion = Fusion.fit(views, weights, whiten=whiten)
    return fusion, fusion(views)


def test_views_have_the_norm_of_their_weight_and_zero_rows_stay() -> None:
    _, vectors = fused({"a": [[3.0, 4], [0, 0]], "b": [[5.0], [-1]]}, {"a": 2.0, "b": 0.5})
    np.testing.assert_allclose(vectors, [[1.2, 1.6, 0.5], [0, 0, -0.5]])
    assert vectors.dtype == np.float32


def test_whitened_views_have_equal_variance_on_all_axes() -> None:
    rng = np.random.default_rng(0)
    view = rng.normal(size=(4000, 3)) * [5, 1, 1] @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    plain, white = (fused({"a": view}, {"a": 1.0}, w)[1] for w in (False, True))
    variances = [np.linalg.eigvalsh(np.cov(each.T)) for each in (plain, white)]
    assert variances[0][-1] > 3 * variances[0][0]
    assert variances[1][-1] < 1.2 * variances[1][0]


def test_missing_views_are_estimated_from_content() -> None:
    rng = np.random.default_rng(0)
    text = rng.normal(size=(400, 6)).astype(np.float32)
    behaviour = (text @ rng.normal(size=(6, 4))).astype(np.float32)
    hidden = behaviour.copy()
    hidden[:40] = np.nan
    complete, (fusion, guessed) = (
        fused({"text": text, "seen": seen}, {"text": 1.0, "seen": 1.0})
        for seen in (behaviour, hidden)
    )
    truth, estimate = complete[1][:40, 6:], guessed[:40, 6:]
    np.testing.assert_allclose(np.linalg.norm(estimate, axis=1), 1, rtol=1e-5)
    assert (truth * estimate).sum(1).mean() > 0.9  # cosine
    np.testing.assert_array_equal(guessed[40:], complete[1][40:])
    # new items are treated like unseen items of the table
    new = {"text": text[:40], "seen": np.full((40, 4), np.nan, dtype=np.float32)}
    np.testing.assert_allclose(fusion(new), guessed[:40], rtol=1e-5)
    again = Fusion.restored(fusion.state(), ["text", "seen"])
    np.testing.assert_array_equal(again(new), fusion(new))


def test_without_content_views_an_unknown_item_is_zero() -> None:
    fusion, _ = fused({"a": np.eye(3)}, {"a": 1.0})
    assert fusion({"a": np.full((1, 3), np.nan, dtype=np.float32)}).tolist() == [[0, 0, 0]]


def test_uninformative_text_gives_estimates_without_information() -> None:
    """The null twin: estimates are no nearer to the true vectors than to those of other items."""
    rng = np.random.default_rng(0)
    text, seen = rng.normal(size=(600, 6)), rng.normal(size=(600, 4))
    hidden = seen.copy()
    hidden[:100] = np.nan
    _, vectors = fused({"text": text, "seen": hidden}, {"text": 1.0, "seen": 1.0})
    truth = seen[:100] / np.linalg.norm(seen[:100], axis=1, keepdims=True)
    assert abs((truth * vectors[:100, 6:]).sum(1).mean()) < 0.15


def test_a_file_of_vectors_in_table_order_or_by_item(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float64).reshape(3, 2)
    np.save(tmp_path / "v.npy", array)
    vectors = file_vectors(tmp_path / "v.npy", ["a", "b", "c"])
    np.testing.assert_array_equal(vectors, array)
    given = [[1.0, 2], [3.0, 4], [9.0, 9], None]
    frame = pl.DataFrame({"item": ["c", "a", "z", "b"], "vector": given})
    frame.write_parquet(tmp_path / "v.parquet")
    vectors = file_vectors(tmp_path / "v.parquet", ["a", "b", "c"])
    np.testing.assert_array_equal(vectors, [[3, 4], [np.nan, np.nan], [1, 2]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.npy", None, "nothing there"),
        ("v.npy", np.zeros((2, 2)), r"one for each of 3 items, got float64 \(2, 2\)"),
        ("v.npy", np.array([{}, {}, {}], dtype=object), "save it without objects"),
        ("v.txt", None, "expected a .npy or .parquet file, got '.txt'"),
        ("v.parquet", {"item": ["a"]}, "column 'vector'"),
        ("v.parquet", {"item": ["a"], "vector": [1.0]}, "lists of numbers in column vector"),
        ("v.parquet", {"item": ["a"], "vector": [["x"]]}, "lists of numbers in column vector"),
        ("v.npy", b"", "expected an array of numbers"),
        ("v.parquet", {"item": ["a", "b"], "vector": [[1.0], [1.0, 2]]}, "vectors of one length"),
        ("v.parquet", {"item": ["q"], "vector": [[1.0]]}, "vectors of the items, got none of them"),
    ],
)
def test_an_invalid_file_is_an_error_of_one_line(
    name: str, content: object, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if isinstance(content, dict):
        pl.DataFrame(content).write_parquet(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content, allow_pickle=True)
    with pytest.raises(UserError, match=message) as caught:
        file_vectors(path, ["a", "b", "c"])
    assert len(caught.value.lines) == 1


def test_content_that_some_items_lack_still_estimates_events() -> None:
    rng = np.random.default_rng(0)
    text = rng.normal(size=(60, 4)).astype(np.float32)
    seen = (text @ rng.normal(size=(4, 5))).astype(np.float32)
    text[5], seen[:6] = np.nan, np.nan
    fusion = Fusion.fit({"text": text, "seen": seen}, {"text": 1.0, "seen": 1.0}, whiten=False)
    vectors = fusion({"text": text, "seen": seen})
    assert vectors[:5, 4:].any(axis=1).all()  # estimated from the text
    assert not vectors[5].any()  # nothing is known of it
