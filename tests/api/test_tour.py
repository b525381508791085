"""The cells of the tour run, and what is stored in it is of the kind that they show."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from documented import ROOT

import p5rec
from p5rec.core.rng import derive_rng

NOTEBOOK = json.loads((ROOT / "docs/tutorials/tour.ipynb").read_text(encoding="utf-8"))
RUNNER = runpy.run_path(str(ROOT / "scripts/run_notebook.py"))
USERS, FILMS, EACH = 120, 200, 15


@pytest.fixture
def little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few made-up ratings in the cache, where ml-100k would be."""
    folder = tmp_path / "home/fetched/ml-100k"
    folder.mkdir(parents=True)
    rng = derive_rng(0, "little movies")
    log = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(101, 101 + USERS):
        for step, film in enumerate(rng.choice(FILMS, EACH, replace=False)):
            log.append(f"{user}\t{film + 1}\t{rng.integers(1, 6)}\t{1000 * step + user}")
    films = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"]
    kinds = ("Comedy", "Drama")
    films += [f"{n}\tFilm {n}\t1990\t{kinds[n % 2]}" for n in range(1, FILMS + 1)]
    for name, rows in (("inter", log), ("item", films)):
        (folder / f"ml-100k.{name}").write_text("\n".join(rows) + "\n")
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))


def kinds(cells: list[dict[str, Any]]) -> list[list[set[str]]]:
    """What each cell of code shows, as media types."""
    return [
        [{*output.get("data", {"stream": ""})} for output in cell["outputs"]]
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def test_the_tour(little: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = RUNNER["executed"](NOTEBOOK)["cells"]
    assert kinds(cells) == kinds(NOTEBOOK["cells"])
    assert cells[-2]["outputs"][0]["data"]["text/plain"] == ["True"]
    pictures = [types for cell in kinds(cells) for types in cell if "image/png" in types]
    assert len(pictures) == 2


def test_what_is_stored_is_of_no_single_machine() -> None:
    text = json.dumps(NOTEBOOK)
    assert "/home" not in text
    assert "/tmp" not in text
    assert "Traceback" not in text
    assert all(cell["outputs"] or "=" in "".join(cell["source"])
               for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")  # fmt: skip


@pytest.mark.nightly
def test_the_tour_on_movielens(
    movielens: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for n, cell in enumerate(NOTEBOOK["cells"]):
        if cell["cell_type"] == "code":
            RUNNER["outputs_of"]("".join(cell["source"]), names, n)
    table = names["results"].table()
    assert isinstance(names["results"], p5rec.Evaluation)
    assert table["method"].to_list() == ["sasrec", "ease", "popularity"]
