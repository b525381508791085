"""UniLLMRec: the descent, its rankers, and what is served."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fits import Fits
from tiny_models import some_codes

from p5rec.core.artefacts import Artefact, Lineage
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus, Histories, RankedLists
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.item_tree import ItemTree, TreeConfig, TreeItems, grow
from p5rec.data.split import instances
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.methods.registry import METHODS, methods_of
from p5rec.methods.systems.unillmrec.descent import descend
from p5rec.methods.systems.unillmrec.method import Unillmrec
from p5rec.methods.systems.unillmrec.rankers import Cost
from p5rec.models.inputs import encode_target
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.method_runs import RunContext
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import build_example
from p5rec.recommend.writing.config import TextsConfig
from p5rec.recommend.writing.write import write_texts
from p5rec.tasks.registry import TASKS

pytestmark = pytest.mark.system("unillmrec")

MODEL = {
    "backbone": {"kind": "scratch", "width": 16, "layers": 1, "heads": 2, "feedforward": 8},
    "prompts": {"tree": {"width": 4}, "max_history": 3},
    "train": {"steps": 2, "batch": 4, "precision": "float32", "tasks": {"item-tree": {}}},
}
ITEMS = 24


def unillmrec(**settings: Any) -> Unillmrec:
    """A tiny UniLLMRec."""
    return Unillmrec.model_validate({"model": MODEL, "beams": 2, **settings})


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    synthetic = {"kind": "markov", "users": 12, "items": ITEMS, "events": 6}
    return build(DataConfig(source="synthetic", synthetic=synthetic))[0]


@pytest.fixture(scope="module")
def fits(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Fits:
    return Fits.of(corpus, some_codes(ITEMS), tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def folder(fits: Fits) -> Path:
    return fits.fit(unillmrec()).folder


@pytest.fixture(scope="module")
def requests(corpus: Corpus) -> Histories:
    return instances(corpus.interactions, corpus.split, "test")[0]


def opened(folder: Path, **settings: Any) -> Any:
    """The predictor in ``folder`` with other settings of queries."""
    return unillmrec(**settings).load(folder)


def tree_of(n: int, width: int) -> ItemTree:
    """A tree of ``n`` items with random codes."""
    codes = np.stack([*np.ndindex(4, 4, 4)])[np.random.default_rng(1).permutation(64)[:n]]
    titles = [f"t{i}" for i in range(n)]
    return grow(TreeItems(titles, [], codes, np.zeros(n)), TreeConfig(width=width))


def logs_of(tree: ItemTree, requests: int) -> np.ndarray:
    """Random log-probabilities of every edge, for each request."""
    logs = np.random.default_rng(2).normal(size=(requests, len(tree.children)))
    for node in range(len(tree)):
        own = logs[:, tree.edges(node)]
        logs[:, tree.edges(node)] = own - np.logaddexp.reduce(own, axis=1, keepdims=True)
    return logs


@pytest.mark.parametrize("beams", [1, 3, 99])
def test_a_descent_keeps_the_best_nodes_of_each_level(beams: int):
    tree, rng, k = tree_of(50, 5), np.random.default_rng(0), 7
    logs, allowed = logs_of(tree, 6), rng.random((6, 50)) < 0.5
    allowed[5] = False
    asked: list[tuple[int, int]] = []

    def rank_children(node: int, requests: np.ndarray) -> np.ndarray:
        asked.extend((node, int(b)) for b in requests)
        return logs[requests][:, tree.edges(node)]

    scores = descend(tree, rank_children, allowed, beams, k)
    assert len({*asked}) == len(asked)  # a node is read once for each request
    for b in range(6):
        paths = [logs[b, [edge for _, edge in tree.path(item)]].sum() for item in range(50)]
        reached = np.flatnonzero(np.isfinite(scores[b]))
        assert set(reached) <= set(np.flatnonzero(allowed[b]))
        assert len(reached) >= min(k, allowed[b].sum())
        assert np.allclose(scores[b, reached], np.array(paths)[reached], atol=1e-5)
        if beams == 99:
            assert len(reached) == allowed[b].sum()


def test_a_descent_with_few_beams_reads_few_nodes():
    tree = tree_of(60, 4)
    logs, asked = logs_of(tree, 1), [0]

    def rank_children(node: int, requests: np.ndarray) -> np.ndarray:
        asked[0] += 1
        return logs[requests][:, tree.edges(node)]

    scores = descend(tree, rank_children, np.ones((1, 60), dtype=bool), 1, 1)
    reached = np.flatnonzero(np.isfinite(scores[0]))
    assert asked[0] == max(len(tree.path(item)) for item in reached)


def valid(lists: RankedLists, allowed: np.ndarray, k: int) -> None:
    """Lists are full, sorted, without repeats and inside their candidates."""
    for b, items in enumerate(lists.items):
        own = items[items >= 0].tolist()
        assert len({*own}) == len(own) == min(k, allowed[b].sum())
        assert allowed[b, own].all()
    assert (lists.scores[:, :-1] >= lists.scores[:, 1:]).all()


@pytest.mark.parametrize("settings", [{}, {"ranker": "random"}, {"calibration": 1.0}])
def test_lists_are_full_and_inside_their_candidates(
    folder: Path, requests: Histories, settings: dict[str, Any]
):
    predictor = opened(folder, **settings)
    candidates = np.arange(ITEMS) % 3 > 0
    seen = ~Allowed(deny=ItemLists.seen(requests)).mask(len(requests), ITEMS)
    lists = predictor.recommend(requests, 8, allowed=Allowed(candidates=candidates))
    valid(lists, candidates & ~seen, 8)
    every = predictor.recommend(requests, ITEMS, exclude_seen=False)
    valid(every, np.ones_like(seen), ITEMS)
    assert lists.cost["requests"] > 0
    assert ("tokens" in lists.cost) != ("ranker" in settings)


def test_a_list_does_not_depend_on_the_other_requests(folder: Path, requests: Histories):
    for settings in ({}, {"ranker": "random"}):
        predictor = opened(folder, **settings)
        together = predictor.recommend(requests, 6)
        for b in range(3):
            alone = predictor.recommend(requests.take(np.array([b])), 6)
            assert np.array_equal(alone.items[0], together.items[b])
            assert np.allclose(alone.scores[0], together.scores[b], atol=1e-5)


def test_a_saved_model_gives_the_lists_of_the_fitted_one(
    fits: Fits, folder: Path, requests: Histories
):
    again = METHODS.get("unillmrec")(**unillmrec().dump()).load(folder)
    one, other = (each.recommend(requests, 6) for each in (opened(folder), again))
    assert np.array_equal(one.items, other.items)
    assert np.array_equal(one.scores, other.scores)


@torch.no_grad()
def test_children_are_ranked_by_the_likelihood_of_their_labels(folder: Path, requests: Histories):
    predictor = opened(folder)
    prompts, tree, bundle = predictor.prompts, predictor.tree, predictor.opened.bundle
    labels = tree.labels[tree.edges(0)]
    got = predictor.ranker_for(requests, Cost())(0, np.array([1]))[0]
    ids = prompts.tokens(labels, requests[1], None)
    words = [encode_target(bundle.tokenizer, _target(label)).tolist() for label in labels]
    wanted = []
    for word in words:
        tokens = torch.tensor([[*ids, *word]])
        embedded, _ = bundle.model.embed(tokens)
        states = bundle.model.states(inputs_embeds=embedded)
        logits = bundle.model.causal.get_output_embeddings()(states)[0, len(ids) - 1 : -1]
        total = 0.0
        for at, token in enumerate(word):  # among the tokens with which a label may go on
            possible = {other[at] for other in words if other[:at] == word[:at]}
            total += float(logits[at, token] - logits[at, sorted(possible)].logsumexp(0))
        wanted.append(total)
    assert np.allclose(got, wanted, atol=1e-4)
    assert np.isclose(np.exp(got).sum(), 1, atol=1e-5)


def _target(label: str) -> Any:
    return type("Example", (), {"target": label})()


def test_calibration_subtracts_what_a_label_gets_without_a_history(
    folder: Path, requests: Histories
):
    nobody = replace(requests.take(np.array([0])), items=np.empty(0, np.int32),
                     offsets=np.array([0, 0]))  # fmt: skip
    predictor = opened(folder, calibration=1.0)
    lists = predictor.recommend(nobody, ITEMS)
    for item, score in zip(lists.items[0].tolist(), lists.scores[0].tolist(), strict=True):
        path = predictor.tree.path(item)
        uniform = -sum(np.log(len(range(*predictor.tree.edges(n).indices(99)))) for n, _ in path)
        assert np.isclose(score, uniform, atol=1e-4)


def test_the_random_control_reads_nothing_and_visits_as_many_nodes(
    fits: Fits, folder: Path, requests: Histories
):
    control = fits.fit(unillmrec(ranker="random"))
    assert control.fit_stage.path == folder_of_fit(fits)
    wide = {"beams": 99}
    model, random = (opened(folder, **wide, **each) for each in ({}, {"ranker": "random"}))
    one, other = model.recommend(requests, 3), random.recommend(requests, 3)
    assert one.cost["requests"] == other.cost["requests"]
    assert "tokens" not in other.cost
    assert not np.array_equal(one.items, other.items)


def folder_of_fit(fits: Fits) -> Path:
    return fits.fit(unillmrec()).fit_stage.path


def test_vectors_make_a_list_diverse(fits: Fits, requests: Histories):
    model = fits.fit(unillmrec(vectors="items", diversity=0.9, beams=9))
    diverse, plain = (
        unillmrec(vectors="items", beams=9, diversity=w).load(model.folder).recommend(requests, 5)
        for w in (0.9, 0.0)
    )
    vectors = fits_vectors(model.folder)

    def similarity(lists: RankedLists) -> float:
        own = vectors[lists.items]
        return float((own @ own.transpose(0, 2, 1)).mean())

    assert similarity(diverse) < similarity(plain)
    assert np.array_equal(diverse.items[:, 0], plain.items[:, 0])
    valid(diverse, np.ones((len(requests), ITEMS), dtype=bool), 5)


def fits_vectors(folder: Path) -> np.ndarray:
    predictor = unillmrec(vectors="items", diversity=0.9).load(folder)
    vectors = predictor.vectors
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_prompts_show_the_texts_about_users(fits: Fits, corpus: Corpus, requests: Histories):
    config = TextsConfig.model_validate(
        {"of": "users", "family": "describe-user", "template": "describe-user.from-history",
         "generator": {"kind": "prompt"}}
    )  # fmt: skip
    store = fits.prepared.store
    texts: Artefact = store.stage(
        "texts", partial(write_texts, config, corpus, None), config={}, code=()
    )
    method = unillmrec(template="item-tree.from-interests", notes="interests")
    context = RunContext({"semantic": [fits.ids]}, {}, fits.vectors, {"interests": texts})
    (fitted,) = fit_method(method, fits.prepared, context, 1)
    predictor = fitted.method.load(fitted.folder)
    ranker = predictor.ranker_for(requests, Cost())
    assert all("A user chose these items" in str(note) for note in ranker.notes)
    ids = predictor.prompts.tokens(["x", "y"], requests[0], ranker.notes[0])
    assert "A user chose these items" in predictor.opened.bundle.tokenizer.decode(ids)
    strangers = replace(requests, keys=requests.keys + np.uint64(1))
    assert predictor.ranker_for(strangers, Cost()).notes == [None] * len(requests)


def test_training_prompts_ask_for_a_child_on_the_path(fits: Fits, folder: Path, corpus: Corpus):
    bundle = opened(folder).opened.bundle
    view, library = bundle.view(corpus), PromptLibrary.load()
    task = TASKS.get("item-tree")
    template = library.get("item-tree.choose")
    for row in task.rows(view, "train")[:10].tolist():
        record, example = build_example(view, template, row, None, row, bundle.settings.prompts)
        path = view.tree.path(record.item)
        assert example.target in [view.tree.labels[edge] for _, edge in path]
        assert f"- {example.target}\n" in example.source
    assert len(task.rows(view, "test")) == 0
    assert "notes" not in {n for t in library.fitting("item-tree", view) for n in t.fields}


def test_the_lineage_has_training_events(fits: Fits, corpus: Corpus):
    lineage: Lineage = fits.fit(unillmrec()).fit_stage.lineage
    train = corpus.interactions.event_keys[corpus.split.mask("train")]
    assert np.isin(lineage.events, train).all()
    assert len(lineage.events)


def test_what_the_config_must_agree_on(corpus: Corpus):
    with pytest.raises(ValueError, match="expected a generative method, got a ease"):
        unillmrec(model={"kind": "ease"})
    (line,) = unillmrec(model={**MODEL, "train": {"tasks": {"next-item": {}}}}).check({})
    assert "whose family is in model.train.tasks" in line
    with pytest.raises(ValueError, match="diversity: expected the name"):
        unillmrec(diversity=0.5)
    (line,) = unillmrec(template="item-tree.from-interests").check({})
    assert "notes: expected the name of texts about users" in line
    (line,) = unillmrec(template="rating.direct-question").check({})
    assert "expected one of the task item-tree" in line
    tree = {"prompts": {"tree": {"attribute": "colour"}}}
    (line,) = unillmrec(model={**MODEL, **tree}).check_data(corpus, ())
    assert "expected an attribute of the items (year, genres), got 'colour'" in line


def test_the_language_model_may_be_a_method_of_the_recipe():
    reader = METHODS.get("generative").model_validate(MODEL)
    recipe = type("Recipe", (), {"baselines": (), "methods": {}})()
    recipe.methods = {"reader": reader, "tree": unillmrec(model="reader")}
    assert methods_of(recipe)["tree"].model == reader
    recipe.methods["tree"] = unillmrec(model="redaer")
    with pytest.raises(UserError, match="did you mean 'reader'"):
        methods_of(recipe)
