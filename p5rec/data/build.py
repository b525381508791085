"""From a user's files to a corpus in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from p5rec.core.errors import UserError, input_error
from p5rec.core.features import Behaviours, Users
from p5rec.core.rng import by_key, derive_rng, event_keys, id_keys, keyed
from p5rec.core.types import SPLITS, Catalog, Corpus, Interactions, group_numbers

from .cells import indices
from .config import DataConfig
from .describe import tied_share
from .event_columns import BEHAVIOUR, check_further, context_summary, event_columns
from .items import check_known
from .profile import profile_events
from .rawlog import TEXTS, RawLog
from .reading import read_log
from .reduce import k_core, one_per_pair, repeats, time_order
from .split import ALL, make_split
from .times import AmbiguousTimes, microseconds

LAST = np.uint64(2**64 - 1)
NEEDS = {  # split rule → the least history of a test user
    "leave-one-out": "3 events",
    "few-shot": "3 events",
    "last-basket": "3 baskets",
    "last-basket-item": "3 baskets",
}


def build(
    config: DataConfig, log: RawLog | None = None, *, evaluable: bool = True
) -> tuple[Corpus, dict[str, Any]]:
    """The corpus and its summary, in memory.

    Steps: ``min_rating``, repeats, k-core, row numbers of users and items, time order, split. Row
    numbers follow seeded hashes of the ids, so they do not reveal when an item first appeared.

    Args:
        config: the settings.
        log: the log, if it has been read already.
        evaluable: refuse a log without a test event under the split.

    Raises:
        UserError: an input is missing or broken, no event is left, the split has no test event, or
            there are no texts to permute.
    """
    log = log or read_log(config)
    where = log.files[0] if log.files else Path(f"synthetic {config.synthetic.kind}")
    missing = config.items.missing if config.items else "error"
    events, unknown = check_known(log.events, log.items, log.locations, missing)
    dropped = {"incomplete": log.incomplete, "missing_items": unknown}
    check_further(events, config, where)
    if config.users and log.users is None:
        got = f"none, and the source {config.source!r} has no user table"
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
        counts = ", ".join(f"{name} {n}" for name, n in dropped.items() if n)
        raise input_error(
            where, "at least one event after filtering", f"none (dropped: {counts})",
            "loosen these limits",
        )  # fmt: skip
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


def _in_baskets(events: pl.DataFrame, config: DataConfig) -> pl.DataFrame:
    """The events with a column ``basket`` if they form baskets, else without it.

    The time of a basket is that of its first event. Auxiliary events are in no basket: their value
    is null.
    """
    has_ids = "basket" in events.columns
    wanted = config.baskets if config.baskets is not None else has_ids or config.of_baskets
    if not wanted:
        return events.drop("basket", strict=False)
    ids = pl.col("basket") if has_ids else pl.lit("")
    if config.behaviour:
        ids = pl.when(pl.col(BEHAVIOUR).is_in(config.behaviour.targets)).then(ids)
    events = events.with_columns(basket=ids)
    if not has_ids:
        return events
    first = pl.col("time").min().over("user", "basket")
    return events.with_columns(pl.when(pl.col("basket").is_null()).then("time").otherwise(first))


def _basket_order(events: pl.DataFrame, seed: int) -> np.ndarray | None:
    """``(E,)`` uint64, one draw for each event's basket; None if there are no baskets.

    Events without a basket come last among the events of their time.
    """
    if "basket" not in events.columns:
        return None
    ids = events["basket"].drop_nulls().unique().sort()
    draws = keyed(id_keys(ids.to_list()), seed, "equal times")
    order: np.ndarray = np.append(draws, LAST)[indices(events["basket"], ids)]
    return order


def _reduced(
    events: pl.DataFrame, config: DataConfig, dropped: dict[str, int]
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The events without repeats and after the k-core; and the number of repeats of each kind."""
    ids = [events[column].unique().sort() for column in ("user", "item")]
    users, items = indices(events["user"], ids[0]), indices(events["item"], ids[1])
    times, rows = events["time"].to_numpy(), events["row"].to_numpy()
    behaviours = _behaviour_codes(events)
    keys = event_keys(
        id_keys(ids[0].to_list())[users], id_keys(ids[1].to_list())[items], times, rows
    )
    baskets = _basket_order(events, config.seed)
    order = time_order(users, times, keys, config.seed, baskets)
    key_columns = (users, items, times, *behaviours, *([] if baskets is None else [baskets]))
    exact = repeats(key_columns, rows)
    copied = _copied(events, users, times, exact, order)
    others = events.select(pl.exclude("row", "user", "item", "time", "basket"))
    content = others.hash_rows().to_numpy() if others.width else np.zeros(len(events))
    repeated = {
        "exact": int(exact.sum()),
        "of_them_differing": int((exact & ~repeats((*key_columns, content), rows)).sum()),
        "copied_reviews": int(copied.sum()),
    }
    unique = np.ones(len(events), dtype=bool)
    if config.dedupe in ("exact", "review"):
        unique = ~(exact | copied) if config.dedupe == "review" else ~exact
    elif config.dedupe != "none":
        pairs = _item_behaviour_pairs(items, *behaviours)
        unique[order] = one_per_pair(users[order], pairs[order], config.dedupe)
    dropped["repeats"] = int((~unique).sum())
    core = unique.copy()
    core[unique] = k_core(users[unique], items[unique], config.k_core.user, config.k_core.item)
    dropped["k_core"] = int(unique.sum() - core.sum())
    return events.filter(pl.Series(core)), repeated


