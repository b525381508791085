"""``p5rec recommend``: ranked lists, ratings or explanations from a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from p5rec.core.errors import UserError, fault

app = typer.Typer(add_completion=False)

WHAT = ("lists", "ratings", "explanations")


@app.command()
def recommend(
    model: Annotated[Path, typer.Option(help="A model's folder (runs/<name>/models/<method>).")],
    config: Annotated[Path, typer.Option(help="A recipe; its data section gives the histories.")],
    out: Annotated[
        list[Path], typer.Option(help="Files to write: .parquet, .jsonl or .csv; repeatable.")
    ],
    what: Annotated[str, typer.Option(help="lists, ratings or explanations.")] = "lists",
    users: Annotated[
        Path | None, typer.Option(help="A file with one user id a line; default: all.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV with columns user,item, for ratings and explanations.")
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Length of the lists.")] = 10,
    beams: Annotated[int, typer.Option(min=1, help="Prefixes kept in the search.")] = 50,
    with_seen: Annotated[bool, typer.Option(help="Keep items that the user already has.")] = False,
) -> None:
    """Rank items for users by their whole history, or rate and explain given pairs."""
    if what not in WHAT:
        raise UserError(f"--what: expected {', '.join(WHAT)}, got {what!r}; choose one of them")
    if (what == "lists") == (pairs is not None):
        raise UserError(f"--pairs goes with ratings and explanations, got --what {what}; mend one")
    _check_formats(out)
    from p5rec.models.checkpoint import load_bundle
    from p5rec.recommend.config import DecodeConfig
    from p5rec.recommend.lists import write_lists

    from .inputs import corpus_of

    corpus = corpus_of(config)
    bundle = load_bundle(model)
    _check_items(model, bundle.item_ids, corpus.catalog.ids)
    decode = DecodeConfig(k=k, beams=max(beams, k))
    bundle = bundle.ready(decode.precision)
    if what == "lists":
        frame = _lists(bundle, corpus, decode, users, k, not with_seen)
    else:
        frame = _pairs(bundle, corpus, decode, pairs, what)
    write_lists(frame, *out)
    for path in out:
        print(f"{len(frame)} rows: {path}")


def _check_formats(out: list[Path]) -> None:
    from p5rec.recommend.lists import FORMATS

    for path in out:
        if path.suffix not in FORMATS:
            raise fault(path, " or ".join(FORMATS), repr(path.suffix), "change the file's ending")


def _check_items(model: Path, known: Any, here: list[str]) -> None:
    if list(known) != here:
        raise fault(
            model,
            f"the {len(known)} items it was trained on",
            f"an item table of {len(here)} that differs",
            "use the config it was trained with, or train again",
        )


def _lists(bundle: Any, corpus: Any, decode: Any, users: Path | None, k: int, unseen: bool) -> Any:
    from p5rec.data.split import histories_of
    from p5rec.recommend.generative import GenerativeRecommender
    from p5rec.recommend.lists import to_frame

    from .inputs import rows_of

    wanted = None
    if users is not None:
        lines = users.read_text(encoding="utf-8").split()
        wanted = rows_of(lines, corpus.user_ids, users, "user")
    histories = histories_of(corpus.interactions, wanted)
    recommender = GenerativeRecommender(bundle, decode, "model", corpus.split.seed)
    lists = recommender.recommend(histories, k, exclude_seen=unseen)
    return to_frame(lists, corpus.catalog, corpus.user_ids)


def _pairs(bundle: Any, corpus: Any, decode: Any, pairs: Path | None, what: str) -> Any:
    import polars as pl

    from p5rec.recommend.pairs import explain_pairs, rate_pairs

    from .inputs import read_pairs, rows_of

    table = read_pairs(pairs)
    users = rows_of(table["user"].to_list(), corpus.user_ids, pairs, "user")
    items = rows_of(table["item"].to_list(), corpus.catalog.ids, pairs, "item")
    table = table.with_columns(title=pl.Series([corpus.catalog.titles[i] for i in items]))
    if what == "ratings":
        return table.with_columns(
            rating=pl.Series(rate_pairs(bundle, corpus, users, items, decode))
        )
    texts = explain_pairs(bundle, corpus, users, items, decode)
    return table.with_columns(explanation=pl.Series(texts))
