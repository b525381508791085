"""A picture of one user's ranked list, each item with the reason for it (SVG).

python scripts/list_picture.py --model runs/quickstart/models/hybrid --user 401 --out list.svg

The history ends before the user's held-out test event. The reason for a recommended item is the
history item that adds most to its score in the hybrid's EASE component. The held-out item is marked
if the list has it.
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

import numpy as np
import polars as pl

import p5rec
from p5rec.core.types import NOBODY, Histories
from p5rec.data.matrices import history_matrix
from p5rec.methods.baselines.item_to_item import ItemToItemPredictor

WIDTH, LINE, LEFT, RIGHT = 980, 44, 30, 390  # pixels
INK, SOFT, MARK, PALE = "#1f2430", "#667085", "#0a7d4f", "#f4f6fa"
FONT = "font-family='Helvetica, Arial, sans-serif'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--path", default="ml-100k", help="the log, in RecBole's format")
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    data = p5rec.Dataset.from_file(options.path, source="recbole").split("leave-one-out")
    events = pl.DataFrame(data.events).filter(pl.col("user") == options.user)
    history = events.filter(pl.col("split") != "test")["item"].to_list()
    (held_out,) = events.filter(pl.col("split") == "test")["item"].to_list()
    titles = dict(pl.DataFrame(data.items).select("item", "title").iter_rows())
    model = p5rec.load(options.model, data)
    ranked = pl.DataFrame(model.recommend(histories=[history], k=options.k))["item"].to_list()
    reasons = reasons_for(model, history, ranked)
    rows = [
        (titles[item], titles[reason], item == held_out)
        for item, reason in zip(ranked, reasons, strict=True)
    ]
    latest = [titles[item] for item in history[-options.k :][::-1]]
    options.out.write_text(picture(options.user, len(history), latest, rows))
    print(f"wrote {options.out}; the held-out item is {titles[held_out]}")


def reasons_for(model: p5rec.Model, history: list[str], ranked: list[str]) -> list[str]:
    """Of each ranked item, the item of the history that adds most to its EASE score."""
    (ease,) = (c for _, c in model.predictor().components if isinstance(c, ItemToItemPredictor))
    number = {item: n for n, item in enumerate(model.items["item"])}
    items = np.array([number[item] for item in history])
    one = Histories(np.array([NOBODY]), items, np.array([0, len(items)]))
    read = history_matrix(one, len(number), ease.half_life).toarray()[0, items]
    weights = ease.discounted[items][:, [number[item] for item in ranked]].toarray()
    added = read[:, None] * weights
    return [history[n] for n in added.argmax(axis=0)]


def picture(user: str, events: int, latest: list[str], rows: list[tuple[str, str, bool]]) -> str:
    """The SVG."""
    height = 96 + LINE * len(rows) + 24
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {FONT}>",
        f"<rect width='{WIDTH}' height='{height}' rx='14' fill='{PALE}'/>",
        text(LEFT, 40, f"User {user}", 19, INK, bold=True),
        text(LEFT, 64, f"the latest of {events} films", 14, SOFT),
        text(RIGHT, 40, "Recommended next", 19, INK, bold=True),
        text(RIGHT, 64, "and the film of the history that speaks most for it", 14, SOFT),
    ]
    for n, title in enumerate(latest):
        parts.append(text(LEFT, 106 + LINE * n, title, 15, INK))
    for n, (title, reason, hit) in enumerate(rows):
        y = 106 + LINE * n
        parts.append(text(RIGHT, y, f"{n + 1}", 15, SOFT))
        parts.append(
            text(
                RIGHT + 26,
                y,
                title + ("   ✓ watched next" if hit else ""),
                15,
                MARK if hit else INK,
                bold=hit,
            )
        )
        parts.append(text(RIGHT + 26, y + 18, f"because of {reason}", 12.5, SOFT))
    return "\n".join([*parts, "</svg>\n"])


def text(x: int, y: int, words: str, size: float, colour: str, bold: bool = False) -> str:
    """A line of text."""
    weight = " font-weight='bold'" if bold else ""
    return (
        f"<text x='{x}' y='{y}' font-size='{size}' fill='{colour}'{weight}>{escape(words)}</text>"
    )


if __name__ == "__main__":
    main()
