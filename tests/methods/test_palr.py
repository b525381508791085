"""PALR: a language model lists the best of a retriever's candidates."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from commands import enter, output_of
from even_log import even_corpus
from list_world import folder_of, list_world, palr, save_texts
from tiny_models import scratch

from p5rec.core.artefacts import write_json
from p5rec.core.errors import UserError
from p5rec.core.features import Behaviours
from p5rec.core.types import TRAIN, Corpus
from p5rec.data.split import instances, make_split
from p5rec.data.stored_texts import StoredTexts
from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.contract import RULES, check_contract
from p5rec.methods.folder import read_method
from p5rec.methods.plans import PlanContext
from p5rec.methods.systems.palr.candidates import training_candidates
from p5rec.methods.systems.palr.method import Palr
from p5rec.methods.systems.palr.predictor import load
from p5rec.methods.systems.palr.profiles import Profiles
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import ExampleSource, PromptsConfig
from p5rec.tasks.item_names import ItemNames, titles_as_ids
from p5rec.tasks.lists import NEXT_LIST, following, list_rows
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.view import CorpusView
from p5rec.train.learner import training_prompts

pytestmark = pytest.mark.system("palr")

CANDIDATES, K = 8, 12
TINY = {
    "candidates": CANDIDATES, "length": 5, "weight": 0,
    "backbone": scratch(width=16, layers=1), "train": {"steps": 2, "batch": 4, "max_tokens": 400},
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return list_world()


@pytest.fixture(scope="module")
def texts(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [f"user {n} likes things" for n in range(corpus.interactions.n_users)]
    return save_texts(corpus, tmp_path_factory.mktemp("texts") / "texts", words)


@pytest.fixture(scope="module")
def folder(corpus: Corpus, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return palr(corpus, tmp_path_factory.mktemp("palr"), texts, **TINY)


@pytest.fixture(scope="module")
def retrieved(corpus: Corpus, folder: Path) -> dict[int, np.ndarray]:
    finder = read_method(folder / "retriever").load(folder / "retriever")
    return training_candidates(finder, corpus, CANDIDATES, 5, 1000, 0)


def test_training_candidates_are_the_retrievers_and_hold_a_next_item(
    corpus: Corpus, folder: Path, retrieved: dict[int, np.ndarray]
) -> None:
    log, split = corpus.interactions, corpus.split
    view = CorpusView(corpus, ItemNames([*map(str, range(24))], corpus.catalog.titles))
    counts = np.bincount(log.items[split.mask("train")], minlength=log.n_items)
    for event, items in retrieved.items():
        assert split.of_event[event] == TRAIN
        assert not split.profile[event]
        seen = log.items[view.past(event)]
        assert not np.isin(items, seen).any()
        assert np.isin(following(view, event)[:5], items).any()
        left = np.setdiff1d(np.arange(log.n_items), [*items, *seen])
        assert counts[items].min() >= counts[left].max()  # nothing was put in


def test_targets_are_at_every_place_of_training_lists(
    corpus: Corpus, retrieved: dict[int, np.ndarray]
) -> None:
    names = ItemNames(titles_as_ids(corpus.catalog.titles), corpus.catalog.titles)
    view = CorpusView(corpus, names, retrieved=retrieved)
    config = PromptsConfig(items="title", candidates=CANDIDATES)
    library = PromptLibrary.load()
    source = ExampleSource(view, library, {"candidate-list": 1.0}, 800, 0, config)
    places = Counter[int]()
    for example in source:
        shown = [line for line in example.source.splitlines() if line.startswith("- ")]
        wanted = example.target.splitlines()
        assert set(wanted) <= set(shown)
        assert len(set(shown)) == len(shown) == CANDIDATES
        places.update(shown.index(line) for line in wanted[:1])
    expected = 800 / CANDIDATES
    chi_square = sum((places[n] - expected) ** 2 / expected for n in range(CANDIDATES))
    assert chi_square < 24.3  # p = .001 with 7 degrees of freedom


def test_its_plan_counts_the_training_and_the_texts(corpus: Corpus) -> None:
    finder = Popularity(tune={})
    short = type("Section", (), {"generator": type("", (), {"max_new_tokens": 8})})
    tokens = []
    for profile, texts in ((None, {}), ("likes", {"likes": short}), ("likes", {})):
        method = Palr(retriever=finder, profile=profile, **TINY)
        plan: Any = method.plan(corpus, PlanContext(methods={"popular": finder}, texts=texts))
        assert plan.shared == {"retriever": "popular"}
        training = plan.own["language model"]
        assert training.steps == 2
        assert sum(task.load.examples for task in training.tasks.values()) == 8
        tokens.append(training.total.tokens)
    assert tokens == sorted(tokens)
    assert len({*tokens}) == 3
    untrained = {**TINY, "train": {"steps": 0}}
    nothing: Any = Palr(retriever=finder, **untrained).plan(corpus, PlanContext())
    assert (nothing.shared, [*nothing.own]) == ({}, ["retriever"])


def test_lists_are_the_candidates_in_the_order_of_the_model(corpus: Corpus, folder: Path) -> None:
    model = load(read_method(folder), folder)
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    lists = model.recommend(histories, K)
    found = model.retriever.recommend(histories, K)
    assert (np.sort(lists.items[:, :CANDIDATES]) == np.sort(found.items[:, :CANDIDATES])).all()
    assert (lists.items[:, CANDIDATES:] == found.items[:, CANDIDATES:]).all()
    assert (np.diff(lists.scores, axis=1) < 0).all()
    assert lists.cost["requests"] == 2 * len(histories)
    prompts = [
        model.ranker.example(history, own, note, int(key))
        for history, own, note, key in zip(
            (histories[n] for n in range(len(histories))),
            found.items[:, :CANDIDATES],
            model.ranker.profiles.notes(histories.keys),
            histories.keys,
            strict=True,
        )
    ]
    assert all(f"user {n} likes things" in prompt.source for n, prompt in enumerate(prompts))
    assert lists.cost["tokens"] > sum(len(prompt.source) for prompt in prompts)  # bytes are tokens
    changed = (lists.items[:, :CANDIDATES] != found.items[:, :CANDIDATES]).any(axis=1)
    assert changed.mean() > 0.9


def test_a_prompt_does_not_show_the_target_or_its_place(corpus: Corpus, folder: Path) -> None:
    ranker = load(read_method(folder), folder).ranker
    one = ranker.example(np.array([3]), np.array([5, 1, 9]), "", 7)
    other = ranker.example(np.array([3]), np.array([9, 5, 1]), "", 7)
    assert one.source == other.source
    assert one.target == "not known"


def test_the_weight_mixes_both_orders(corpus: Corpus, folder: Path) -> None:
    model = load(read_method(folder), folder)
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    found = model.retrieve(histories, K, exclude_seen=True)
    assert (found.fused(1.0, K).items == found.lists.items).all()
    first = found.ordered.ranks.argsort(axis=1)
    own = np.take_along_axis(found.lists.items[:, :CANDIDATES], first, axis=1)
    assert (found.fused(0.0, K).items[:, :CANDIDATES] == own).all()
    half = found.fused(0.5, K).items
    assert (np.sort(half) == np.sort(found.lists.items)).all()


def test_a_random_order_needs_no_model(corpus: Corpus, folder: Path) -> None:
    model = load(read_method(folder).model_copy(update={"order": "random"}), folder)
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    lists, again = (model.recommend(each, K) for each in (histories, histories.take(np.arange(4))))
    assert not lists.cost
    assert (lists.items[:4] == again.items).all()
    found = model.retriever.recommend(histories, K)
    places = (found.items[:, :1] == lists.items).argmax(axis=1)
    assert len(set(places.tolist())) > CANDIDATES // 2


def test_one_request_writes_the_profile_before_the_list(
    corpus: Corpus, texts: Path, tmp_path: Path
) -> None:
    folder = palr(corpus, tmp_path, texts, **TINY, requests=1)
    model = load(read_method(folder), folder)
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    few = histories.take(np.arange(5))
    lists = model.recommend(few, K)
    assert lists.cost["requests"] == 5
    assert (lists.items[2:4] == model.recommend(few.take(np.array([2, 3])), K).items).all()
    assert "Describe the user" in model.ranker.example(few[0], np.array([1, 2]), "", 0).source


def test_version_one_never_shows_candidates(corpus: Corpus, tmp_path: Path) -> None:
    folder = palr(corpus, tmp_path, **TINY, choosing=0)
    model = load(read_method(folder), folder)
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    lists = model.recommend(histories, CANDIDATES)
    found = model.retriever.recommend(histories, CANDIDATES)
    assert (np.sort(lists.items) == np.sort(found.items)).all()
    assert lists.cost["requests"] == len(histories)
    assert "\n-" not in model.ranker.example(histories[0], found.items[0], "", 0).source


def test_permuted_profiles_are_those_of_other_users(corpus: Corpus, texts: Path) -> None:
    own = Profiles.of(StoredTexts.read(texts))
    other = own.permuted(0)
    assert sorted(own.texts) == sorted(other.texts)
    assert sum(a == b for a, b in zip(own.texts, other.texts, strict=True)) < 5
    keys = corpus.interactions.user_keys
    assert own.notes(keys[:2]) == ["user 0 likes things", "user 1 likes things"]
    assert own.notes(np.array([1], dtype=np.uint64)) == [""]


def test_validation_chooses_the_weight(corpus: Corpus, folder: Path) -> None:
    method = read_method(folder).model_copy(update={"weight": None})
    chosen = method.chosen(folder)
    values = {float(weight): value for weight, value in chosen["validation NDCG@10"].items()}
    assert len(values) == 11
    assert values[chosen["weight"]] == max(values.values())
    assert load(method, folder).weight == chosen["weight"]
    assert method.as_chosen(folder).weight == chosen["weight"]


class WithRetriever(Palr):
    """A method that finds its inputs by itself."""

    def needs(self, seed: int) -> dict[str, Any]:
        return {}

    def query_needs(self, seed: int) -> dict[str, Any]:
        return {}

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Any) -> Any:
        with TemporaryDirectory() as root:
            copytree(folder_of(Popularity(), corpus, Path(root)), folder / "retriever")
        titles = {"ids": list(corpus.catalog.ids), "titles": list(corpus.catalog.titles)}
        write_json(folder / "items.json", titles)
        seen = super().fit(corpus, folder, seed=seed, inputs={"retriever": folder / "retriever"})
        (folder / "metrics.jsonl").unlink()  # it has the seconds of each step
        return seen


def test_it_keeps_the_contract_of_methods(tmp_path: Path) -> None:
    method = WithRetriever(retriever=Popularity(), **TINY)
    found = check_contract(method, list_world(users=8), tmp_path)
    # allowed items change which candidates are retrieved, and so the order of the others
    reduced = "lists with candidates are not those without, reduced to the candidates"
    assert found == {rule: [] for rule in RULES} | {"lists keep to the allowed items": [reduced]}


def test_texts_must_not_show_targets(corpus: Corpus) -> None:
    plain = replace(corpus, split=replace(corpus.split, profile=None))
    method = Palr(retriever=Popularity(), profile="texts")
    assert "expected data.profile" in next(method.check_data(plain, ()))
    assert not list(method.check_data(corpus, ()))


def test_versions_differ_in_their_training_prompts() -> None:
    for settings, ids in (
        ({"choosing": 0}, ["next-list.continue", "next-list.from-history"]),
        ({"profile": "texts"}, ["candidate-list.from-profile", "candidate-list.select-with-profile",
                                "next-list.continue-profile", "next-list.from-profile"]),
        ({"profile": "texts", "requests": 1, "choosing": 0},
         ["next-list.continue-with-profile", "next-list.profile-first"]),
    ):  # fmt: skip
        method = Palr(retriever=Popularity(), **settings)
        library = training_prompts(method.learner(0))
        assert sorted(t.id for t in library.templates() if not t.held_out) == ids
        assert method.queried in ids
        assert library.get(method.queried).id == method.queried


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match=r"train\.tasks: expected none"):
        Palr(retriever=Popularity(), train={"tasks": {"rating": {}}})
    with pytest.raises(ValueError, match="need a profile"):
        Palr(retriever=Popularity(), requests=1)
    with pytest.raises(ValueError, match="a method that ranks items, got global-mean"):
        Palr(retriever={"kind": "global-mean"})
    with pytest.raises(ValueError, match="expected fixed settings"):
        Palr(retriever={"kind": "popularity", "tune": {"half_life": [0.1, 0.3]}})
    with pytest.raises(UserError, match="the name of a method that ranks items"):
        Palr(retriever="ease").resolve_names({}, exclude_seen=True)


def test_permuted_profiles_depend_on_the_users_keys() -> None:
    keys = np.sort(np.random.default_rng(0).integers(2**63, size=40).astype(np.uint64))
    texts = [str(key) for key in keys]
    for seed in range(20):
        given = Profiles(keys, texts, np.arange(40)).permuted(seed)
        assert sorted(given.texts) == sorted(texts)
        assert not any(one == other for one, other in zip(given.texts, texts, strict=True))
        less = Profiles(keys[1:], texts[1:], np.arange(39)).permuted(seed)
        assert sum(a != b for a, b in zip(given.texts[1:], less.texts, strict=True)) <= 1


def test_lists_are_made_of_target_events() -> None:
    """A user views each item before buying it: the bought item is in its own list."""
    chosen = np.repeat([[0, 1, 2, 3, 4], [5, 6, 7, 0, 1], [2, 3, 4, 5, 6]], 2, axis=1)
    corpus = even_corpus(chosen.ravel(), 3, 8)
    done = Behaviours(np.tile([1, 0], 15).astype(np.int8), ("buy", "view"), ("buy",), (1.0, 0.5))
    log = replace(corpus.interactions, behaviours=done)
    corpus = replace(corpus, interactions=log, split=make_split(log, "leave-one-out"))
    view = CorpusView(
        corpus, ItemNames(titles_as_ids(corpus.catalog.titles), corpus.catalog.titles)
    )
    rows = list_rows(view, "train")
    assert len(rows) == 9
    for event in rows.tolist():
        assert following(view, event)[0] == log.items[event]
    record = NEXT_LIST.build(view, int(rows[2]), np.random.default_rng(0), Limits())
    assert record.values["history"] == tuple(view.names.ids[item] for item in (0, 1))


def test_another_seen_filter_is_another_fit(tmp_path: Path, monkeypatch: Any) -> None:
    config = """
        data: {source: synthetic, synthetic: {kind: markov, users: 20, items: 16, events: 6}}
        ids: {}
        baselines: []
        methods:
          palr:
            kind: palr
            retriever: {kind: popularity}
            candidates: 5
            train: {steps: 1, batch: 2}
            backbone: {kind: scratch, width: 16, layers: 1, heads: 2}
        evaluate: {k: 5, samples: 0}
    """
    enter(tmp_path, config, monkeypatch)
    made = [
        "fit palr: made" in output_of("run", "my.yaml", f"evaluate.exclude_seen={seen}", "--force")
        for seen in ("true", "false")
    ]
    assert made == [True, True]
