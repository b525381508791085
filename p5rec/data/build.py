"""From a user's files to a corpus in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from p5rec.core.errors import UserError, input_error
from p5rec.core.features import Behaviours, Users
from p5rec.core.rng import by_key, derive_rng, event_keys, id_keys, keyed
from p5rec.core.types import SPLITS, Catalog, Corpus, Interactions, numbered

from .config import DataConfig
from .describe import tied_share
from .event_columns import BEHAVIOUR, check_further, columns_told, event_columns
from .items import check_known
from .rawlog import TEXTS, RawLog, Source
from .reduce import k_core, one_per_pair, repeats, time_order
from .sources.registry import SOURCES
from .split import ALL, make_split
from .times import Unclear, microseconds

LAST = np.uint64(2**64 - 1)
NEEDS = {  # rule → what a user that can be evaluated has
    "leave-one-out": "3 events",
    "few-shot": "3 events",
    "last-basket": "3 baskets",
    "last-basket-item": "3 baskets",
}


def build(
    config: DataConfig, log: RawLog | None = None, *, evaluable: bool = True
) -> tuple[Corpus, dict[str, Any]]:
    """The corpus and its summary, in memory.

    Steps: ``min_rating``, repeats, k-core, rows for users and items, time order, split. Rows are in
    the order of seeded hashes of the ids, so that no row number tells when an item first appeared.

    Args:
        config: what to make of the files.
        log: what they hold, where they have been read already.
        evaluable: refuse a log of which nobody can be evaluated under the split.

    Raises:
        UserError: an input is missing or broken, nothing is left, no user can be evaluated, or
            there are no texts to permute.
    """
    log = log or read_log(config)
    where = log.files[0] if log.files else Path(f"world {config.synthetic.kind}")
    missing = config.items.missing if config.items else "error"
    events, unknown = check_known(log.events, log.items, log.places, missing)
    dropped = {"incomplete": log.incomplete, "missing_items": unknown}
    check_further(events, config, where)
    if config.users and log.users is None:
        got = f"none, as a source {config.source!r} has none of its own"
        raise input_error(
            "data.users", "a user table", got, "set data.users.path, or unset data.users"
        )
    if config.min_rating is not None:
        if "rating" not in events.columns:
            raise input_error(
                where, "ratings, for data.min_rating", "none", "unset data.min_rating"
            )
        before = len(events)
        events = events.filter((pl.col("rating") >= config.min_rating).fill_null(True))
        dropped["min_rating"] = before - len(events)
    events = _in_baskets(events, config)
    events, repeated = _reduced(events, config, dropped)
    if not len(events):
        gone = ", ".join(f"{name} {n}" for name, n in dropped.items() if n)
        raise input_error(
            where, "events to be left", f"none (dropped: {gone})", "loosen these limits"
        )
    if config.split == "time" and log.ordinal:
        raise input_error(
            where, "times, for the split by time", "an order only", "split leave-one-out"
        )
    corpus, ties = _corpus(events, log, config)
    summary = _summary(corpus, config, log.ordinal, dropped, repeated, ties)
    summary["user_table"] = _unmatched(corpus.users, log.users)
    if evaluable:
        check_evaluable(summary, where)
    return corpus, summary


def read_log(config: DataConfig) -> RawLog:
    """What the files of ``config`` hold.

    Raises:
        UserError: an input is missing or broken.
    """
    source: Source = SOURCES.get(config.source)
    return source.read(config)


def _in_baskets(events: pl.DataFrame, config: DataConfig) -> pl.DataFrame:
    """The events with a column ``basket`` where they form baskets, and without it elsewhere.

    The moment of a basket is that of its first event. Events that are history alone are in none:
    theirs is null.
    """
    known = "basket" in events.columns
    wanted = config.baskets if config.baskets is not None else known or config.of_baskets
    if not wanted:
        return events.drop("basket", strict=False)
    ids = pl.col("basket") if known else pl.lit("")
    if config.behaviour:
        ids = pl.when(pl.col(BEHAVIOUR).is_in(config.behaviour.targets)).then(ids)
    events = events.with_columns(basket=ids)
    if not known:
        return events
    first = pl.col("time").min().over("user", "basket")
    return events.with_columns(pl.when(pl.col("basket").is_null()).then("time").otherwise(first))


def _basket_luck(events: pl.DataFrame, seed: int) -> np.ndarray | None:
    """``(E,)`` uint64, drawn for each event's basket; None where there are none.

    What is in no basket comes last: none of it counts as before a basket of the same moment.
    """
    if "basket" not in events.columns:
        return None
    ids = events["basket"].drop_nulls().unique().sort()
    luck = keyed(id_keys(ids.to_list()), seed, "equal times")
    drawn: np.ndarray = np.append(luck, LAST)[_places(events["basket"], ids)]
    return drawn


def _reduced(
    events: pl.DataFrame, config: DataConfig, dropped: dict[str, int]
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Repeats and k-core taken out; and how many repeats of each kind there were."""
    ids = [events[column].unique().sort() for column in ("user", "item")]
    users, items = _places(events["user"], ids[0]), _places(events["item"], ids[1])
    times, rows = events["time"].to_numpy(), events["row"].to_numpy()
    done = _done(events)
    keys = event_keys(
        id_keys(ids[0].to_list())[users], id_keys(ids[1].to_list())[items], times, rows
    )
    baskets = _basket_luck(events, config.seed)
    order = time_order(users, times, keys, config.seed, baskets)
    alike = (users, items, times, *done, *([] if baskets is None else [baskets]))
    exact = repeats(alike, rows)
    copied = _copied(events, users, times, exact, order)
    told = events.select(pl.exclude("row", "user", "item", "time", "basket"))
    same = told.hash_rows().to_numpy() if told.width else np.zeros(len(events))
    repeated = {
        "exact": int(exact.sum()),
        "of_them_differing": int((exact & ~repeats((*alike, same), rows)).sum()),
        "copied_reviews": int(copied.sum()),
    }
    kept = np.ones(len(events), dtype=bool)
    if config.dedupe in ("exact", "review"):
        kept = ~(exact | copied) if config.dedupe == "review" else ~exact
    elif config.dedupe != "none":
        things = _pairs(items, *done)
        kept[order] = one_per_pair(users[order], things[order], config.dedupe)
    dropped["repeats"] = int((~kept).sum())
    core = kept.copy()
    core[kept] = k_core(users[kept], items[kept], config.k_core.user, config.k_core.item)
    dropped["k_core"] = int(kept.sum() - core.sum())
    return events.filter(pl.Series(core)), repeated


