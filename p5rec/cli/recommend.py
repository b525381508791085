"""``p5rec recommend``: ranked lists, ratings, clicks or explanations from a trained model."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from p5rec.core.errors import UserError, input_error
from p5rec.core.terminal import printable

from .asking import Around, SearchOptions, saved_as
from .options import MODEL, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import polars as pl

    from p5rec.core.types import Corpus
    from p5rec.data.config import DataConfig
    from p5rec.decode.allowed import Allowed
    from p5rec.methods.base import Method
    from p5rec.recommend.serving import ServingConfig

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, kw_only=True)
class Source(Around):
    """A model and the data that its histories come from."""

    model: Annotated[Path, typer.Option(help=MODEL)]


@dataclass(frozen=True)
class Whom:
    """Who is asked about."""

    users: Annotated[
        Path | None,
        typer.Option(help="For lists: a table file with a column user; default: every user."),
    ] = None
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help='For lists: users for whom this holds: "events >= 20 AND user.age < 30".',
        ),
    ] = None
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="For ratings, clicks and explanations: a table file with columns user and item; "
            "the user need not have met the item."
        ),
    ] = None

    def check(self, what: str) -> None:
        """
        Raises:
            UserError: it does not go with ``what``.
        """
        if what == "lists" and self.pairs is not None:
            raise UserError(
                "expected --users FILE or neither beside --what lists, got --pairs; mend it"
            )
        if what != "lists" and (self.pairs is None or self.users is not None):
            got = "--users" if self.users else "none"
            raise UserError(
                f"expected --pairs FILE beside --what {what}, got {got}; name such a file"
            )
        if self.users is not None and self.where is not None:
            raise UserError("expected --users or --where, got both; name one")


@dataclass(frozen=True)
class Limits:
    """Which items lists may hold."""

    candidates: Annotated[
        Path | None,
        typer.Option(help="List only items in this table file with a column item."),
    ] = None
    items_where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help="List only items whose record says so: \"array_contains(genres, 'Drama')\".",
        ),
    ] = None
    allow: Annotated[
        Path | None,
        typer.Option(help="Each user's own allow-list: a table file with columns user and item."),
    ] = None
    deny: Annotated[
        Path | None,
        typer.Option(help="Each user's own deny-list: a table file with columns user and item."),
    ] = None


class Asked(NamedTuple):
    """What is asked.

    Attributes:
        answer: numbers of questions ``(n,)`` → rows of answers.
        total: questions.
        told: files of all answers → further facts for the manifest.
    """

    answer: Callable[[np.ndarray], pl.DataFrame]
    total: int
    told: Callable[[Sequence[Path]], dict[str, Any]] = lambda _: {}


@app.command()
@spread
def recommend(
    source: Source,
    out: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Where to write: .parquet, .jsonl or .csv; repeatable."),
    ],
    whom: Whom,
    limits: Limits,
    search: SearchOptions,
    what: Annotated[
        Literal["lists", "ratings", "clicks", "explanations"], typer.Option(help="What to write.")
    ] = "lists",
    k: Annotated[int, typer.Option(min=1, help="Items a list.")] = 10,
) -> None:
    """Rank items for users by their whole history, or rate or explain given pairs, or tell how
    likely users take them.

    The model is asked as it was when its run's report measured it (method.json in its folder); the
    options from --search on take the place of single settings, and the manifest says which did.

    Answers are kept part by part until all are there: after a kill the same command goes on. Under
    `accelerate launch` or `torchrun` each process answers its share.

    Table files are CSV, TSV, Parquet or JSON lines. Lists have the columns user, rank (from 1),
    item, title, score (log-probability); ratings are in points of the data's scale, clicks
    probabilities.
    """
    whom.check(what)
    from p5rec.core.errors import all_of

    from .inputs import check_model, check_tables, config_beside, read_recipe
    from .outputs import check_file

    model, ids = source.model, source.ids
    path = config_beside(model, source.config)
    all_of(
        lambda: _check_formats(out),
        *(lambda file=file: check_file(file) for file in out),
        lambda: check_model(model, ids),
        lambda: check_tables(whom.users, limits.candidates, limits.allow, limits.deny, whom.pairs),
    )
    method, serving, overridden, notes = saved_as(
        model, search.settings(k), k=k, exclude_seen=search.exclude_seen
    )
    if what == "lists":
        method.check_ranks()
    for note in notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    read, corpus = read_recipe(path, source.overrides or [], evaluable=False)
    from p5rec.core.artefacts import read_json
    from p5rec.core.launch import rank
    from p5rec.methods.folder import check_items
    from p5rec.recommend.parts import manifest_of, write_in_parts
    from p5rec.recommend.shortfall import sentences

    check_items(model, corpus, ids)
    predictor = method.opened(model, ids, download=source.allow_download)
    if what == "lists":
        asked = _lists(whom, limits, predictor, corpus, serving)
    else:
        asked = _pairs(whom, what, method, predictor, corpus)
    key = _key(
        source, read.data,
        asked={"asked": whom.users or whom.pairs, "where": whom.where, **asdict(limits)},
        settings={"what": what, "method": method.dump(), **serving.dump()},
    )  # fmt: skip

    def told(files: Sequence[Path]) -> dict[str, Any]:
        return {"overridden": overridden, **asked.told(files)}

    unit = what.removesuffix("s")
    rows = write_in_parts(asked.answer, asked.total, out, key, unit=unit, told=told)
    if rank():
        return
    for path in out:
        print(f"{rows} rows: {path}")
    if what == "lists":
        for sentence in sentences(read_json(manifest_of(out[0]))["answers"]):
            print(f"p5rec: {printable(sentence)}", file=sys.stderr)


def _check_formats(out: list[Path]) -> None:
    from p5rec.recommend.lists import FORMATS

    for path in out:
        if path.suffix not in FORMATS:
            got = repr(path.suffix) if path.suffix else "no ending"
            raise input_error(path, " or ".join(FORMATS), got, "change the file's ending")


def _users(whom: Whom, corpus: Corpus) -> np.ndarray:
    import numpy as np

    from p5rec.recommend.requests import users_in, users_where

    if whom.where is not None:
        return users_where(whom.where, corpus)
    return np.arange(len(corpus.user_ids)) if whom.users is None else users_in(whom.users, corpus)


def _allowed(limits: Limits, users: np.ndarray, corpus: Corpus, unseen: bool) -> Allowed | None:
    """What each user may be given, seen items aside; None: everything."""
    from p5rec.data.split import histories_of
    from p5rec.decode.allowed import Allowed
    from p5rec.recommend.requests import check_some_left, items_in, items_where, pairs_in

    if limits == Limits():
        return None
    parts = []
    if limits.candidates:
        parts.append(items_in(limits.candidates, corpus))
    if limits.items_where:
        parts.append(items_where(limits.items_where, corpus))
    allowed = Allowed(
        only=pairs_in(limits.allow, users, corpus) if limits.allow else None,
        never=pairs_in(limits.deny, users, corpus) if limits.deny else None,
    )
    for mask in parts:
        allowed = allowed & Allowed(within=mask)
    names = [corpus.user_ids[user] for user in users]
    check_some_left(
        allowed, histories_of(corpus.interactions, users), names, len(corpus.catalog),
        exclude_seen=unseen,
    )  # fmt: skip
    return allowed


def _read_pairs(path: Path | None, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    from p5rec.data.known import known_rows, read_columns

    assert path is not None, "checked when the options were"
    table = read_columns(path, ["user", "item"])
    users = known_rows(table["user"], corpus.user_ids, "user", path, table["row"])
    return users, known_rows(table["item"], corpus.catalog.ids, "item", path, table["row"])


def _key(
    source: Source, data: DataConfig, *, asked: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """All that the answers depend on: what an interrupted run must have had to be gone on with."""
    from p5rec.core.artefacts import digest, file_sha256
    from p5rec.core.code import CODE
    from p5rec.data.prepare import input_digests
    from p5rec.data.sources.registry import SOURCES
    from p5rec.ids.files import MANIFEST as CODES
    from p5rec.methods.folder import contents
    from p5rec.methods.registry import METHODS

    work = (
        recommend,
        METHODS.target(settings["method"]["kind"]),
        SOURCES.target(data.source),
    )
    return {
        "model": digest(contents(source.model)),
        "ids": file_sha256(source.ids / CODES) if source.ids else None,
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
    whom: Whom, limits: Limits, predictor: Any, corpus: Corpus, serving: ServingConfig
) -> Asked:
    """Lists of users, and how many items are missing in them."""
    from p5rec.data.split import histories_of
    from p5rec.recommend.lists import to_frame
    from p5rec.recommend.shortfall import shortfall

    users, rule = _users(whom, corpus), serving.exclude_seen
    allowed = _allowed(limits, users, corpus, rule)

    def answer(rows: np.ndarray) -> pl.DataFrame:
        lists = predictor.recommend(
            histories_of(corpus.interactions, users[rows]),
            serving.k,
            exclude_seen=rule,
            allowed=allowed and allowed.take(rows),
        )
        return to_frame(lists, corpus.catalog, corpus.user_ids)

    def told(files: Sequence[Path]) -> dict[str, Any]:
        short = shortfall(
            files, users=users, k=serving.k, corpus=corpus, allowed=allowed, exclude_seen=rule
        )
        return {"answers": short}

    return Asked(answer, len(users), told)


def _pairs(whom: Whom, what: str, method: Method, predictor: Any, corpus: Corpus) -> Asked:
    """What the method says of pairs."""
    from p5rec.methods.pairs import answers_about, pair_frame

    users, items = _read_pairs(whom.pairs, corpus)
    ask = answers_about(method, predictor, corpus, what)

    def answer(rows: np.ndarray) -> pl.DataFrame:
        return pair_frame(ask(users[rows], items[rows]), corpus, users[rows], items[rows], what)

    return Asked(answer, len(users))
