"""Predictions for the prompts of every family, and the stages that cache them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import make_bundle, scratch, some_codes

from p5rec.core.artefacts import Lineage, Store, read_json, write_json
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.split import instances
from p5rec.ids.tokens import item_strings
from p5rec.methods.fitted import MODEL, Fitted
from p5rec.methods.folder import ITEMS as KNOWN_ITEMS
from p5rec.methods.generative.method import Generative
from p5rec.methods.generative.predictor import GenerativePredictor
from p5rec.methods.predicting import predict
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import save_bundle
from p5rec.models.config import HeadsConfig
from p5rec.pipeline.predictions import predict_fitted
from p5rec.pipeline.prepared import Prepared
from p5rec.prompting.library import PromptLibrary
from p5rec.recommend.config import RATING_ESTIMATORS, DecodeConfig
from p5rec.recommend.family_predictions import predict_family
from p5rec.recommend.list_files import read_lists
from p5rec.recommend.model_predictions import predict_model, read_prompted
from p5rec.recommend.pairs import PairRater
from p5rec.recommend.ratings import estimate_ratings, preferred_estimate, rate, rating_histories
from p5rec.recommend.serving import ServingConfig
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.predictions import Choices, RankedPredictions, Ratings, read_predictions
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

ITEMS = 24
DECODE = DecodeConfig(k=12, beams=24, max_new_tokens=4)
LIBRARY = PromptLibrary.load()
TASK_OF = {family: TASKS.get(LIBRARY.family(family).task) for family in LIBRARY.families()}
# prompts that are evaluated on their own
FAMILIES = [
    name
    for name, task in TASK_OF.items()
    if task.metrics and not task.open_ended and task.capability not in ("describe", "chat")
]
SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    settings = {"kind": "markov", "users": 30, "items": ITEMS, "events": 8}
    return build(DataConfig(source="synthetic", synthetic=settings))[0]


@pytest.fixture(scope="module")
def bundle(corpus: Corpus) -> Bundle:
    made = make_bundle(
        scratch(), some_codes(len(corpus.catalog)), scale=SCALE,
        tasks=("next-item", *FAMILIES), max_tokens=300,
    )  # fmt: skip
    prompts = PromptLibrary.load().subset_dump()
    bundle = Bundle(
        made.model, made.vocabulary, made.layout, made.settings, corpus.catalog.ids, prompts
    )
    return bundle.ready()


@pytest.fixture(scope="module")
def view(corpus: Corpus, bundle: Bundle) -> CorpusView:
    return CorpusView(corpus, ItemNames(item_strings(bundle.layout.codes), corpus.catalog.titles))


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_of_every_family_are_plain_data(
    bundle: Bundle, view: CorpusView, corpus: Corpus, family: str, tmp_path: Path
) -> None:
    predictions: Any = predict_family(bundle, view, family, "test", 6, DECODE, seed=1)
    write_json(tmp_path / "it.json", predictions.dump())
    assert read_predictions(tmp_path / "it.json") == predictions
    again = predict_family(bundle, view, family, "test", 6, DECODE, seed=1)
    assert again.model_copy(update={"seconds": 0.0}) == predictions.model_copy(
        update={"seconds": 0.0}
    )
    n = len(predictions.expected)
    assert 0 < n <= 6
    assert len(predictions.users) == len(predictions.items) == len(predictions.events) == n
    ranked = isinstance(predictions, RankedPredictions)
    assert type(predictions) is TASKS.get(predictions.task).predictions
    assert len(predictions.lists if ranked else predictions.texts) == n
    assert not ranked or len(predictions.scores) == n
    assert predictions.task == PromptLibrary.load().family(family).task
    if isinstance(predictions, Ratings):
        assert (
            {len(each) for each in predictions.estimates.values()}
            == {n}
            == {len(predictions.ratings)}
        )
    events, split = corpus.interactions, corpus.split
    for item, event, ranked_items in zip(
        predictions.items, predictions.events, predictions.lists if ranked else (), strict=False
    ):
        recommended = [i for i in ranked_items if i >= 0]
        assert len(set(recommended)) == len(recommended)
        if event >= 0:
            assert split.of_event[event] == 2  # a test event
            past = events.items[events.offsets[events.users[event]] : event]
            offered = {item} if isinstance(predictions, Choices) else set()
            assert not set(recommended) & set(past.tolist()) - offered
        if isinstance(predictions, Choices):
            assert item in recommended
            assert len(recommended) == (2 if family == "preference" else 10)


@pytest.mark.parametrize(
    ("family", "closed"), [("rating", "1 2 3 4 5"), ("sequential-yesno", "yes no")]
)
def test_closed_predictions_follow_the_grammar(
    bundle: Bundle, view: CorpusView, family: str, closed: str
) -> None:
    """A model with random weights writes anything; a grammar restricts it."""
    free = predict_family(bundle, view, family, "test", 6, DECODE, seed=1).texts
    assert not set(free) <= set(closed.split())
    closed_texts = predict_family(
        bundle, view, family, "test", 6, DECODE.model_copy(update={"closed": True}), seed=1
    )
    assert set(closed_texts.texts) <= set(closed.split())


def test_predictions_of_a_model_are_cached_with_their_lineage(
    bundle: Bundle, corpus: Corpus, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store", lambda _: None, 0)

    def make(folder: Path) -> Lineage:
        save_bundle(bundle, folder / MODEL)
        write_json(folder / MODEL / KNOWN_ITEMS, {"ids": list(bundle.item_ids)})
        return Lineage(corpus.interactions.event_keys[corpus.split.mask("train")])

    data = store.stage("data", lambda folder: Lineage.none(), config={}, code=())
    model = store.stage("model", make, config={}, code=())
    serving = ServingConfig(k=5, prompts={"rating": 3, "unheard-of": 2})
    fitted = Fitted("", Generative(decode=DECODE), 0, model, model, {})
    prepared = Prepared(corpus, data, store)
    stage = predict_fitted(fitted, serving, prepared, "test")
    lists = read_lists(stage.path)
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    assert lists.items.shape == (len(targets), 5)
    assert lists.users.tolist() == histories.users.tolist()
    assert read_json(stage.path / "about.json")["infer_seconds"] >= 0
    assert [each.family for each in read_prompted(stage.path)] == ["rating"]
    keys = corpus.interactions.event_keys
    # its lineage is that of its model
    assert np.array_equal(stage.lineage.contains(keys), corpus.split.mask("train"))
    assert not predict_fitted(fitted, serving, prepared, "test").fresh


@pytest.mark.system("rating-study")
def test_rating_sequences_end_with_the_item_and_contain_no_later_rating(
    bundle: Bundle, view: CorpusView, corpus: Corpus
) -> None:
    settings = bundle.settings.model_copy(update={"tasks": ("rating-sequence", *FAMILIES)})
    trained = replace(bundle, settings=settings)
    predictions = predict_family(trained, view, "rating-sequence", "test", 6, DECODE, seed=1)
    prompted = predict_family(trained, view, "rating", "test", 6, DECODE, seed=1)
    same = ("task", "users", "items", "events", "expected", "ratings")
    assert [getattr(predictions, name) for name in same] == [
        getattr(prompted, name) for name in same
    ]
    assert predictions.estimates != prompted.estimates
    log = corpus.interactions
    prompts = rating_histories(trained, view, predictions.events)
    for event, prompt in zip(predictions.events, prompts, strict=True):
        before = np.arange(log.offsets[log.users[event]], event)
        items = np.append(log.items[before], log.items[event])
        ratings = np.append(log.ratings[before], np.float32(np.nan))
        assert prompt.tolist() == trained.rated_histories().write(items, ratings)[0].tolist()
    estimates = estimate_ratings(trained, prompts, DECODE)
    assert predictions.estimates == {
        name: values.tolist() for name, values in estimates.items() if name != "text"
    }
    assert predictions.texts == [f"{value:g}" for value in estimates["text"]]
    assert list(predictions.estimates) == ["regression", "class", "expectation", "mean", "words"]
    # a pair without an event is predicted after all events of its user
    users, items = np.array([3, 3]), np.array([5, 9])
    rated = PairRater(trained, corpus, DECODE)(users, items)
    assert rated.shape == (2,)
    assert rated[0] != rated[1]


def test_rating_sequences_may_contain_statistics_of_items(
    bundle: Bundle, view: CorpusView, corpus: Corpus
) -> None:
    settings = bundle.settings.model_copy(
        update={"tasks": ("rating-sequence",), "statistics": True}
    )
    (event,) = np.flatnonzero(corpus.split.mask("test"))[3:4]
    (prompt,) = rating_histories(replace(bundle, settings=settings), view, [event])
    log, train = corpus.interactions, corpus.split.mask("train")
    rows = np.arange(log.offsets[log.users[event]], event + 1)
    texts = bundle.tokenizer.decode(prompt).split(" mean ")[1:]
    assert len(texts) == len(rows)
    for row, text in zip(rows, texts, strict=True):
        others = train & (log.items == log.items[row])
        others[row] = False
        mean = log.ratings[others].mean() if others.any() else view.mean
        assert text.startswith(f"{mean:.2f} of {others.sum()}")
    assert f", user {log.ratings[rows[:-1]].mean():.1f}: " in texts[-1]


def test_a_model_without_rating_words_has_no_word_estimates(
    bundle: Bundle, view: CorpusView, corpus: Corpus
) -> None:
    heads = HeadsConfig(classification=None, words=False)
    made = make_bundle(scratch(), some_codes(len(corpus.catalog)), scale=SCALE, heads=heads,
                       tasks=("rating",), max_tokens=300)  # fmt: skip
    trained = replace(made, prompts=bundle.prompts).ready()
    predictions = predict_family(trained, view, "rating", "test", 4, DECODE, seed=1)
    assert list(predictions.estimates) == ["regression"]
    assert predictions.texts == []
    assert len(predictions.expected) == 4


def test_probabilities_are_saved_with_closed_decoding(bundle: Bundle, view: CorpusView) -> None:
    closed = DECODE.model_copy(update={"closed": True})
    prompted = {
        family: predict_family(bundle, view, family, "test", 6, closed, seed=1)
        for family in ("rating", "sequential-yesno")
    }
    assert sorted(prompted["rating"].probabilities) == ["expectation", "words"]
    assert all(0 < chance < 1 for chance in prompted["sequential-yesno"].probabilities)
    assert len(prompted["sequential-yesno"].probabilities) == 6
    (event,) = np.flatnonzero(view.corpus.split.mask("test"))[:1]
    prompt = rating_histories(bundle, view, [event])
    for liked, wanted in ((SCALE[0], 1.0), (SCALE[-1] + 1, 0.0)):
        sums = rate(bundle, prompt, DECODE, liked=liked).probabilities
        assert [float(s[0]) for s in sums.values()] == pytest.approx([wanted] * 2, abs=1e-5)
    assert (
        predict_family(bundle, view, "sequential-yesno", "test", 2, DECODE, seed=1).probabilities
        == []
    )


def test_the_preferred_estimate_is_that_of_the_heads_before_words() -> None:
    estimates = {name: np.array([float(n)]) for n, name in enumerate(RATING_ESTIMATORS)}
    assert RATING_ESTIMATORS[int(preferred_estimate(estimates)[0])] == "mean"
    del estimates["mean"], estimates["class"], estimates["expectation"]
    assert RATING_ESTIMATORS[int(preferred_estimate(estimates)[0])] == "regression"
    del estimates["regression"]
    assert RATING_ESTIMATORS[int(preferred_estimate(estimates)[0])] == "words"


def test_families_of_one_task_share_test_instances_and_have_distinct_forms(
    bundle: Bundle, corpus: Corpus, tmp_path: Path
) -> None:
    settings = bundle.settings.model_copy(
        update={"tasks": ("rating-sequence", "rating", "rating-statistics", "sequential-yesno")}
    )
    families = dict.fromkeys(("rating-sequence", "rating", "rating-statistics"), 5)
    families |= {"sequential-yesno": 3}
    serving = ServingConfig(k=5, prompts=families)
    predict_model(replace(bundle, settings=settings), DECODE, serving, corpus, "test", tmp_path)
    predictions = {prompted.family: prompted for prompted in read_prompted(tmp_path)}
    assert {name: prompted.form for name, prompted in predictions.items()} == {
        "rating-sequence": "rating-sequence", "rating": "rating",
        "rating-statistics": "rating-statistics", "sequential-yesno": "",
    }  # fmt: skip
    events = [prompted.events for prompted in predictions.values() if prompted.task == "rating"]
    assert len(events) == 3
    assert events[0] == events[1] == events[2]


def test_held_out_templates_share_test_instances_and_are_marked(
    bundle: Bundle, corpus: Corpus, tmp_path: Path
) -> None:
    tasks = ("rating", "sequential-yesno")
    settings = bundle.settings.model_copy(update={"tasks": tasks})
    trained = replace(bundle, settings=settings, prompts=PromptLibrary.load().subset_dump())
    serving = ServingConfig(k=5, prompts=dict.fromkeys(tasks, 4), held_out_templates=True)
    predict_model(trained, DECODE, serving, corpus, "test", tmp_path)
    predictions = {prompted.task: prompted for prompted in read_prompted(tmp_path)}
    library = PromptLibrary.load()
    assert predictions.keys() == {f"{t}{how}" for t in tasks for how in ("", ", held-out template")}
    for task in tasks:
        seen, unseen = predictions[task], predictions[f"{task}, held-out template"]
        assert seen.events == unseen.events
        assert (seen.held_out, unseen.held_out) == (False, True)
        held_out = {t.full_id for t in library.templates(task, held_out=True)}
        assert set(unseen.prompt_ids) <= held_out
        assert not set(seen.prompt_ids) & held_out


def test_a_zero_shot_model_gets_a_template_with_titles(bundle: Bundle, view: CorpusView) -> None:
    """The first shipped template of both families has no codes; here the first one has."""
    prompts = PromptLibrary.load().subset_dump()
    templates = prompts["rating"]["templates"]
    coded = next(t for t in templates if t["id"] == "ids-only")
    prompts["rating"]["templates"] = [coded, *(t for t in templates if t is not coded)]
    untrained = bundle.settings.model_copy(update={"trained": False})
    for settings, template in ((bundle.settings, "ids-only"), (untrained, "direct-question")):
        prompted = replace(bundle, settings=settings, prompts=prompts)
        predictions = predict_family(prompted, view, "rating", "test", 3, DECODE, seed=1)
        assert predictions.prompt_ids == (f"rating.{template}.v1",)


def test_the_permutation_control_permutes_histories_and_not_targets(
    bundle: Bundle, corpus: Corpus, tmp_path: Path
) -> None:
    settings = bundle.settings.model_copy(update={"tasks": ("rating-sequence",)})
    predictor = GenerativePredictor(replace(bundle, settings=settings), DECODE)
    serving = ServingConfig(k=5, prompts={"rating-sequence": 20})
    prompted = {}
    for permuted in (False, True):
        folder = tmp_path / str(permuted)
        folder.mkdir()
        predict(Generative(permute_histories=permuted), predictor, serving, corpus, "test", folder)
        (prompted[permuted],) = read_prompted(folder)
    for name in ("users", "items", "events", "ratings"):
        assert getattr(prompted[True], name) == getattr(prompted[False], name)
    pairs = zip(prompted[True].estimates["mean"], prompted[False].estimates["mean"], strict=True)
    assert all(one != other for one, other in pairs)


def test_a_window_drops_the_oldest_events(bundle: Bundle, view: CorpusView, corpus: Corpus) -> None:
    settings = bundle.settings.model_copy(update={"tasks": ("rating-sequence",), "window": 3})
    (event,) = np.flatnonzero(corpus.split.mask("test"))[:1]
    (prompt,) = rating_histories(replace(bundle, settings=settings), view, [event])
    items = prompt[prompt >= bundle.layout.first].reshape(-1, bundle.layout.codes.levels)
    wanted = bundle.layout.items[corpus.interactions.items[event - 2 : event + 1]]
    assert items.tolist() == wanted.tolist()


def test_ratings_of_data_without_any_are_refused(bundle: Bundle, corpus: Corpus) -> None:
    settings = bundle.settings.model_copy(update={"tasks": ("rating-sequence",)})
    bare = replace(corpus, interactions=replace(corpus.interactions, ratings=None))
    with pytest.raises(UserError, match="expected data with ratings, got none"):
        PairRater(replace(bundle, settings=settings), bare, DECODE)