def _done(events: pl.DataFrame) -> list[np.ndarray]:
    """The events' behaviours ``(E,)`` as numbers, where there are any."""
    if BEHAVIOUR not in events.columns:
        return []
    return [_places(events[BEHAVIOUR], events[BEHAVIOUR].unique().sort())]


def _pairs(items: np.ndarray, behaviours: np.ndarray | None = None) -> np.ndarray:
    """``(E,)`` a number for each item, or for each thing that was done with each item."""
    if behaviours is None:
        return items
    pairs: np.ndarray = items.astype(np.int64) * (int(behaviours.max(initial=0)) + 1) + behaviours
    return pairs


def _copied(
    events: pl.DataFrame, users: np.ndarray, times: np.ndarray, exact: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """``(E,)`` bool: the same words, by the same user at the same moment, under an earlier item.

    Which item is the earlier one is the luck of ``order``. Exact repeats are not counted again.
    """
    texts = [name for name in TEXTS if name in events.columns]
    copied = np.zeros(len(events), dtype=bool)
    if texts:
        said = events.select(pl.any_horizontal(pl.col(texts) != "")).to_series().to_numpy()
        at = np.flatnonzero(said & ~exact)
        words = events.select(texts).hash_rows().to_numpy()
        rank = np.argsort(order)
        copied[at] = repeats((users[at], times[at], words[at]), rank[at])
    return copied


def _corpus(events: pl.DataFrame, log: RawLog, config: DataConfig) -> tuple[Corpus, float]:
    """The corpus, and the share of events that share user and time with another."""
    user_ids, user_keys = _rows(events["user"].unique(), config.seed, "users")
    listed = events["item"].unique() if config.catalog == "log" else log.items["item"]
    item_ids, item_keys = _rows(listed, config.seed, "items")
    users, items = _places(events["user"], user_ids), _places(events["item"], item_ids)
    times = events["time"].to_numpy()
    keys = event_keys(user_keys[users], item_keys[items], times, events["row"].to_numpy())
    baskets = _basket_luck(events, config.seed)
    order = time_order(users, times, keys, config.seed, baskets)
    users, items, times = users[order], items[order], times[order]
    ties = tied_share(users, times)
    interactions = Interactions(
        users=users,
        items=items,
        times=times if log.ordinal else times // 1_000_000,
        ratings=events["rating"].to_numpy()[order] if "rating" in events.columns else None,
        user_keys=user_keys,
        item_keys=item_keys,
        texts={
            name: pa.chunked_array([events[name].gather(order).to_arrow().cast(pa.large_string())])
            for name in TEXTS
            if name in events.columns
        },
        baskets=None if baskets is None else numbered(users, times, baskets[order]),
        **event_columns(events, order, config),
        dated=not log.ordinal,
    )
    table = item_ids.to_frame("item").join(log.items, on="item", how="left", maintain_order="left")
    if config.permute_text:
        if table.columns == ["item", "title"] and (table["title"] == table["item"]).all():
            raise input_error(
                "data.permute_text", "an item table with titles or attributes",
                "titles that are the ids", "name one under data.items, or unset it",
            )  # fmt: skip
        dealt = derive_rng(config.seed, "texts").permutation(len(table))
        table = table.select("item").hstack(table.drop("item")[dealt])
    split = make_split(
        interactions,
        config.split,
        config.seed,
        few_shot=config.few_shot,
        test_from=_moment(config),
    )
    catalog = Catalog(table.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return Corpus(interactions, catalog, _users(user_ids, log.users), split), ties


def _moment(config: DataConfig) -> int | None:
    """``test_from`` in seconds; None where it is left out.

    Raises:
        UserError: it is no time.
    """
    if config.test_from is None:
        return None
    try:
        (moment,) = microseconds(pl.Series([config.test_from]), config.time_format)
    except Unclear as error:
        raise UserError(f"data.test_from: {error}") from None
    if moment is None:
        got = repr(config.test_from)
        raise input_error(
            "data.test_from", "a time", got, "write it as 2024-01-31 or 2024-01-31T12:00"
        )
    return -(-int(moment) // 1_000_000)


def _users(ids: pl.Series, table: pl.DataFrame | None) -> Users:
    """The users in order of row, with what ``table`` knows of them."""
    users = ids.to_frame("user")
    if table is not None:
        users = users.join(table, on="user", how="left", maintain_order="left")
    return Users(users.to_arrow(compat_level=pl.CompatLevel.oldest()))


def _unmatched(users: Users, table: pl.DataFrame | None) -> dict[str, int] | None:
    """How many users have no row in the user table, and rows no user; None: there is no table."""
    if table is None:
        return None
    known = int(table["user"].is_in(users.ids).sum())
    return {"users_without_row": len(users) - known, "rows_without_user": len(table) - known}


def _rows(ids: pl.Series, seed: int, what: str) -> tuple[pl.Series, np.ndarray]:
    """The ids in order of row, and their keys."""
    ids = ids.sort()
    keys = id_keys(ids.to_list())
    order = by_key(keys, seed, "rows", what)
    return ids.gather(order), keys[order]


def _places(column: pl.Series, ids: pl.Series) -> np.ndarray:
    """``(E,)`` int32 place of each value among ``ids``, -1 where null."""
    places = column.cast(pl.Enum(ids)).to_physical().cast(pl.Int32)
    return places.fill_null(-1).to_numpy()


def check_evaluable(summary: Mapping[str, Any], where: Path) -> None:
    """Refuses a corpus, told by its summary, of which no event can be tested on.

    Raises:
        UserError: it says what is missing.
    """
    split = summary["split"]
    if split["name"] == ALL:
        raise input_error(
            "data.split", "a rule that holds events out, to evaluate on", f"{ALL!r}",
            "name another, or fit what was evaluated to all events with `p5rec refit`",
        )  # fmt: skip
    if not split["test"]:
        need = NEEDS.get(split["name"], "more events")
        if done := summary["behaviours"]:
            need += f" of {' or '.join(done['targets'])}"
        raise input_error(
            where, f"a user to evaluate under the split {split['name']}",
            f"none of {summary['users']}",
            f"bring at least one user with {need}, or lower k_core and min_rating",
        )  # fmt: skip


def _roles(behaviours: Behaviours) -> dict[str, list[str]]:
    """The behaviours that are targets, and those that are history alone."""
    targets, names = behaviours.targets, behaviours.names
    return {"targets": list(targets), "history": [name for name in names if name not in targets]}


def _summary(
    corpus: Corpus,
    config: DataConfig,
    ordinal: bool,
    dropped: dict[str, int],
    repeated: dict[str, int],
    ties: float,
) -> dict[str, Any]:
    log, split = corpus.interactions, corpus.split
    if log.ratings is None:
        ratings = None
    else:
        rated = log.ratings[np.isfinite(log.ratings)]
        ratings = {"min": float(rated.min()), "max": float(rated.max())} if len(rated) else None
    return {
        "source": config.source,
        "users": log.n_users,
        "items": log.n_items,
        "events": len(log),
        "ordinal": ordinal,
        "time": {"first": int(log.times.min()), "last": int(log.times.max())},
        "ratings": ratings,
        "texts": sorted(log.texts),
        "attributes": list(corpus.catalog.attributes),
        "user_attributes": list(corpus.users.attributes),
        "context": columns_told(log.context),
        "unlabelled": None if log.labels is None else int((log.labels < 0).sum()),
        "behaviours": log.behaviours and _roles(log.behaviours),
        "repeats": repeated,
        "tied_share": round(ties, 6),
        "dropped": dropped,
        "split": {
            "name": split.name,
            "seed": split.seed,
            **{split_name: int(split.mask(split_name).sum()) for split_name in SPLITS},
        },
    }