def _behaviour_codes(events: pl.DataFrame) -> list[np.ndarray]:
    """The behaviours of the events ``(E,)`` as numbers, in a list; empty without behaviours."""
    if BEHAVIOUR not in events.columns:
        return []
    return [indices(events[BEHAVIOUR], events[BEHAVIOUR].unique().sort())]


def _item_behaviour_pairs(items: np.ndarray, behaviours: np.ndarray | None = None) -> np.ndarray:
    """``(E,)`` a number for each item, or for each pair of item and behaviour."""
    if behaviours is None:
        return items
    pairs: np.ndarray = items.astype(np.int64) * (int(behaviours.max(initial=0)) + 1) + behaviours
    return pairs


def _copied(
    events: pl.DataFrame, users: np.ndarray, times: np.ndarray, exact: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """``(E,)`` bool: the user wrote the same review at the same time for an earlier item.

    The seeded ``order`` decides which item is the earlier one. Exact repeats are not counted again.
    """
    texts = [name for name in TEXTS if name in events.columns]
    copied = np.zeros(len(events), dtype=bool)
    if texts:
        has_text = events.select(pl.any_horizontal(pl.col(texts) != "")).to_series().to_numpy()
        at = np.flatnonzero(has_text & ~exact)
        words = events.select(texts).hash_rows().to_numpy()
        rank = np.argsort(order)
        copied[at] = repeats((users[at], times[at], words[at]), rank[at])
    return copied


def _corpus(events: pl.DataFrame, log: RawLog, config: DataConfig) -> tuple[Corpus, float]:
    """The corpus, and the share of events that share user and time with another event."""
    user_ids, user_keys = _ordered_ids(events["user"].unique(), config.seed, "users")
    catalog_ids = events["item"].unique() if config.catalog == "log" else log.items["item"]
    item_ids, item_keys = _ordered_ids(catalog_ids, config.seed, "items")
    users, items = indices(events["user"], user_ids), indices(events["item"], item_ids)
    times = events["time"].to_numpy()
    keys = event_keys(user_keys[users], item_keys[items], times, events["row"].to_numpy())
    baskets = _basket_order(events, config.seed)
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
        baskets=None if baskets is None else group_numbers(users, times, baskets[order]),
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
        permutation = derive_rng(config.seed, "texts").permutation(len(table))
        table = table.select("item").hstack(table.drop("item")[permutation])
    split = make_split(
        interactions,
        config.split,
        config.seed,
        few_shot=config.few_shot,
        test_from=_test_from(config),
    )
    if config.profile:
        profile = profile_events(interactions, split, config.profile.share, config.profile.most)
        split = replace(split, profile=profile)
    catalog = Catalog(table.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return Corpus(interactions, catalog, _users(user_ids, log.users), split), ties


def _test_from(config: DataConfig) -> int | None:
    """``test_from`` in seconds; None if it is not set.

    Raises:
        UserError: it is not a time.
    """
    if config.test_from is None:
        return None
    try:
        (moment,) = microseconds(pl.Series([config.test_from]), config.time_format)
    except AmbiguousTimes as error:
        raise UserError(f"data.test_from: {error}") from None
    if moment is None:
        got = repr(config.test_from)
        raise input_error(
            "data.test_from", "a time", got, "write it as 2024-01-31 or 2024-01-31T12:00"
        )
    return -(-int(moment) // 1_000_000)


def _users(ids: pl.Series, table: pl.DataFrame | None) -> Users:
    """The user table: ``ids`` in row order, with their attributes from ``table``."""
    users = ids.to_frame("user")
    if table is not None:
        users = users.join(table, on="user", how="left", maintain_order="left")
    return Users(users.to_arrow(compat_level=pl.CompatLevel.oldest()))


def _unmatched(users: Users, table: pl.DataFrame | None) -> dict[str, int] | None:
    """The number of users without a row in the user table, and of rows without a user.

    None without a user table.
    """
    if table is None:
        return None
    known = int(table["user"].is_in(users.ids).sum())
    return {"users_without_row": len(users) - known, "rows_without_user": len(table) - known}


def _ordered_ids(ids: pl.Series, seed: int, what: str) -> tuple[pl.Series, np.ndarray]:
    """The ids in row order, and their keys."""
    ids = ids.sort()
    keys = id_keys(ids.to_list())
    order = by_key(keys, seed, "rows", what)
    return ids.gather(order), keys[order]


def check_evaluable(summary: Mapping[str, Any], where: Path) -> None:
    """Checks from the summary of a corpus that it has test events.

    Raises:
        UserError: there is no test event; the message says what is missing.
    """
    split = summary["split"]
    if split["name"] == ALL:
        raise input_error(
            "data.split", "a rule that holds out events for evaluation", f"{ALL!r}",
            "name another, or refit an evaluated method on all events with `p5rec refit`",
        )  # fmt: skip
    if not split["test"]:
        need = NEEDS.get(split["name"], "more events")
        if behaviours := summary["behaviours"]:
            need += f" of {' or '.join(behaviours['targets'])}"
        raise input_error(
            where, f"a user to evaluate under the split {split['name']}",
            f"none of {summary['users']}",
            f"add at least one user with {need}, or lower k_core and min_rating",
        )  # fmt: skip


def _roles(behaviours: Behaviours) -> dict[str, list[str]]:
    """The target behaviours and the auxiliary ones."""
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
        "context": context_summary(log.context),
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
