"""The printable plot of the code tree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from code_trees import HOSTILE, SMALL, catalog_of, codes_of, sampled
from matplotlib.image import imread

from p5rec.ids.sunburst import _fitting_names, _spread, write_png


def test_names_beside_the_circle_do_not_overlap() -> None:
    rng = np.random.default_rng(2)
    for n in (1, 2, 9):
        wanted = np.sort(rng.uniform(0, 8, n))[::-1]
        heights = _spread(wanted, 0.8, 0, 8)
        assert (np.diff(heights) <= -0.8 + 1e-9).all()
        assert heights.min() >= -1e-9
        assert heights.max() <= 8 + 1e-9
    np.testing.assert_allclose(_spread(np.array([6.0, 3.0]), 0.8, 0, 8), [6, 3])  # unchanged
    wanted, items = np.linspace(5, 4, 50), np.arange(50)
    chosen, heights = _fitting_names(wanted, items, 0, 8)
    assert 49 in chosen.tolist()  # the largest
    assert 2 <= len(chosen) < 50
    assert np.abs(heights - wanted[chosen]).max() <= 0.5


def test_the_plot_stays_within_its_margins(tmp_path: Path) -> None:
    codes, catalog = sampled(), catalog_of([f"{HOSTILE} $x^2$ word{row % 7}" for row in range(500)])
    write_png(codes, catalog, tmp_path / "a" / "tree.png")
    picture = imread(tmp_path / "a" / "tree.png")[..., :3]
    assert picture.shape == (1350, 1800, 3)
    edge = np.ones((1350, 1800), dtype=bool)
    edge[12:-12, 12:-12] = False
    assert (picture[edge] == 1).all()
    hues = np.unique((picture[300:1200, 400:1400] * 255).round().reshape(-1, 3), axis=0)
    assert len(hues) > 100
    write_png(codes, catalog, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "a" / "tree.png").read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"a", "again.png"}


@pytest.mark.parametrize("rows", SMALL)
def test_small_trees_have_a_plot(rows: list, tmp_path: Path) -> None:
    write_png(codes_of(rows), catalog_of(["A title"] * len(rows)), tmp_path / "tree.png")
    assert (tmp_path / "tree.png").stat().st_size > 10_000
