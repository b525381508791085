"""ELM: vectors in prompts as soft tokens, answers that the data determine, concepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from point_world import GENRES, WIDTH, elm, point_world, save_vectors, view_of
from tiny_models import llama, save_llama, scratch, some_codes
from transformers import LogitsProcessorList

from p5rec.core.errors import UserError
from p5rec.core.examples import POINT, Example
from p5rec.core.types import TRAIN, Corpus
from p5rec.methods.folder import read_method
from p5rec.methods.systems.elm.concepts import Concept, mentions
from p5rec.methods.systems.elm.method import Elm
from p5rec.methods.systems.elm.settings import FAMILIES
from p5rec.models.bundle import BundleSettings, build
from p5rec.models.checkpoint import load_bundle, trainable_state
from p5rec.models.config import PointSettings
from p5rec.models.inputs import fit_prompt, pad
from p5rec.models.point_adapter import SoftTokens, Vectors, soft_tokens
from p5rec.models.scorer import prompt_reader
from p5rec.models.text_generation import generate_tokens, token_by_token
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import ExampleSource, PromptsConfig
from p5rec.tasks.literal import literal
from p5rec.tasks.registry import TASKS
from p5rec.train.examples.collate import Collator
from p5rec.train.examples.prompted import PromptExamples

pytestmark = pytest.mark.system("elm")

TINY = {
    "backbone": scratch(width=16, layers=1, items="tokens"),
    "adapter": {"tokens": 2, "hidden": 8},
    "encoder": "tiny",
    "max_new_tokens": 5,
}  # fmt: skip
STEPS = {"steps": 2, "adapter_steps": 2, "batch": 2, "max_tokens": 160, "precision": "float32"}


@pytest.fixture(scope="module")
def world() -> tuple[Corpus, np.ndarray]:
    return point_world(items=60)


@pytest.fixture(scope="module")
def folder(world: tuple[Corpus, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus, vectors = world
    root = tmp_path_factory.mktemp("elm")
    space = save_vectors(corpus, vectors, root / "space")
    return elm(Elm(**TINY, train=STEPS), corpus, space, space, root / "elm")


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Any:
    return read_method(folder).load(folder)


def prompt(text: str, *vectors: np.ndarray) -> Example:
    points = np.stack(vectors).astype(np.float32) if vectors else None
    return Example(text, "yes", "point-has", "id", points=points)


def test_soft_tokens_stand_where_the_text_has_its_vectors(predictor: Any) -> None:
    tokenizer, marked = predictor.bundle.tokenizer, f"one {POINT} two {POINT}{POINT} end"
    points = np.arange(3 * WIDTH).reshape(3, WIDTH)
    read = fit_prompt(tokenizer, prompt(marked, *points), 100, soft_tokens=2)
    assert read.soft is not None
    assert read.points is not None
    assert read.soft[read.soft >= 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert (read.ids[read.soft >= 0] == tokenizer.pad_token_id).all()
    plain = fit_prompt(tokenizer, prompt(marked.replace(POINT, "")), 100).ids
    assert read.ids[read.soft < 0].tolist() == plain.tolist()
    cut = fit_prompt(tokenizer, prompt(marked, *points), 28, soft_tokens=2)
    assert cut.cut
    assert cut.points is not None
    assert (cut.points == points[-len(cut.points) :]).all()  # the last vectors stay


def test_data_cannot_contain_the_place_of_a_vector() -> None:
    assert POINT not in literal(f"a title with {POINT} in it")


def test_the_model_reads_the_adapters_tokens_and_its_own_words(predictor: Any) -> None:
    model = predictor.bundle.model
    ids = torch.tensor([[5, 0, 0, 0, 0, 6], [7, 8, 0, 0, 9, 0]])
    numbers = torch.tensor([[-1, 0, 0, 1, 1, -1], [-1, -1, 2, 2, -1, -1]])
    points = torch.randn(3, WIDTH)
    with torch.no_grad():
        plain, _ = model.embed(ids)
        filled, _ = model.embed(ids, soft=SoftTokens(numbers, points))
        tokens = model.point_adapter(points)
    words = numbers < 0
    assert torch.equal(filled[words], plain[words])
    assert torch.allclose(filled[0, 1:5], tokens[:2].flatten(0, 1))
    assert torch.allclose(filled[1, 2:4], tokens[2])


def test_a_text_depends_on_its_own_vector_alone(predictor: Any) -> None:
    points = np.nan_to_num(predictor.item_points[:6])
    together = predictor.describe(points)
    assert together == [predictor.describe(each[None])[0] for each in points]


def test_a_model_of_transformers_writes_the_same_token_by_token(tmp_path: Path) -> None:
    network = llama(save_llama(tmp_path), items="tokens")
    settings = BundleSettings(
        backbone=network, seed=0, points=PointSettings(width=WIDTH, tokens=2, hidden=8)
    )
    codes = some_codes()
    bundle = build(settings, codes, [*map(str, range(len(codes)))]).ready()
    vectors = np.random.default_rng(0).normal(size=(3, WIDTH)).astype(np.float32)
    texts = [f"Describe {POINT}.", f"{POINT} or {POINT}, which is longer?"]
    own = [vectors[:1], vectors[1:]]
    read = [
        fit_prompt(bundle.tokenizer, prompt(text, *each), 100, soft_tokens=2)
        for text, each in zip(texts, own, strict=True)
    ]
    ids, mask = pad([each.ids for each in read], bundle.tokenizer.pad_token_id)
    soft = soft_tokens([Vectors(each.soft, each.points) for each in read], ids)
    rules, limits = LogitsProcessorList(), {"most": 6, "end": 2, "filler": 0}
    with torch.inference_mode():
        whole = generate_tokens(bundle.model, (ids, mask), rules, **limits, soft=soft)
        reader = prompt_reader(bundle.model, ids, mask, soft)
        stepwise = token_by_token(bundle.model, reader, rules, **limits)
        blind = generate_tokens(bundle.model, (ids, mask), rules, **limits)
    assert whole.tolist() == stepwise.tolist()
    assert whole.tolist() != blind.tolist()


def test_vectors_of_a_batch_keep_their_examples(predictor: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(4, WIDTH))
    texts = [f"{POINT} a", f"long before {POINT} and {POINT}", "no vector", POINT]
    own = [rows[:1], rows[1:3], (), rows[3:]]
    examples = [prompt(text, *each) for text, each in zip(texts, own, strict=True)]
    source = PromptExamples(examples, predictor.bundle.tokenizer, 100, soft_tokens=2)
    ones = np.ones(1)
    for packing in (0, 400):
        zeros = np.zeros(4, np.int64)
        collate = Collator([source], ones, ones.astype(int), zeros, np.arange(4), 0, None, packing)
        batch = collate([{"slot": n} for n in range(4)])
        found = batch["soft"][batch["soft"] >= 0].tolist()
        assert sorted(found) == [0, 0, 1, 1, 2, 2, 3, 3]
        assert torch.allclose(batch["points"], torch.from_numpy(rows.astype(np.float32)))


def test_the_first_stage_trains_the_adapter_alone(folder: Path, world: Any) -> None:
    trained = load_bundle(folder)
    fresh = build(trained.settings, trained.layout.codes, trained.item_ids)
    before, after = trainable_state(fresh.model), trainable_state(trained.model)
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert changed
    assert all(name.startswith("point_adapter.") for name in changed)


def test_the_second_stage_trains_the_language_model(world: Any, tmp_path: Path) -> None:
    corpus, vectors = world
    space = save_vectors(corpus, vectors, tmp_path / "space")
    train = {**STEPS, "adapter_steps": 1}
    trained = load_bundle(elm(Elm(**TINY, train=train), corpus, space, space, tmp_path / "elm"))
    fresh = build(trained.settings, trained.layout.codes, trained.item_ids)
    before, after = trainable_state(fresh.model), trainable_state(trained.model)
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert {name.partition(".")[0] for name in changed} >= {"lm", "point_adapter"}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_training_prompt_is_about_a_held_out_point(
    family: str, predictor: Any, world: Any
) -> None:
    corpus, _ = world
    view = view_of(predictor, corpus)
    points = view.points
    library, task = PromptLibrary.load(), TASKS.get(family)
    config = PromptsConfig(items="title", max_words=30)
    train = set(points.trained_items.tolist())
    held_out = points.items[points.item_split != TRAIN]
    titles = {view.names.titles[n] for n in range(len(points.items)) if n not in train}
    for example in ExampleSource(view, library, {family: 1.0}, 40, 0, config):
        assert example.source.count(POINT) == len(example.points)
        if task.of == "items":
            assert example.item in train
        else:
            assert points.user_split[example.user] == TRAIN
        same = (example.points[:, None] == held_out[None]).all(axis=2)
        assert not same.any()
        assert not {part.strip() for part in example.target.split(",")} & titles
    for split_name in ("valid", "test"):
        rows = task.rows(view, split_name)
        assert len(rows)
        assert not set(rows.tolist()) & train or task.of == "users"


def test_answers_are_those_of_the_data(predictor: Any, world: Any) -> None:
    corpus, vectors = world
    view = view_of(predictor, corpus)
    values = view.facts.short_values
    row_of = {vector.tobytes(): row for row, vector in enumerate(vectors)}
    rng = np.random.default_rng(0)

    def record(family: str, row: int) -> tuple[Any, list[int]]:
        built = TASKS.get(family).build(view, row, rng, PromptsConfig().limits)
        rows = [
            row_of[built.points[name].tobytes()] for name in built.points if name != "user_point"
        ]
        return built.values, rows

    for row in view.points.trained_items[:20].tolist():
        has, _ = record("point-has", row)
        assert has["answer"] == ("yes" if has["trait"] in values[row] else "no")
        more, (first, second) = record("point-more", row)
        shown = {"the first": first, "the second": second}[more["answer"]]
        other = second if shown == first else first
        assert more["trait"] in values[shown]
        assert more["trait"] not in values[other] or shown == row
        shared, (first, second) = record("point-shared", row)
        both = [value for value in values[first] if value in values[second]]
        assert shared["answer"] == (", ".join(both) or "nothing")
        apart, (first, second) = record("point-apart", row)
        own = [value for value in values[first] if value not in values[second]]
        assert apart["answer"] == (", ".join(own) or "nothing")
        decade, _ = record("point-decade", row)
        assert decade["answer"] == view.facts.decades[row]
        near, _ = record("point-neighbours", row)
        cosines = vectors @ vectors[row] / np.linalg.norm(vectors, axis=1)
        cosines[np.setdiff1d(np.arange(len(vectors)), view.points.trained_items)] = -9
        cosines[row] = -9
        best = [view.names.titles[n] for n in np.argsort(-cosines)[:3]]
        assert near["answer"] == ", ".join(best)


def test_a_concept_points_to_the_items_that_have_it(predictor: Any, world: Any) -> None:
    view = view_of(predictor, world[0])
    points = view.points
    for trait in GENRES:
        concept = Concept.of(view, trait)
        has = np.array([trait in values for values in view.facts.short_values])
        held_out = points.item_split != TRAIN
        along = points.items @ concept.direction
        assert along[has].mean() > along[~has].mean()
        assert along[has & held_out].mean() > along[~has & held_out].mean()
        moved = concept.steps(points.items[:3], np.array([0.0, 1.0]))
        assert np.allclose(moved[:, 0], points.items[:3])
        assert np.allclose((moved[:, 1] - moved[:, 0]) @ concept.direction, concept.spread)
    assert mentions(["a drama", "opera"], "Drama").tolist() == [True, False]
    with pytest.raises(UserError, match="concept: expected a value that 5 items have"):
        Concept.of(view, "Dramma")


def test_an_items_own_text_ranks_it_first(predictor: Any, world: Any, tmp_path: Path) -> None:
    corpus, _ = world
    texts = [f"text {n} of an item" for n in range(len(corpus.catalog))]
    vectors = predictor.encoded(texts)
    space = save_vectors(corpus, vectors, tmp_path / "texts")
    view = view_of(predictor, corpus)
    items = np.flatnonzero(view.points.item_split != TRAIN)[:4]
    model = type(predictor)(
        predictor.method,
        type(predictor.space)(predictor.space.points, type(predictor.space.texts).read(space)),
        predictor.item_keys,
        predictor.library,
        bundle=predictor.bundle,
    )
    test = np.flatnonzero(view.points.item_split == 2)
    compared = model._compared(view, [texts[n] for n in test], test, "test")
    assert np.allclose(compared["similarities"], 1, atol=1e-5)
    assert compared["ranks"] == [1] * len(test)
    assert len(items)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "family": ({"family": "point-tast"}, "family: expected a trained one.*point-taste"),
    "template": ({"template": "describ"}, "template: expected one of point-description.*describe"),
    "fields": (
        {"family": "point-has"},
        "point-has.has: expected the fields point, trait, got point",
    ),
    "width": ({"points": np.zeros((1, 3))}, f"point: expected points of width {WIDTH}"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_are_one_line(case: str, predictor: Any) -> None:
    arguments, message = BAD[case]
    with pytest.raises(UserError, match=message) as caught:
        predictor.describe(**{"points": np.zeros((1, WIDTH)), **arguments})
    assert len(caught.value.lines) == 1


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "two spaces": ({"model": "bpr"}, "expected vectors or model, one of the two"),
    "unknown family": ({"families": {"point-x": 1}}, "families: expected some of"),
    "not described": ({"families": {"point-has": 1}}, "got none of 'point-description'"),
    "tasks": ({"train": {"tasks": {"rating": {}}}}, "train.tasks: expected none"),
    "embeddings": ({"backbone": scratch()}, "item_embeddings: no prompt has codes"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_bad_settings_are_refused(case: str) -> None:
    settings, message = SETTINGS[case]
    with pytest.raises(ValueError, match=message):
        Elm(**settings)
