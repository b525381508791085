"""The contract of keys: without one user, what is drawn about all others is what it was.

Of the user who leaves, one twin met only what others met too, the other an item nobody else met.
What is left out here is learned or counted from everyone: scales, means of items, codes, weights,
the time at which a log is cut, since when an item could be shown (the first event of anybody; here
of several at once), and the order in which a training goes through its batches.
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
from p5rec.data.split import cases, histories_of
from p5rec.data.windows import Windows
from p5rec.methods.baselines.bpr_training import _not_taken
from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.baselines.sequences import TrainingWindows
from p5rec.prompting import fewshot
from p5rec.prompting.evaluation import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import PairQuestions
from p5rec.prompting.source import ExampleSource, PromptsConfig
from p5rec.tasks.draft import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, ItemNames

GONE, ONLY = "user 7", "item only"
USERS, ITEMS, EACH = 30, 40, 16
# statistics of all ratings of an item stand in no wording of these
FAMILIES = (
    "direct", "sequential-next", "sequential-candidates", "sequential-yesno", "explanation",
    "item-id-to-text",
)  # fmt: skip
Pair = tuple[Corpus, Corpus]


def write_log(folder: Path, *, alone: bool) -> Path:
    """Events in bursts of one second; ``alone``: the user who goes met an item of its own."""
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
        own = [row for row in rows if row["user"] == GONE]
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
    given = {"source": "table", "path": str(log), "items": table, "dedupe": "none", **changes}
    return build(DataConfig(**given))[0]


def without(log: Path) -> Path:
    left = log.with_name("left.csv")
    pl.read_csv(log).filter(pl.col("user") != GONE).write_csv(left)
    return left


@pytest.fixture(scope="module", params=[False, True], ids=["shared", "alone"])
def logs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("logs"), alone=request.param)


@pytest.fixture(scope="module")
def pair(logs: Path) -> Pair:
    return corpus_of(logs), corpus_of(without(logs))


def own(corpus: Corpus) -> np.ndarray:
    """``(E,)`` bool: the events of the user who goes."""
    users = corpus.interactions.users
    return np.array([name == GONE for name in corpus.user_ids])[users]


def view_of(corpus: Corpus) -> CorpusView:
    ids = [f"<{name.replace(' ', '_')}>" for name in corpus.catalog.ids]
    return CorpusView(corpus, ItemNames(ids, corpus.catalog.titles))


def told(corpus: Corpus) -> list[tuple[object, ...]]:
    """The others' events in their order: who, what, when, in which part, under which key."""
    log = corpus.interactions
    columns = (log.times, log.ratings, corpus.split.of_event, log.event_keys)
    found = [
        (corpus.user_ids[user], corpus.catalog.ids[item], *rest)
        for user, item, *rest in zip(
            log.users, log.items, *(column.tolist() for column in columns), strict=True
        )
    ]
    return [event for event in found if event[0] != GONE]


@pytest.mark.parametrize("split", ["leave-one-out", "user-time", "few-shot", "last-basket"])
def test_events_ties_and_splits(logs: Path, split: str) -> None:
    whole, left = (corpus_of(log, split=split) for log in (logs, without(logs)))
    assert (whole.interactions.n_users, left.interactions.n_users) == (USERS, USERS - 1)
    assert told(whole) == told(left)
    keys = whole.interactions.event_keys
    assert len(np.unique(keys)) == len(keys)


def test_a_prepared_folder_has_the_same_keys(pair: Pair, logs: Path, tmp_path: Path) -> None:
    table = {"path": str(logs.with_name("items.csv")), "columns": {"title": "title"}}
    config = DataConfig(source="table", path=str(logs), items=table, dedupe="none")
    prepare_folder(config, tmp_path / "made")
    log = load_corpus(tmp_path / "made").interactions
    for name in ("user_keys", "item_keys", "event_keys"):
        assert np.array_equal(getattr(log, name), getattr(pair[0].interactions, name))


