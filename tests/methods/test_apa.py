"""APA: partitions, weights, stages of shards that depend on their own examples alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fits import Fits
from opposite_world import opposite_world, save_word_model
from pydantic import ValidationError

from p5rec.core.errors import UserError
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Corpus
from p5rec.data.click_instances import click_instances
from p5rec.methods.arrays import FILE
from p5rec.methods.folder import contents
from p5rec.methods.registry import METHODS
from p5rec.methods.systems.apa.examples import Examples, prompts_of
from p5rec.methods.systems.apa.method import Apa
from p5rec.methods.systems.apa.partition import (
    balanced,
    embedded_shards,
    keyed_shards,
    titled_shards,
)
from p5rec.methods.systems.apa.settings import VALIDATION, PromptText, shard_name
from p5rec.methods.systems.apa.sharding import write_parts
from p5rec.methods.systems.apa.weights import (
    Neighbours,
    adaptive_weights,
    choose_temperature,
    major_weights,
)
from p5rec.pipeline.fitting import fit_method

pytestmark = pytest.mark.system("apa")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    torch.manual_seed(0)
    folder = save_word_model(tmp_path_factory.mktemp("model"), width=16, layers=1)
    return {"name": str(folder), "lora": {"rank": 2, "targets": ["q_proj", "v_proj"]}}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return opposite_world(users=16, items=40, events=8)


def section(model: dict[str, Any], **changes: Any) -> Apa:
    """A method that is fast to fit."""
    given = {
        "backbone": model, "prompt": {"history": 3}, "shards": 3, "partition": "user",
        "similarity": "tokens", "validation": 12, "train": {"epochs": 1, "batch": 8}, "tune": {},
    }  # fmt: skip
    return Apa(**{**given, **changes})


def fits_of(corpus: Corpus, root: Path) -> Fits:
    rows = np.arange(len(corpus.catalog))
    return Fits.of(corpus, ItemCodes(np.stack([rows], 1), (len(rows),), "plain"), root)


def without(corpus: Corpus, events: np.ndarray, root: Path, earlier: Fits) -> Fits:
    """The data without ``events``, in the store of ``earlier``."""
    kept = np.setdiff1d(np.arange(len(corpus.interactions)), events)
    split = replace(corpus.split, of_event=corpus.split.of_event[kept])
    less = replace(corpus, interactions=corpus.interactions.take(kept), split=split)
    prepared = replace(earlier.prepared, corpus=less, data=f"without {len(events)}")
    return replace(earlier, prepared=prepared)


def some_examples(rows: int = 200, users: int = 20) -> Examples:
    rng = np.random.default_rng(0)
    keys = np.sort(rng.integers(2**63, size=rows).astype(np.uint64))
    owners = rng.integers(2**63, size=users).astype(np.uint64)[np.arange(rows) % users]
    shown = [rng.integers(2**63, size=3).astype(np.uint64) for _ in range(rows)]
    prompts = [f"prompt {n}" for n in range(rows)]
    labels = rng.integers(2, size=rows).astype(np.int8)
    return Examples(keys, owners, prompts, [f"title {n % 30}" for n in range(rows)], labels, shown)


@pytest.mark.parametrize("kind", ["user", "random", "strict"])
def test_an_example_that_goes_moves_no_other(kind: str) -> None:
    examples = some_examples()
    shards = keyed_shards(kind, examples, 4, 7)
    left = np.delete(np.arange(len(examples)), [3, 50, 199])
    assert np.array_equal(keyed_shards(kind, examples.take(left), 4, 7), shards[left])
    assert np.bincount(shards, minlength=4).min() > 20


def test_strict_shards_read_no_content_and_no_seed() -> None:
    examples = some_examples()
    rewritten = replace(
        examples,
        prompts=["another"] * len(examples),
        labels=1 - examples.labels,
        events=[each[1:] for each in examples.events],
    )
    strict = keyed_shards("strict", examples, 4, 0)
    assert np.array_equal(keyed_shards("strict", rewritten, 4, 99), strict)
    assert np.array_equal(
        keyed_shards("user", rewritten, 4, 0), keyed_shards("user", examples, 4, 0)
    )
    assert (keyed_shards("random", rewritten, 4, 0) != keyed_shards("random", examples, 4, 0)).any()


def test_user_shards_are_pure() -> None:
    examples = some_examples()
    shards = keyed_shards("user", examples, 4, 0)
    for user in np.unique(examples.users):
        assert len(np.unique(shards[examples.users == user])) == 1


def test_semantic_shards_are_balanced_and_take_pairs_by_distance() -> None:
    rng = np.random.default_rng(0)
    distances = rng.random((37, 4))
    most = 10
    found, counts = np.full(37, -1), np.zeros(4, int)
    for flat in np.argsort(distances, axis=None):  # algorithm 1 of the paper
        row, column = divmod(int(flat), 4)
        if found[row] < 0 and counts[column] < most:
            found[row] = column
            counts[column] += 1
    assert np.array_equal(balanced(distances, most), found)
    points = rng.normal(size=(50, 6)) + 4 * np.eye(6)[np.arange(50) % 3]
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    shards = embedded_shards(points, 3, 0)
    assert np.bincount(shards).max() <= 17
    assert np.array_equal(shards, embedded_shards(points, 3, 0))
    assert len(embedded_shards(points[:2], 3, 0)) == 2  # fewer examples than shards


def test_shards_of_items_read_the_catalogue_and_no_event() -> None:
    examples = some_examples()
    titles = [f"title {n}" for n in range(40)]
    vectors = np.random.default_rng(1).normal(size=(40, 5)).astype(np.float32)
    known = dict(zip(sorted(titles), vectors, strict=True))

    def shards(some: Examples) -> np.ndarray:
        return titled_shards(some.titles, titles, lambda t: np.stack([known[x] for x in t]), 4, 0)

    whole, left = shards(examples), np.delete(np.arange(len(examples)), [3, 50, 199])
    assert np.array_equal(shards(examples.take(left)), whole[left])
    for title in {*examples.titles}:
        own = np.array([each == title for each in examples.titles])
        assert len(np.unique(whole[own])) == 1
    assert len(np.unique(whole)) == 4


def test_prompts_show_the_latest_events_by_label(corpus: Corpus) -> None:
    text = PromptText(history=2, text="+ {liked} - {disliked} ? {title}")
    instances = click_instances(corpus, "train", 0, 5)
    titles = [f"t{n}" for n in range(len(corpus.catalog))]
    row = int(np.flatnonzero(instances.histories.lengths >= 3)[0])
    history = instances.histories.take(np.array([row]))
    items, labels = history.items[-2:], history.labels[-2:]
    liked, disliked = (
        ", ".join(titles[i] for i in items[labels == value]) or "nothing" for value in (1, 0)
    )
    expected = f"+ {liked} - {disliked} ? t{instances.items[row]}"
    assert prompts_of(history, instances.items[[row]], text, titles) == [expected]


def test_examples_hold_training_events_and_labels(
    model: dict[str, Any], corpus: Corpus, tmp_path: Path
) -> None:
    log, split = corpus.interactions, corpus.split
    method = section(model, partition="strict")
    lineage = write_parts(method, 0, corpus, {}, tmp_path)
    parts = [Examples.read(tmp_path / shard_name(n)) for n in range(3)]
    keys = np.concatenate([each.keys for each in parts])
    train = log.event_keys[split.mask("train")]
    assert sorted(keys) == sorted(train)
    assert set(lineage.events) == set(train)
    labels = dict(zip(log.event_keys.tolist(), log.labels.tolist(), strict=True))
    for part in parts:
        assert part.labels.tolist() == [labels[key] for key in part.keys.tolist()]
        assert all(key in shown for key, shown in zip(part.keys, part.events, strict=True))
        assert max(map(len, part.events)) <= 4  # three shown events and the target
    held_out = Examples.read(tmp_path / VALIDATION)
    assert set(held_out.keys) <= set(log.event_keys[split.mask("valid")])
    assert len(held_out) == 12


def test_permuted_labels_are_those_of_the_shard(
    model: dict[str, Any], corpus: Corpus, tmp_path: Path
) -> None:
    for name, permuted in (("own", False), ("permuted", True)):
        (tmp_path / name).mkdir()
        write_parts(section(model, permuted=permuted), 0, corpus, {}, tmp_path / name)
    differ = 0
    for n in range(3):
        own, other = (Examples.read(tmp_path / p / shard_name(n)) for p in ("own", "permuted"))
        assert np.array_equal(own.keys, other.keys)
        assert own.labels.sum() == other.labels.sum()
        differ += int((own.labels != other.labels).sum())
    assert differ


def test_weights_sum_to_one_and_follow_the_errors() -> None:
    errors = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.4]])
    for temperature in (0.0, 3.0, 1000.0):
        weights = adaptive_weights(errors, temperature)
        assert np.allclose(weights.sum(axis=1), 1)
        assert np.allclose(weights[1], 1 / 3)
        assert weights[0].argmax() == 0
    assert np.allclose(adaptive_weights(errors, 0), 1 / 3)
    assert major_weights(errors).tolist() == [[1, 0, 0], [1, 0, 0]]


def test_a_validation_example_is_not_its_own_neighbour() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    errors = rng.random((30, 2)).astype(np.float32)
    known = Neighbours(vectors, errors, np.arange(30).astype(np.uint64), np.arange(30) % 2)
    near = known.nearest(vectors, known.prompts, 3)
    assert not (near == np.arange(30)[:, None]).any()
    others = known.nearest(vectors, known.prompts + np.uint64(100), 1)
    assert np.array_equal(others[:, 0], np.arange(30))
    assert choose_temperature(known, 3) >= 0
    perfect = replace(known, errors=np.stack([np.zeros(30), np.ones(30)], 1).astype(np.float32))
    assert choose_temperature(perfect, 3) > 0


@pytest.fixture(scope="module")
def fitted(
    model: dict[str, Any], corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Fits, Any]:
    fits = fits_of(corpus, tmp_path_factory.mktemp("store"))
    return fits, fits.fit(section(model))


def adapters(fits: Fits) -> dict[str, dict[str, str]]:
    """The adapters of a store, by key, each with the hashes of its files."""
    return {p.name: contents(p) for p in (fits.prepared.store.root / "adapter").iterdir()}


def test_only_the_shards_of_a_user_who_leaves_are_trained_again(
    fitted: tuple[Fits, Any], model: dict[str, Any], corpus: Corpus, tmp_path: Path
) -> None:
    fits, _ = fitted
    before = adapters(fits)
    assert len(before) == 3
    own = np.flatnonzero(corpus.interactions.users == 5)
    less = without(corpus, own, tmp_path, fits)
    run = fit_method(section(model), less.prepared)[0]
    after = adapters(fits)
    assert len(after) == 4  # one shard had the user
    assert {key: after[key] for key in before} == before
    keys = corpus.interactions.event_keys[own]
    assert not run.fit_stage.lineage.contains(keys).any()
    scratch = fits_of(less.prepared.corpus, tmp_path / "scratch")
    again = fit_method(section(model), scratch.prepared)[0]
    assert contents(again.folder) == contents(run.folder)  # as if the user had never been there
    for key, files in adapters(scratch).items():
        assert files[FILE] == after[key][FILE]


def test_strict_shards_of_a_window_alone_are_touched(
    model: dict[str, Any], corpus: Corpus, tmp_path: Path
) -> None:
    """An event that goes rewrites the examples that showed it, in their shards."""
    method = section(model, partition="strict", shards=4, weights="uniform", train={"epochs": 0})
    fits = fits_of(corpus, tmp_path / "store")
    run = fit_method(method, fits.prepared)[0]
    event = int(np.flatnonzero(corpus.interactions.users == 3)[1])
    key = corpus.interactions.event_keys[event]
    shards = next((fits.prepared.store.root / "shards").iterdir())
    touched = {
        n for n in range(4)
        if any(key in shown for shown in Examples.read(shards / shard_name(n)).events)
    }  # fmt: skip
    assert run.fit_stage.lineage.contains(np.array([key])).all()
    before = set(adapters(fits))
    fit_method(method, without(corpus, np.array([event]), tmp_path, fits).prepared)
    assert len(set(adapters(fits)) - before) == len(touched)


def test_each_adapter_has_the_lineage_of_its_examples(fitted: tuple[Fits, Any]) -> None:
    fits, _ = fitted
    store = fits.prepared.store.root
    shards = next((store / "shards").iterdir())
    wanted = {
        tuple(Examples.read(shards / shard_name(n)).lineage.events.tolist()) for n in range(3)
    }
    found = {tuple(np.load(p / "lineage.npy").tolist()) for p in (store / "adapter").iterdir()}
    assert wanted <= found
    assert len(wanted) == 3


@pytest.mark.nightly
def test_an_adapter_has_the_same_bits_in_another_process(
    fitted: tuple[Fits, Any], model: dict[str, Any], tmp_path: Path
) -> None:
    shards = next((fitted[0].prepared.store.root / "shards").iterdir())
    code = (
        "import sys, json; from pathlib import Path\n"
        "from p5rec.methods.systems.apa.method import Apa\n"
        "from p5rec.methods.systems.apa.training import train_adapter\n"
        "method = Apa(**json.loads(sys.argv[1]))\n"
        "train_adapter(method, 0, {'shard': Path(sys.argv[2])}, Path(sys.argv[3]))\n"
    )
    method = section(model)
    arguments = [method.model_dump_json(), str(shards / shard_name(1)), str(tmp_path)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    made = contents(tmp_path)[FILE]
    assert made in {each[FILE] for each in adapters(fitted[0]).values()}


def test_predictions_are_mixtures(
    fitted: tuple[Fits, Any], model: dict[str, Any], corpus: Corpus
) -> None:
    fits, run = fitted
    test = click_instances(corpus, "test", 0, 3)
    adaptive = run.method.load(run.folder)
    weights = adaptive.weights(test.histories, test.items)
    assert weights.shape == (len(test), 3)
    assert np.allclose(weights.sum(axis=1), 1)
    clicks = adaptive.predict_click(test.histories, test.items)
    alone = np.array([2])
    assert adaptive.predict_click(test.histories.take(alone), test.items[alone])[0] == clicks[2]

    def predicted(**changes: Any) -> np.ndarray:
        fit = fits.fit(section(model, **changes))
        found: np.ndarray = fit.method.load(fit.folder).predict_click(test.histories, test.items)
        return found

    singles = [predicted(shard=n) for n in range(3)]
    sisa = predicted(weights="uniform", aggregate="predictions")
    assert np.allclose(sisa, np.mean(singles, axis=0), atol=1e-6)
    uniform, zero = predicted(weights="uniform"), predicted(temperature=0)
    assert np.allclose(uniform, zero, atol=1e-6)
    assert not np.array_equal(uniform, predicted(weights="uniform", aggregate="factors"))
    assert len({each.tobytes() for each in singles}) == 3
    major = predicted(weights="major")
    assert np.isclose(major[:, None], np.stack(singles, 1), atol=1e-5).any(axis=1).all()


def test_a_single_shard_depends_on_its_own_events(
    fitted: tuple[Fits, Any], model: dict[str, Any]
) -> None:
    fits, run = fitted
    single = fits.fit(section(model, shard=1))
    assert set(single.fit_stage.lineage.events) < set(run.fit_stage.lineage.events)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": {"kind": "scratch"}}, "expected low-rank adapters"),
        ({"shard": 4, "shards": 4}, "expected a number below 4"),
        ({"weights": "major", "aggregate": "predictions"}, "no average"),
        ({"prompt": {"text": "{user}"}}, "expected the slots"),
    ],
)
def test_a_wrong_setting_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        METHODS.get("apa")(**changes)


def test_no_validation_events_and_launches_are_refused(
    model: dict[str, Any], corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from p5rec.methods.systems.apa.training import train_adapter

    of_event = np.where(corpus.split.of_event == 1, 0, corpus.split.of_event)
    bare = replace(corpus, split=replace(corpus.split, of_event=of_event))
    (line,) = section(model).check_data(bare, ())
    assert line == "weights: expected validation events for adaptive weights, got none; set uniform"
    assert not [*section(model, weights="uniform").check_data(bare, ())]
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="apa: expected one process"):
        train_adapter(section(model), 0, {}, tmp_path)
