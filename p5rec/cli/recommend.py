"""``p5rec recommend``: writes ranked lists, ratings, clicks or explanations of a trained model."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from p5rec.core.errors import UserError, input_error
from p5rec.core.terminal import printable

from .options import MODEL, spread
from .serving import DataOptions, SearchOptions, saved_settings
from .wishes import WishOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import polars as pl

    from p5rec.core.types import Corpus
    from p5rec.data.config import DataConfig
    from p5rec.decode.allowed import Allowed
    from p5rec.methods.base import Method
    from p5rec.recommend.serving import ServingConfig
    from p5rec.recommend.steering.wished import Wished

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, kw_only=True)
class Source(DataOptions):
    """A model and the data of its histories."""

    model: Annotated[Path, typer.Option(help=MODEL)]


@dataclass(frozen=True)
class Queries:
    """The users, or the pairs of user and item."""

    users: Annotated[
        Path | None,
        typer.Option(help="For lists: a table file with a column user. Default: every user."),
    ] = None
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help='For lists: a condition on users: "events >= 20 AND user.age < 30".',
        ),
    ] = None
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="For ratings, clicks and explanations: a table file with columns user and item. "
            "The items may be new to the users."
        ),
    ] = None

    def check(self, what: str) -> None:
        """
        Raises:
            UserError: an option does not apply to ``what``.
        """
        if what == "lists" and self.pairs is not None:
            raise UserError(
                "expected --users FILE or neither with --what lists, got --pairs; use --users"
            )
        if what != "lists" and (self.pairs is None or self.users is not None):
            got = "--users" if self.users else "none"
            raise UserError(
                f"expected --pairs FILE with --what {what}, got {got}; name such a file"
            )
        if self.users is not None and self.where is not None:
            raise UserError("expected --users or --where, got both; name one")


@dataclass(frozen=True)
class Constraints:
    """The items that lists may contain."""

    candidates: Annotated[
        Path | None,
        typer.Option(help="Items allowed for all users: a table file with a column item."),
    ] = None
    items_where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL",
            help="A condition on items: \"array_contains(genres, 'Drama')\".",
        ),
    ] = None
    allow: Annotated[
        Path | None,
        typer.Option(help="The only items allowed for a user: a table file of user and item."),
    ] = None
    deny: Annotated[
        Path | None,
        typer.Option(help="Items excluded for a user: a table file of user and item."),
    ] = None


class Work(NamedTuple):
    """The queries of a call, and the function that predicts for them.

    Attributes:
        predict: indices of queries ``(n,)`` → rows of predictions.
        total: number of queries.
        summarize: files of all predictions → further facts for the manifest.
    """

    predict: Callable[[np.ndarray], pl.DataFrame]
    total: int
    summarize: Callable[[Sequence[Path]], dict[str, Any]] = lambda _: {}


@app.command()
@spread
def recommend(
    source: Source,
    out: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="File to write: .parquet, .jsonl or .csv; repeatable."),
    ],
    queries: Queries,
    constraints: Constraints,
    wishes: WishOptions,
    search: SearchOptions,
    what: Annotated[
        Literal["lists", "ratings", "clicks", "explanations"],
        typer.Option(help="Kind of predictions."),
    ] = "lists",
    k: Annotated[int, typer.Option(min=1, help="Length of each list.")] = 10,
) -> None:
    """Rank items for users, or predict ratings, clicks or explanations for pairs of user and item.

    Histories are complete, with all events of the data. The settings are those of the model's
    evaluation, saved in its folder. The options from --search on override single settings, and the
    manifest names them.

    Predictions are written in shards first: after a kill, the same command resumes. Under
    `accelerate launch` or `torchrun` the processes share the queries.

    Table files are CSV, TSV, Parquet or JSON lines. Lists have the columns user, rank (from 1),
    item, title, score (of the method: a higher one ranks first), with a wish also wish, the terms
    that the item matches. Ratings are on the data's scale, clicks are probabilities.
    """
    queries.check(what)
    wishes.check(what)
    from p5rec.core.errors import all_of

    from .inputs import check_model, check_tables, config_beside, read_recipe
    from .outputs import check_file

    model, ids = source.model, source.ids
    path = config_beside(model, source.config)
    all_of(
        lambda: _check_formats(out),
        *(lambda file=file: check_file(file) for file in out),
        lambda: check_model(model, ids),
        lambda: check_tables(
            queries.users,
            constraints.candidates,
            constraints.allow,
            constraints.deny,
            queries.pairs,
        ),
    )
    method, serving, overridden, notes = saved_settings(
        model, search.settings(wishes.search_length(k)), k=k, exclude_seen=search.exclude_seen
    )
    if what == "lists":
        method.check_ranks()
    for note in notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    read, corpus = read_recipe(path, source.overrides or [], evaluable=False)
    from p5rec.core.artefacts import read_json
    from p5rec.core.launch import rank
    from p5rec.methods.folder import check_items
    from p5rec.recommend.sharded_output import manifest_path, write_in_shards
    from p5rec.recommend.shortfall import shortfall_lines

    check_items(model, corpus, ids)
    predictor = method.open_predictor(model, ids, download=source.allow_download)
    if what == "lists":
        from p5rec.recommend.steering.wished import Wished

        steered = Wished(predictor, wishes.understood(corpus.catalog))
        work = _lists(queries, constraints, steered, corpus, serving)
    else:
        work = _pairs(queries, what, method, predictor, corpus)
    key = _key(
        source, read.data,
        queries={
            "queries": queries.users or queries.pairs, "where": queries.where,
            **asdict(constraints), **wishes.key(),
        },
        settings={"what": what, "method": method.dump(), **serving.dump()},
    )  # fmt: skip

    def summarize(files: Sequence[Path]) -> dict[str, Any]:
        return {"overridden": overridden, **work.summarize(files)}

    unit = what.removesuffix("s")
    rows = write_in_shards(work.predict, work.total, out, key, unit=unit, summarize=summarize)
    if rank():
        return
    for path in out:
        print(f"{rows} rows: {path}")
    if what == "lists":
        for sentence in shortfall_lines(read_json(manifest_path(out[0]))["shortfall"]):
            print(f"p5rec: {printable(sentence)}", file=sys.stderr)


def _check_formats(out: list[Path]) -> None:
    from p5rec.recommend.lists import FORMATS

    for path in out:
        if path.suffix not in FORMATS:
            got = repr(path.suffix) if path.suffix else "no ending"
            raise input_error(path, " or ".join(FORMATS), got, "change the file's ending")


def _users(queries: Queries, corpus: Corpus) -> np.ndarray:
    import numpy as np

    from p5rec.recommend.requests import users_in, users_where

    if queries.where is not None:
        return users_where(queries.where, corpus)
    if queries.users is not None:
        return users_in(queries.users, corpus)
    return np.arange(len(corpus.user_ids))


def _allowed(
    constraints: Constraints,
    steered: Wished,
    users: np.ndarray,
    corpus: Corpus,
    *,
    exclude_seen: bool,
) -> Allowed | None:
    """The allowed items of each user, seen items aside; None: all items."""
    from p5rec.data.split import histories_of
    from p5rec.decode.allowed import Allowed
    from p5rec.recommend.requests import check_items_left, items_in, items_where, pairs_in

    if constraints == Constraints() and steered.allowed is None:
        return None
    masks = [] if steered.allowed is None else [steered.allowed]
    if constraints.candidates:
        masks.append(items_in(constraints.candidates, corpus))
    if constraints.items_where:
        masks.append(items_where(constraints.items_where, corpus))
    allowed = Allowed(
        allow=pairs_in(constraints.allow, users, corpus) if constraints.allow else None,
        deny=pairs_in(constraints.deny, users, corpus) if constraints.deny else None,
    )
    for mask in masks:
        allowed = allowed & Allowed(candidates=mask)
    names = [corpus.user_ids[user] for user in users]
    check_items_left(
        allowed, histories_of(corpus.interactions, users), names, len(corpus.catalog),
        exclude_seen=exclude_seen,
    )  # fmt: skip
    return allowed


def _read_pairs(path: Path | None, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    from p5rec.data.known import read_columns, row_numbers

    assert path is not None, "checked when the options were"
    table = read_columns(path, ["user", "item"])
    users = row_numbers(table["user"], corpus.user_ids, "user", path, table["row"])
    return users, row_numbers(table["item"], corpus.catalog.ids, "item", path, table["row"])


def _key(
    source: Source, data: DataConfig, *, queries: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """Everything that the predictions depend on; a call with the same key resumes."""
    from p5rec.core.artefacts import digest, file_sha256
    from p5rec.core.code import CODE
    from p5rec.data.prepare import input_digests
    from p5rec.data.reading import forgotten_in
    from p5rec.data.registry import SOURCES
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
        "data": {
            **data.dump(),
            "files": input_digests(data),
            "forgotten": forgotten_in(data),
        },
        "queries": {
            name: file_sha256(value) if isinstance(value, Path) else value
            for name, value in queries.items()
        },
        "code": CODE.digest(*work),
        "libraries": CODE.libraries(*work),
        **settings,
    }


def _lists(
    queries: Queries,
    constraints: Constraints,
    steered: Wished,
    corpus: Corpus,
    serving: ServingConfig,
) -> Work:
    """Ranked lists of users, and the summary of short lists."""
    from p5rec.data.split import histories_of
    from p5rec.recommend.shortfall import shortfall

    users, rule = _users(queries, corpus), serving.exclude_seen
    allowed = _allowed(constraints, steered, users, corpus, exclude_seen=rule)

    def predict(rows: np.ndarray) -> pl.DataFrame:
        lists = steered.recommend(
            histories_of(corpus.interactions, users[rows]),
            serving.k,
            exclude_seen=rule,
            allowed=allowed and allowed.take(rows),
        )
        return steered.frame(lists, corpus.catalog, corpus.user_ids)

    def summarize(files: Sequence[Path]) -> dict[str, Any]:
        short = shortfall(
            files, users=users, k=serving.k, corpus=corpus, allowed=allowed, exclude_seen=rule
        )
        return {"shortfall": short}

    return Work(predict, len(users), summarize)


def _pairs(queries: Queries, what: str, method: Method, predictor: Any, corpus: Corpus) -> Work:
    """Predictions for pairs of user and item."""
    from p5rec.methods.pairs import pair_frame, pair_predictors

    users, items = _read_pairs(queries.pairs, corpus)
    predict_pairs = pair_predictors(method, predictor, corpus, [what])

    def predict(rows: np.ndarray) -> pl.DataFrame:
        chosen = users[rows], items[rows]
        return pair_frame(predict_pairs(*chosen), corpus, *chosen)

    return Work(predict, len(users))
