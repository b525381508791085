"""``p5rec recommend``: ranked lists, ratings or explanations from a trained model."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from p5rec.core.errors import UserError, fault
from p5rec.core.terminal import printable

from .asking import (
    Beams,
    ItemWeight,
    LinearWeight,
    PerPrefix,
    Precision,
    Search,
    WithSeen,
    asked_as,
    check_weighed,
)
from .inputs import ALLOW_DOWNLOAD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import polars as pl

    from p5rec.core.types import Corpus
    from p5rec.data.config import DataConfig
    from p5rec.decode.allowed import Allowed
    from p5rec.models.checkpoint import Bundle
    from p5rec.recommend.config import DecodeConfig
    from p5rec.recommend.serving import ServingConfig

    Answer = Callable[[np.ndarray], pl.DataFrame]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def recommend(
    model: Annotated[Path, typer.Option(help="A model's folder: RUN_FOLDER/models/METHOD.")],
    out: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Where to write: .parquet, .jsonl or .csv; repeatable."),
    ],
    config: Annotated[
        str | None,
        typer.Option(
            help="A YAML file, a shipped config's name, or a run's folder, whose data section "
            "gives the histories; default: the run that the model lies in."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="On top of the config: data.path=new.csv."),
    ] = None,
    what: Annotated[
        Literal["lists", "ratings", "explanations"], typer.Option(help="What to write.")
    ] = "lists",
    ids: Annotated[
        Path | None,
        typer.Option(help="Codes that extend the model's own to new items: `p5rec ids extend`."),
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option(help="For lists: a table file with a column user; default: every user."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help='For lists: users for whom this holds: "events >= 20 AND mean_rating > 3".',
        ),
    ] = None,
    stock: Annotated[
        Path | None,
        typer.Option(help="List only items in this table file with a column item."),
    ] = None,
    items_where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help="List only items whose record says so: \"array_contains(genres, 'Drama')\".",
        ),
    ] = None,
    only: Annotated[
        Path | None,
        typer.Option(help="Each user's own allow-list: a table file with columns user and item."),
    ] = None,
    never: Annotated[
        Path | None,
        typer.Option(help="Each user's own deny-list: a table file with columns user and item."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="For ratings and explanations: a table file with columns user and item; the "
            "user need not have met the item."
        ),
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Items a list.")] = 10,
    search: Search = None,
    beams: Beams = None,
    per_prefix: PerPrefix = None,
    item_weight: ItemWeight = None,
    linear_weight: LinearWeight = None,
    precision: Precision = None,
    with_seen: WithSeen = None,
    allow_download: Annotated[bool, ALLOW_DOWNLOAD] = False,
) -> None:
    """Rank items for users by their whole history, or rate or explain given pairs.

    The model is asked as it was when its run's report measured it (method.json in its folder); the
    options from --search on take the place of single settings, and the manifest says which did.

    Answers are kept part by part until all are there: after a kill the same command goes on. Under
    `accelerate launch` or `torchrun` each process answers its share.

    Table files are CSV, TSV, Parquet or JSON lines. Lists have the columns user, rank (from 1),
    item, title, score (log-probability); ratings are in points of the data's scale.
    """
    if what == "lists" and pairs is not None:
        raise UserError(
            "expected --users FILE or neither beside --what lists, got --pairs; mend it"
        )
    if what != "lists" and (pairs is None or users is not None):
        got = "--users" if users else "none"
        raise UserError(f"expected --pairs FILE beside --what {what}, got {got}; name such a file")
    if users is not None and where is not None:
        raise UserError("expected --users or --where, got both; name one")
    from p5rec.core.errors import all_of

    from .inputs import check_model, check_tables, config_beside, read_model, read_recipe
    from .outputs import check_file

    path = config_beside(model, config)
    all_of(
        lambda: _check_formats(out),
        *(lambda file=file: check_file(file) for file in out),
        lambda: check_model(model, ids),
        lambda: check_tables(users, stock, only, never, pairs),
    )
    weights = {"item_weight": item_weight, "linear_weight": linear_weight}
    options = {"search": search, "beams": beams, "per_prefix": per_prefix, "precision": precision}
    seen = None if with_seen is None else not with_seen
    serving, overridden, notes = asked_as(model, {"k": k, **options, **weights}, exclude_seen=seen)
    for note in notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    decode, unseen = serving.decode, serving.exclude_seen
    read, corpus = read_recipe(path, overrides or [], evaluable=False)
    from p5rec.core.artefacts import read_json
    from p5rec.core.launch import rank
    from p5rec.methods.folder import is_fitted, read_method
    from p5rec.recommend.generative import GenerativeRecommender
    from p5rec.recommend.parts import manifest_of, write_in_parts
    from p5rec.recommend.shortfall import sentences, shortfall

    if ids is not None and is_fitted(model):
        raise UserError(
            f"--ids: expected a model with codes, got {model}, which has none; leave it out"
        )
    limits = {"stock": stock, "items_where": items_where, "only": only, "never": never}
    if what == "lists":
        asked = _users(users, where, corpus)
        allowed = _allowed(limits, asked, corpus, unseen)
        if is_fitted(model):
            recommender = read_method(model, corpus).load(model)
        else:
            bundle = read_model(model, corpus, decode.precision, ids, download=allow_download)
            check_weighed(bundle, weights)
            recommender = GenerativeRecommender(bundle, decode, "model", serving.tie_seed)
        answer = _lists(recommender, corpus, serving, asked, allowed)
        short = partial(
            shortfall, users=asked, k=k, corpus=corpus, allowed=allowed, exclude_seen=unseen
        )
    else:
        asked, items = _read_pairs(pairs, corpus)
        if is_fitted(model):
            ask = _of_pairs(read_method(model, corpus), model, corpus, what)
        else:
            bundle = read_model(model, corpus, decode.precision, ids, download=allow_download)
            check_weighed(bundle, weights)
            ask = _of_bundle(bundle, corpus, decode, what)
        answer, short = _answers(ask, corpus, asked, items, what), None
    key = _key(
        model, ids, read.data, {"asked": users or pairs, "where": where, **limits},
        what=what, decode=decode.dump(), exclude_seen=unseen, tie_seed=serving.tie_seed,
    )  # fmt: skip

    def told(files: Sequence[Path]) -> dict[str, Any]:
        return {"overridden": overridden} | ({"answers": short(files)} if short else {})

    rows = write_in_parts(answer, len(asked), out, key, unit=what.removesuffix("s"), told=told)
    if rank():
        return
    for path in out:
        print(f"{rows} rows: {path}")
    if short is not None:
        for sentence in sentences(read_json(manifest_of(out[0]))["answers"]):
            print(f"p5rec: {printable(sentence)}", file=sys.stderr)


def _check_formats(out: list[Path]) -> None:
    from p5rec.recommend.lists import FORMATS

    for path in out:
        if path.suffix not in FORMATS:
            got = repr(path.suffix) if path.suffix else "no ending"
            raise fault(path, " or ".join(FORMATS), got, "change the file's ending")


def _users(path: Path | None, where: str | None, corpus: Corpus) -> np.ndarray:
    import numpy as np

    from p5rec.recommend.requests import users_in, users_where

    if where is not None:
        return users_where(where, corpus)
    return np.arange(len(corpus.user_ids)) if path is None else users_in(path, corpus)


def _allowed(
    limits: dict[str, Any], users: np.ndarray, corpus: Corpus, unseen: bool
) -> Allowed | None:
    """What each user may be given, seen items aside; None: everything."""
    from p5rec.decode.allowed import Allowed
    from p5rec.recommend.requests import check_some_left, items_in, items_where, pairs_in

    if not any(limits.values()):
        return None
    parts = []
    if limits["stock"]:
        parts.append(items_in(limits["stock"], corpus))
    if limits["items_where"]:
        parts.append(items_where(limits["items_where"], corpus))
    allowed = Allowed(
        only=pairs_in(limits["only"], users, corpus) if limits["only"] else None,
        never=pairs_in(limits["never"], users, corpus) if limits["never"] else None,
    )
    for mask in parts:
        allowed = allowed & Allowed(within=mask)
    check_some_left(allowed, users, corpus, exclude_seen=unseen)
    return allowed


def _read_pairs(path: Path | None, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    from p5rec.data.known import known_rows, read_columns

    assert path is not None, "checked when the options were"
    table = read_columns(path, ["user", "item"])
    users = known_rows(table["user"], corpus.user_ids, "user", path, table["row"])
    return users, known_rows(table["item"], corpus.catalog.ids, "item", path, table["row"])


def _key(
    model: Path, ids: Path | None, data: DataConfig, asked: dict[str, Any], **settings: Any
) -> dict[str, Any]:
    """All that the answers depend on: what an interrupted run must have had to be gone on with."""
    from p5rec.core.artefacts import digest, file_sha256
    from p5rec.core.code import CODE
    from p5rec.data.prepare import input_digests
    from p5rec.data.sources.registry import SOURCES
    from p5rec.ids.files import MANIFEST as CODES
    from p5rec.methods.folder import contents, is_fitted
    from p5rec.models.checkpoint import MANIFEST

    work = (recommend, SOURCES.target(data.source))
    return {
        "model": digest(contents(model)) if is_fitted(model) else file_sha256(model / MANIFEST),
        "ids": file_sha256(ids / CODES) if ids else None,
        "data": {**data.dump(), "files": input_digests(data)},
        "asked": {
            name: file_sha256(value) if isinstance(value, Path) else value
            for name, value in asked.items()
        },
        "code": CODE.digest(*work),
        "libraries": CODE.libraries(*work),
        **settings,
    }


def _lists(
    recommender: Any,
    corpus: Corpus,
    serving: ServingConfig,
    users: np.ndarray,
    allowed: Allowed | None,
) -> Answer:
    """User numbers → their lists."""
    from p5rec.data.split import histories_of
    from p5rec.recommend.lists import to_frame

    if not hasattr(recommender, "recommend"):
        raise UserError(
            f"--what lists: expected a method that ranks items, got a {serving.kind}; name another"
        )

    def answer(rows: np.ndarray) -> pl.DataFrame:
        lists = recommender.recommend(
            histories_of(corpus.interactions, users[rows]),
            serving.decode.k,
            exclude_seen=serving.exclude_seen,
            allowed=allowed and allowed.take(rows),
        )
        return to_frame(lists, corpus.catalog, corpus.user_ids)

    return answer


def _of_pairs(
    method: Any, folder: Path, corpus: Corpus, what: str
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Users and items → the ratings that a fitted method predicts, on the data's scale.

    Raises:
        UserError: the method predicts none.
    """
    import numpy as np

    from p5rec.methods.tune import requests_of
    from p5rec.tasks.view import unnamed_view

    if what != "ratings" or "predict_rating" not in method.capabilities:
        raise UserError(
            f"--what: expected what a {method.kind} offers, got {what}; name another folder"
        )
    predictor, scale = method.load(folder), unnamed_view(corpus).scale
    assert scale is not None, "it was fitted to ratings"

    def rate(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return np.clip(predictor.predict_rating(requests_of(users), items), scale.low, scale.high)

    return rate


def _of_bundle(bundle: Bundle, corpus: Corpus, decode: DecodeConfig, what: str) -> Any:
    """Users and items → what a trained model says of them.

    Raises:
        UserError: it was not taught that.
    """
    from p5rec.recommend.capabilities import check_asked
    from p5rec.recommend.pairs import PairExplainer, PairRater

    check_asked(bundle, what)
    return (PairRater if what == "ratings" else PairExplainer)(bundle, corpus, decode)


def _answers(ask: Any, corpus: Corpus, users: np.ndarray, items: np.ndarray, what: str) -> Answer:
    """Pair numbers → what ``ask`` says of them."""
    import polars as pl

    ids, titles = corpus.catalog.ids, corpus.catalog.titles

    def answer(rows: np.ndarray) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "user": [corpus.user_ids[row] for row in users[rows]],
                "item": [ids[row] for row in items[rows]],
                "title": [titles[row] for row in items[rows]],
                what.removesuffix("s"): ask(users[rows], items[rows]),
            }
        )

    return answer
