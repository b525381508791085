"""A small log and its files."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def events() -> list[tuple[str, str, float, int]]:
    """User, item, rating, seconds; the last two events of user 2 share a second."""
    return [
        ("1", "10", 5.0, 881250900),
        ("1", "20", 3.0, 881250910),
        ("1", "30", 4.0, 881250920),
        ("2", "20", 1.0, 881250905),
        ("2", "10", 2.0, 881250930),
        ("2", "30", 5.0, 881250930),
        ("3", "30", 4.0, 881250999),
    ]


@pytest.fixture
def table(tmp_path: Path, events: list[tuple[str, str, float, int]]) -> Path:
    """The log as CSV with an item table ``items.csv`` beside it."""
    rows = "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in events)
    (tmp_path / "log.csv").write_text("user,item,rating,time\n" + rows)
    (tmp_path / "items.csv").write_text(
        "item,title,genre,year\n10,Toy Story,Animation|Comedy,1995\n20,Heat,Crime,1995\n"
        '30,"Clerks, the film",,1994\n'
    )
    return tmp_path / "log.csv"
