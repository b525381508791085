"""Removing one user does not change any random draw about the other users.

In one variant of the log the removed user shares all items with others, in the other variant one
item is only the user's own. Statistics over all users may change and are not tested here: rating
scales, item means, semantic ids, weights, the cut of a time split, item availability (the first
event of any user; here several users share it), and the order of training batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from p5rec.core.rng import id_keys, sampled, tie_order
from p5rec.core.types import SPLITS, Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.prepare import load_corpus, prepare_folder
from p5rec.data.split import histories_of, instances
from p5rec.data.windows import Windows
from p5rec.methods.baselines.bpr_training import _sampled_negatives
from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.baselines.sequences import TrainingWindows
from p5rec.prompting import fewshot
from p5rec.prompting.instances import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import PairPrompts
from p5rec.prompting.source import ExampleSource, PromptsConfig
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

REMOVED, ONLY = "user 7", "item only"
USERS, ITEMS, EACH = 30, 40, 16
# no prompt template of these families has statistics over all ratings of an item
FAMILIES = (
    "direct", "sequential-next", "sequential-candidates", "sequential-yesno", "explanation",
    "item-id-to-text",
)  # fmt: skip
Pair = tuple[Corpus, Corpus]


def write_log(folder: Path, *, alone: bool) -> Path:
    """Events in bursts of one second; ``alone``: the removed user has an item of its own."""
    rng = np.random.default_rng(3)
    rows = [
        {
            "user": f"user {user}",
            "item": f"item {item}",
            "time": 1_600_000_000 + 60 * (event // 4),
            "rating": int(rng.integers(1, 6)),
        }
        for user in range(USERS)
        for event, item in enumerate(rng.permutation(ITEMS)[:EACH].tolist())
    ]
    rows += [{**row, "rating": 3} for row in rows[:20]]  # equal in user, item and time
    if alone:
        own = [row for row in rows if row["user"] == REMOVED]
        own[5]["item"] = ONLY
    pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=1).write_csv(folder / "log.csv")
    names = [f"item {n}" for n in range(ITEMS)] + [ONLY]
    kinds = [("red", "green", "blue")[n % 3] for n in range(ITEMS + 1)]
    pl.DataFrame({"item": names, "title": [f"The {name}" for name in names], "kind": kinds}
                 ).write_csv(folder / "items.csv")  # fmt: skip
    return folder / "log.csv"


def corpus_of(log: Path, **changes: object) -> Corpus:
    table = {"path": str(log.with_name("items.csv")), "columns": {"title": "title",
             "attributes": {"kind": "kind"}}}  # fmt: skip
    settings = {"source": "table", "path": str(log), "items": table, "dedupe": "none", **changes}
    return build(DataConfig(**settings))[0]


def without(log: Path) -> Path:
    left = log.with_name("left.csv")
    pl.read_csv(log).filter(pl.col("user") != REMOVED).write_csv(left)
    return left


@pytest.fixture(scope="module", params=[False, True], ids=["shared", "alone"])
def logs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("logs"), alone=request.param)


@pytest.fixture(scope="module")
def pair(logs: Path) -> Pair:
    return corpus_of(logs), corpus_of(without(logs))


def own(corpus: Corpus) -> np.ndarray:
    """``(E,)`` bool: the events of the removed user."""
    users = corpus.interactions.users
    return np.array([name == REMOVED for name in corpus.user_ids])[users]


def view_of(corpus: Corpus) -> CorpusView:
    ids = [f"<{name.replace(' ', '_')}>" for name in corpus.catalog.ids]
    return CorpusView(corpus, ItemNames(ids, corpus.catalog.titles))


def other_events(corpus: Corpus) -> list[tuple[object, ...]]:
    """The events of the other users in order: user, item, time, rating, split, key."""
    log = corpus.interactions
    columns = (log.times, log.ratings, corpus.split.of_event, log.event_keys)
    events = [
        (corpus.user_ids[user], corpus.catalog.ids[item], *rest)
        for user, item, *rest in zip(
            log.users, log.items, *(column.tolist() for column in columns), strict=True
        )
    ]
    return [event for event in events if event[0] != REMOVED]


@pytest.mark.parametrize("split", ["leave-one-out", "user-time", "few-shot", "last-basket"])
def test_events_ties_and_splits(logs: Path, split: str) -> None:
    whole, left = (corpus_of(log, split=split) for log in (logs, without(logs)))
    assert (whole.interactions.n_users, left.interactions.n_users) == (USERS, USERS - 1)
    assert other_events(whole) == other_events(left)
    keys = whole.interactions.event_keys
    assert len(np.unique(keys)) == len(keys)


def test_a_prepared_folder_has_the_same_keys(pair: Pair, logs: Path, tmp_path: Path) -> None:
    table = {"path": str(logs.with_name("items.csv")), "columns": {"title": "title"}}
    config = DataConfig(source="table", path=str(logs), items=table, dedupe="none")
    prepare_folder(config, tmp_path / "prepared")
    log = load_corpus(tmp_path / "prepared").interactions
    for name in ("user_keys", "item_keys", "event_keys"):
        assert np.array_equal(getattr(log, name), getattr(pair[0].interactions, name))


def test_the_order_of_rows_and_of_ties(pair: Pair) -> None:
    users, items = [], []
    for corpus in pair:
        users.append([name for name in corpus.user_ids if name != REMOVED])
        tie = Popularity().learn(corpus.interactions, corpus.split).tie
        assert np.array_equal(tie, tie_order(id_keys(corpus.catalog.ids), corpus.split.seed))
        order = [corpus.catalog.ids[row] for row in np.argsort(tie)]
        items.append(
            ([n for n in corpus.catalog.ids if n != ONLY], [n for n in order if n != ONLY])
        )
    assert users[0] == users[1]
    assert items[0] == items[1]


def windows_of(corpus: Corpus) -> dict[tuple[int, ...], list[float]]:
    """Windows by the keys of their events, and their random draws."""
    log, keys = corpus.interactions, corpus.interactions.event_keys
    one = Windows(log, corpus.split, 5, None, 1)
    windows = Windows(log, corpus.split, 5, 2 * one.epoch_windows, 1)
    draws = {}
    for i in range(len(windows)):
        events, rng = windows.draw(i)
        if not own(corpus)[events].any():
            draws[int(i >= one.epoch_windows), *keys[events].tolist()] = rng.random(3).tolist()
    return draws


def test_windows(pair: Pair) -> None:
    whole, left = map(windows_of, pair)
    first = {key: draws for key, draws in whole.items() if key[0] == 0}
    assert first == {key: draws for key, draws in left.items() if key[0] == 0}
    assert len(first) > USERS
    again = whole.keys() & left.keys() - first.keys()  # the second epoch may end one window earlier
    assert len(again) > 0.9 * len(first)
    assert all(whole[key] == left[key] for key in again)


def test_windows_of_sasrec(pair: Pair) -> None:
    def counted(corpus: Corpus, used: np.ndarray) -> Counter[tuple[str, ...]]:
        split = replace(
            corpus.split, of_event=np.where(used, corpus.split.of_event, SPLITS["test"])
        )
        windows = TrainingWindows(corpus.interactions, split, 4, 10**6, 0)
        return Counter(
            tuple(corpus.catalog.ids[item] for item in items[: 1 + targets].tolist())
            for batch in windows.batches(1)
            for items, targets in zip(batch.items, batch.row.bincount().tolist(), strict=True)
        )

    whole, left = pair
    everyone = counted(whole, np.ones(len(whole.interactions), dtype=bool))
    removed = counted(whole, own(whole))
    assert everyone - removed == counted(left, np.ones(len(left.interactions), dtype=bool))


def examples_of(
    corpus: Corpus, source: Callable[[CorpusView, PromptLibrary], Iterator[tuple[object, ...]]]
) -> dict[object, tuple[str, str, str]]:
    """Examples of other users, by name, without those that mention the removed user's item."""
    examples = {}
    for name, example in source(view_of(corpus), PromptLibrary.load()):
        words = f"{example.source} {example.target}".replace("_", " ")
        about_others = example.user < 0 or corpus.user_ids[example.user] != REMOVED
        if about_others and ONLY not in words:
            examples[name] = (example.source, example.target, example.prompt_id)
    return examples