def test_the_order_of_rows_and_of_ties(pair: Pair) -> None:
    users, items = [], []
    for corpus in pair:
        users.append([name for name in corpus.user_ids if name != GONE])
        tie = Popularity().learn(corpus.interactions, corpus.split).tie
        assert np.array_equal(tie, tie_order(id_keys(corpus.catalog.ids), corpus.split.seed))
        order = [corpus.catalog.ids[row] for row in np.argsort(tie)]
        items.append(
            ([n for n in corpus.catalog.ids if n != ONLY], [n for n in order if n != ONLY])
        )
    assert users[0] == users[1]
    assert items[0] == items[1]


def windows_of(corpus: Corpus) -> dict[tuple[int, ...], list[float]]:
    """Windows by their events' keys, and what is drawn for each."""
    log, keys = corpus.interactions, corpus.interactions.event_keys
    one = Windows(log, corpus.split, 5, None, 1)
    windows = Windows(log, corpus.split, 5, 2 * one.epoch_rows, 1)
    found = {}
    for row in range(len(windows)):
        events, rng = windows.row(row)
        if not own(corpus)[events].any():
            found[int(row >= one.epoch_rows), *keys[events].tolist()] = rng.random(3).tolist()
    return found


def test_windows(pair: Pair) -> None:
    whole, left = map(windows_of, pair)
    first = {key: draws for key, draws in whole.items() if key[0] == 0}
    assert first == {key: draws for key, draws in left.items() if key[0] == 0}
    assert len(first) > USERS
    again = whole.keys() & left.keys() - first.keys()  # the second epoch may end a row earlier
    assert len(again) > 0.9 * len(first)
    assert all(whole[key] == left[key] for key in again)


def test_windows_of_sasrec(pair: Pair) -> None:
    def counted(corpus: Corpus, kept: np.ndarray) -> Counter[tuple[str, ...]]:
        split = replace(
            corpus.split, of_event=np.where(kept, corpus.split.of_event, SPLITS["test"])
        )
        windows = TrainingWindows(corpus.interactions, split, 4, 10**6, 0)
        return Counter(
            tuple(corpus.catalog.ids[item] for item in items[: 1 + asked].tolist())
            for batch in windows.batches(1)
            for items, asked in zip(batch.items, batch.row.bincount().tolist(), strict=True)
        )

    whole, left = pair
    everyone = counted(whole, np.ones(len(whole.interactions), dtype=bool))
    mine = counted(whole, own(whole))
    assert everyone - mine == counted(left, np.ones(len(left.interactions), dtype=bool))


def posed(
    corpus: Corpus, source: Callable[[CorpusView, PromptLibrary], Iterator[tuple[object, ...]]]
) -> dict[object, tuple[str, str, str]]:
    """Examples about others, by what they are about; none that shows the item of one user."""
    found = {}
    for name, example in source(view_of(corpus), PromptLibrary.load()):
        words = f"{example.source} {example.target}".replace("_", " ")
        about_others = example.user < 0 or corpus.user_ids[example.user] != GONE
        if about_others and ONLY not in words:
            found[name] = (example.source, example.target, example.prompt_id)
    return found


def check(pair: Pair, source: Callable[..., Iterator[tuple[object, ...]]], least: int) -> None:
    whole, left = (posed(corpus, source) for corpus in pair)
    both = whole.keys() & left.keys()
    assert len(both) >= least
    assert {name: whole[name] for name in both} == {name: left[name] for name in both}


@pytest.mark.parametrize("family", FAMILIES)
def test_training_prompts(pair: Pair, family: str) -> None:
    """Row, wording, candidates: the first and the second time an event is posed."""

    def source(view: CorpusView, library: PromptLibrary) -> Iterator[tuple[object, ...]]:
        task = TASKS.get(library.family(family).task)
        rows = task.rows(view, "train")
        examples = ExampleSource(view, library, {family: 1.0}, 2 * len(rows), 5)
        seen: Counter[int] = Counter()
        for example in examples:
            key = int(task.keys(view)[example.item if task.of_items else example.event])
            seen[key] += 1
            yield (key, seen[key]), example

    check(pair, source, ITEMS if family.startswith("item") else 6 * USERS)