def check(pair: Pair, source: Callable[..., Iterator[tuple[object, ...]]], least: int) -> None:
    whole, left = (examples_of(corpus, source) for corpus in pair)
    both = whole.keys() & left.keys()
    assert len(both) >= least
    assert {name: whole[name] for name in both} == {name: left[name] for name in both}


@pytest.mark.parametrize("family", FAMILIES)
def test_training_prompts(pair: Pair, family: str) -> None:
    """Event, prompt template and candidates of the first and second prompt of each event."""

    def source(view: CorpusView, library: PromptLibrary) -> Iterator[tuple[object, ...]]:
        task = TASKS.get(library.family(family).task)
        rows = task.rows(view, "train")
        examples = ExampleSource(view, library, {family: 1.0}, 2 * len(rows), 5)
        seen: Counter[int] = Counter()
        for example in examples:
            key = int(task.keys(view)[example.item if task.of == "items" else example.event])
            seen[key] += 1
            yield (key, seen[key]), example

    check(pair, source, ITEMS if family.startswith("item") else 6 * USERS)


@pytest.mark.parametrize("family", FAMILIES)
def test_evaluation_prompts(pair: Pair, family: str) -> None:
    def source(view: CorpusView, library: PromptLibrary) -> Iterator[tuple[object, ...]]:
        examples = EvaluationSource(view, library, family, "test", seed=2)
        yield from zip(examples.keys.tolist(), examples, strict=True)

    check(pair, source, 5)