@pytest.mark.parametrize("family", FAMILIES)
def test_evaluation_prompts(pair: Pair, family: str) -> None:
    def source(view: CorpusView, library: PromptLibrary) -> Iterator[tuple[object, ...]]:
        examples = EvaluationSource(view, library, family, "test", seed=2)
        yield from zip(examples.keys.tolist(), examples, strict=True)

    check(pair, source, 5)


def test_questions_about_pairs(pair: Pair) -> None:
    found = []
    for corpus in pair:
        names = [n for n in corpus.user_ids if n != GONE][:10]
        users = np.array([list(corpus.user_ids).index(name) for name in names])
        items = np.array([corpus.catalog.ids.index(f"item {n}") for n in range(10)])
        view, config = view_of(corpus), PromptsConfig(candidates=4)
        made = PairQuestions(
            view, PromptLibrary.load(), "sequential-yesno", seed=4, config=config
        ).pose(users, items)
        found.append([e.source for e in made if ONLY not in e.source.replace("_", " ")])
    assert [text for text in found[0] if text in found[1]] == found[0]


def test_worked_examples(pair: Pair) -> None:
    shots = []
    for corpus in pair:
        view, task = view_of(corpus), TASKS.get("rating")
        pool, keys = fewshot.Pool.of(view, "rating"), corpus.interactions.event_keys
        rows = [row for row in task.rows(view, "test") if not own(corpus)[row]]
        found = {}
        for row in rows:
            record = task.build(view, row, np.random.default_rng(0), Limits())
            chosen = fewshot.choose(view, record, pool, 2, int(keys[row]), Limits())
            found[int(keys[row])] = [
                GONE if own(corpus)[shot.event] else int(keys[shot.event]) for shot in chosen
            ]
        shots.append(found)
    kept = {key: chosen for key, chosen in shots[0].items() if GONE not in chosen}
    assert USERS > len(kept) > USERS / 2
    assert kept == {key: shots[1][key] for key in kept}


def test_who_validates_and_is_asked(pair: Pair) -> None:
    whole, left = pair
    for few in (10, 10**6):
        found = []
        for corpus in pair:
            histories, _, _ = cases(corpus.interactions, corpus.split, "valid")
            keys = corpus.interactions.user_keys[histories.users]
            assert np.array_equal(keys, histories.keys)
            rows = sampled(keys, few, 0, "validation users")
            found.append({corpus.user_ids[user] for user in histories.users[rows]})
        assert found[0] - {GONE} <= found[1]
        assert len(found[1] - found[0]) <= 1
    drawn = histories_of(whole.interactions), histories_of(left.interactions)
    kept = [list(whole.user_ids).index(name) for name in left.user_ids]
    assert np.array_equal(drawn[0].keys[kept], drawn[1].keys)


def test_negatives_and_lineage(pair: Pair) -> None:
    negatives, lineages = [], []
    for corpus in pair:
        log, train = corpus.interactions, corpus.split.mask("train")
        users, keys = torch.from_numpy(log.users[train].astype(np.int64)), log.event_keys[train]
        taken = np.unique(log.users[train].astype(np.int64) * log.n_items + log.items[train])
        drawn = _not_taken(users, log.n_items, taken, keys, 9).tolist()
        negatives.append(dict(zip(keys.tolist(), drawn, strict=True)))
        lineages.append(Popularity().learn(log, corpus.split).lineage)
    whole = pair[0].interactions
    of_user = whole.event_keys[own(whole_corpus := pair[0]) & whole_corpus.split.mask("train")]
    assert set(lineages[0].events.tolist()) - set(lineages[1].events.tolist()) == set(
        of_user.tolist()
    )
    if len(pair[1].catalog) == len(pair[0].catalog):  # the catalogue as a whole is drawn from
        assert {key: negatives[0][key] for key in negatives[1]} == negatives[1]