def test_prompts_of_user_item_pairs(pair: Pair) -> None:
    prompts = []
    for corpus in pair:
        names = [n for n in corpus.user_ids if n != REMOVED][:10]
        users = np.array([list(corpus.user_ids).index(name) for name in names])
        items = np.array([corpus.catalog.ids.index(f"item {n}") for n in range(10)])
        view, config = view_of(corpus), PromptsConfig(candidates=4)
        examples = PairPrompts(
            view, PromptLibrary.load(), "sequential-yesno", seed=4, config=config
        ).examples(users, items)
        prompts.append([e.source for e in examples if ONLY not in e.source.replace("_", " ")])
    assert [text for text in prompts[0] if text in prompts[1]] == prompts[0]


def test_worked_examples(pair: Pair) -> None:
    shots = []
    for corpus in pair:
        view, task = view_of(corpus), TASKS.get("rating")
        pool, keys = fewshot.Pool.of(view, "rating"), corpus.interactions.event_keys
        rows = [row for row in task.rows(view, "test") if not own(corpus)[row]]
        examples = {}
        for row in rows:
            record = task.build(view, row, np.random.default_rng(0), Limits())
            chosen = fewshot.choose(view, record, pool, 2, int(keys[row]), Limits())
            examples[int(keys[row])] = [
                REMOVED if own(corpus)[shot.event] else int(keys[shot.event]) for shot in chosen
            ]
        shots.append(examples)
    others = {key: chosen for key, chosen in shots[0].items() if REMOVED not in chosen}
    assert USERS > len(others) > USERS / 2
    assert others == {key: shots[1][key] for key in others}


def test_samples_of_validation_users(pair: Pair) -> None:
    whole, left = pair
    for few in (10, 10**6):
        samples = []
        for corpus in pair:
            histories, _, _ = instances(corpus.interactions, corpus.split, "valid")
            keys = corpus.interactions.user_keys[histories.users]
            assert np.array_equal(keys, histories.keys)
            rows = sampled(keys, few, 0, "validation users")
            samples.append({corpus.user_ids[user] for user in histories.users[rows]})
        assert samples[0] - {REMOVED} <= samples[1]
        assert len(samples[1] - samples[0]) <= 1
    histories = histories_of(whole.interactions), histories_of(left.interactions)
    others = [list(whole.user_ids).index(name) for name in left.user_ids]
    assert np.array_equal(histories[0].keys[others], histories[1].keys)


def test_negatives_and_lineage(pair: Pair) -> None:
    negatives, lineages = [], []
    for corpus in pair:
        log, train = corpus.interactions, corpus.split.mask("train")
        users, keys = torch.from_numpy(log.users[train].astype(np.int64)), log.event_keys[train]
        taken = np.unique(log.users[train].astype(np.int64) * log.n_items + log.items[train])
        drawn = _sampled_negatives(users, log.n_items, taken, keys, 9).tolist()
        negatives.append(dict(zip(keys.tolist(), drawn, strict=True)))
        lineages.append(Popularity().learn(log, corpus.split).lineage)
    whole = pair[0].interactions
    of_user = whole.event_keys[own(whole_corpus := pair[0]) & whole_corpus.split.mask("train")]
    assert set(lineages[0].events.tolist()) - set(lineages[1].events.tolist()) == set(
        of_user.tolist()
    )
    if len(pair[1].catalog) == len(pair[0].catalog):  # negatives are sampled from the catalogue
        assert {key: negatives[0][key] for key in negatives[1]} == negatives[1]
