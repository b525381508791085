"""A model put to held-out rows of every family, and what the stages keep of its answers."""

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
from p5rec.methods.predicting import predict
from p5rec.methods.fitted import MODEL, Fitted
from p5rec.methods.folder import ITEMS as KNOWN_ITEMS
from p5rec.methods.generative.method import Generative
from p5rec.methods.generative.predictor import GenerativePredictor
from p5rec.models.checkpoint import Bundle, save_bundle
from p5rec.models.config import HeadsConfig
from p5rec.pipeline.predictions import predict_fitted
from p5rec.pipeline.prepared import Prepared
from p5rec.prompting.library import PromptLibrary
from p5rec.recommend.family_predictions import ask
from p5rec.recommend.config import RATING_ESTIMATORS, DecodeConfig
from p5rec.recommend.list_files import read_lists
from p5rec.recommend.model_predictions import predict_model, read_prompted
from p5rec.recommend.pairs import PairRater
from p5rec.recommend.ratings import preferred_estimate, rate, rating_histories, estimate_ratings
from p5rec.recommend.serving import ServingConfig
from p5rec.tasks.predictions import Choices, RankedPredictions, Ratings, read_predictions
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, ItemNames

ITEMS = 24
DECODE = DecodeConfig(k=12, beams=24, max_new_tokens=4)
FAMILIES = PromptLibrary.load().families()
SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    world = {"kind": "markov", "users": 30, "items": ITEMS, "events": 8}
    return build(DataConfig(source="synthetic", synthetic=world))[0]


@pytest.fixture(scope="module")
def bundle(corpus: Corpus) -> Bundle:
    made = make_bundle(
        scratch(), some_codes(len(corpus.catalog)), scale=SCALE,
        tasks=("next-item", *FAMILIES), max_tokens=300,
    )  # fmt: skip
    prompts = PromptLibrary.load().subset_dump()
    bundle = Bundle(
        made.model, made.tokenizer, made.layout, made.settings, corpus.catalog.ids, prompts
    )
    return bundle.ready()


@pytest.fixture(scope="module")
def view(corpus: Corpus, bundle: Bundle) -> CorpusView:
    return CorpusView(corpus, ItemNames(item_strings(bundle.layout.codes), corpus.catalog.titles))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_asked_and_its_answers_are_plain_data(
    bundle: Bundle, view: CorpusView, corpus: Corpus, family: str, tmp_path: Path
) -> None:
    found: Any = ask(bundle, view, family, "test", 6, DECODE, seed=1)
    write_json(tmp_path / "it.json", found.dump())
    assert read_predictions(tmp_path / "it.json") == found
    again = ask(bundle, view, family, "test", 6, DECODE, seed=1)
    assert again.model_copy(update={"seconds": 0.0}) == found.model_copy(update={"seconds": 0.0})
    n = len(found.expected)
    assert 0 < n <= 6
    assert len(found.users) == len(found.items) == len(found.events) == n
    ranked = isinstance(found, RankedPredictions)
    assert type(found) is TASKS.get(found.task).predictions
    assert len(found.lists if ranked else found.texts) == n
    assert not ranked or len(found.scores) == n
    assert found.task == PromptLibrary.load().family(family).task
    if isinstance(found, Ratings):
        assert {len(said) for said in found.estimates.values()} == {n} == {len(found.ratings)}
    events, split = corpus.interactions, corpus.split
    for item, event, answers in zip(
        found.items, found.events, found.lists if ranked else (), strict=False
    ):
        given = [i for i in answers if i >= 0]
        assert len(set(given)) == len(given)
        if event >= 0:
            assert split.of_event[event] == 2  # a test event
            past = events.items[events.offsets[events.users[event]] : event]
            offered = {item} if isinstance(found, Choices) else set()
            assert not set(given) & set(past.tolist()) - offered
        if isinstance(found, Choices):
            assert item in given
            assert len(given) == 10


@pytest.mark.parametrize(
    ("family", "closed"), [("rating", "1 2 3 4 5"), ("sequential-yesno", "yes no")]
)
def test_a_closed_answer_is_one_of_its_kind(
    bundle: Bundle, view: CorpusView, family: str, closed: str
) -> None:
    """An untrained model babbles, and under a grammar it answers."""
    babble = ask(bundle, view, family, "test", 6, DECODE, seed=1).texts
    assert not set(babble) <= set(closed.split())
    told = ask(bundle, view, family, "test", 6, DECODE.model_copy(update={"closed": True}), seed=1)
    assert set(told.texts) <= set(closed.split())


def test_the_lists_of_a_model_are_kept_with_their_place_in_the_world(
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
    fitted = Fitted(Generative(decode=DECODE), 0, model, model, {})
    prepared = Prepared(corpus, data, store)
    answers = predict_fitted(fitted, serving, prepared, "test")
    lists = read_lists(answers.path)
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    assert lists.items.shape == (len(targets), 5)
    assert lists.users.tolist() == histories.users.tolist()
    assert read_json(answers.path / "about.json")["infer_seconds"] >= 0
    assert [found.family for found in read_prompted(answers.path)] == ["rating"]
    keys = corpus.interactions.event_keys
    # it has seen what its model has seen
    assert np.array_equal(answers.lineage.contains(keys), corpus.split.mask("train"))
    assert not predict_fitted(fitted, serving, prepared, "test").fresh


def test_a_history_is_read_up_to_the_item_and_no_later_rating(
    bundle: Bundle, view: CorpusView, corpus: Corpus
) -> None:
    settings = bundle.settings.model_copy(update={"tasks": ("rating-sequence", *FAMILIES)})
    taught = replace(bundle, settings=settings)
    found = ask(taught, view, "rating-sequence", "test", 6, DECODE, seed=1)
    asked = ask(taught, view, "rating", "test", 6, DECODE, seed=1)
    same = ("task", "users", "items", "events", "expected", "ratings")
    assert [getattr(found, name) for name in same] == [getattr(asked, name) for name in same]
    assert found.estimates != asked.estimates
    log = corpus.interactions
    prompts = rating_histories(taught, view, found.events)
    for event, prompt in zip(found.events, prompts, strict=True):
        before = np.arange(log.offsets[log.users[event]], event)
        items = np.append(log.items[before], log.items[event])
        ratings = np.append(log.ratings[before], np.float32(np.nan))
        assert prompt.tolist() == taught.rated_histories().write(items, ratings)[0].tolist()
    estimates = estimate_ratings(taught, prompts, DECODE)
    assert found.estimates == {n: said.tolist() for n, said in estimates.items() if n != "text"}
    assert found.texts == [f"{said:g}" for said in estimates["text"]]
    assert list(found.estimates) == ["regression", "class", "expectation", "mean", "words"]
    # a pair that never met is read the same way, after all that its user did
    users, items = np.array([3, 3]), np.array([5, 9])
    rated = PairRater(taught, corpus, DECODE)(users, items)
    assert rated.shape == (2,)
    assert rated[0] != rated[1]


def test_a_history_tells_what_is_known_of_its_items(
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


def test_words_that_were_not_taught_are_not_read(
    bundle: Bundle, view: CorpusView, corpus: Corpus
) -> None:
    heads = HeadsConfig(classification=None, words=False)
    made = make_bundle(scratch(), some_codes(len(corpus.catalog)), scale=SCALE, heads=heads,
                       tasks=("rating",), max_tokens=300)  # fmt: skip
    taught = replace(made, prompts=bundle.prompts).ready()
    found = ask(taught, view, "rating", "test", 4, DECODE, seed=1)
    assert list(found.estimates) == ["regression"]
    assert found.texts == []
    assert len(found.expected) == 4


def test_chances_are_kept_where_they_are_predicted(bundle: Bundle, view: CorpusView) -> None:
    closed = DECODE.model_copy(update={"closed": True})
    asked = {
        family: ask(bundle, view, family, "test", 6, closed, seed=1)
        for family in ("rating", "sequential-yesno")
    }
    assert sorted(asked["rating"].probabilities) == ["expectation", "words"]
    assert all(0 < chance < 1 for chance in asked["sequential-yesno"].probabilities)
    assert len(asked["sequential-yesno"].probabilities) == 6
    (event,) = np.flatnonzero(view.corpus.split.mask("test"))[:1]
    prompt = rating_histories(bundle, view, [event])
    for liked, wanted in ((SCALE[0], 1.0), (SCALE[-1] + 1, 0.0)):
        sums = rate(bundle, prompt, DECODE, liked=liked).probabilities
        assert [float(s[0]) for s in sums.values()] == pytest.approx([wanted] * 2, abs=1e-5)
    assert ask(bundle, view, "sequential-yesno", "test", 2, DECODE, seed=1).probabilities == []


def test_a_model_speaks_with_all_its_heads_or_else_in_words() -> None:
    said = {name: np.array([float(n)]) for n, name in enumerate(RATING_ESTIMATORS)}
    assert RATING_ESTIMATORS[int(preferred_estimate(said)[0])] == "mean"
    del said["mean"], said["class"], said["expectation"]
    assert RATING_ESTIMATORS[int(preferred_estimate(said)[0])] == "regression"
    del said["regression"]
    assert RATING_ESTIMATORS[int(preferred_estimate(said)[0])] == "words"


def test_forms_of_one_task_are_asked_about_the_same_rows_and_told_apart(
    bundle: Bundle, corpus: Corpus, tmp_path: Path
) -> None:
    settings = bundle.settings.model_copy(
        update={"tasks": ("rating-sequence", "rating", "rating-statistics", "sequential-yesno")}
    )
    families = dict.fromkeys(("rating-sequence", "rating", "rating-statistics"), 5)
    families |= {"sequential-yesno": 3}
    serving = ServingConfig(k=5, prompts=families)
    predict_model(replace(bundle, settings=settings), DECODE, serving, corpus, "test", tmp_path)
    found = {asked.family: asked for asked in read_prompted(tmp_path)}
    assert {name: asked.form for name, asked in found.items()} == {
        "rating-sequence": "rating-sequence", "rating": "rating",
        "rating-statistics": "rating-statistics", "sequential-yesno": "",
    }  # fmt: skip
    events = [asked.events for asked in found.values() if asked.task == "rating"]
    assert len(events) == 3
    assert events[0] == events[1] == events[2]


def test_unseen_wordings_ask_about_the_same_rows_and_are_told_apart(
    bundle: Bundle, corpus: Corpus, tmp_path: Path
) -> None:
    tasks = ("rating", "sequential-yesno")
    settings = bundle.settings.model_copy(update={"tasks": tasks})
    taught = replace(bundle, settings=settings, prompts=PromptLibrary.load().subset_dump())
    serving = ServingConfig(k=5, prompts=dict.fromkeys(tasks, 4), held_out_templates=True)
    predict_model(taught, DECODE, serving, corpus, "test", tmp_path)
    found = {asked.task: asked for asked in read_prompted(tmp_path)}
    library = PromptLibrary.load()
    assert found.keys() == {f"{t}{how}" for t in tasks for how in ("", ", held-out template")}
    for task in tasks:
        seen, unseen = found[task], found[f"{task}, held-out template"]
        assert seen.events == unseen.events
        assert (seen.held_out, unseen.held_out) == (False, True)
        held_out = {t.full_id for t in library.templates(task, held_out=True)}
        assert set(unseen.prompt_ids) <= held_out
        assert not set(seen.prompt_ids) & held_out


def test_a_model_that_was_not_trained_is_asked_in_titles(bundle: Bundle, view: CorpusView) -> None:
    """The shipped wording that comes first names codes in neither family; here one does."""
    prompts = PromptLibrary.load().subset_dump()
    templates = prompts["rating"]["templates"]
    coded = next(t for t in templates if t["id"] == "ids-only")
    prompts["rating"]["templates"] = [coded, *(t for t in templates if t is not coded)]
    untrained = bundle.settings.model_copy(update={"trained": False})
    for settings, wording in ((bundle.settings, "ids-only"), (untrained, "direct-question")):
        asked = replace(bundle, settings=settings, prompts=prompts)
        found = ask(asked, view, "rating", "test", 3, DECODE, seed=1)
        assert found.prompt_ids == (f"rating.{wording}.v1",)


def test_a_control_reads_strangers_and_is_asked_of_the_real_events(
    bundle: Bundle, corpus: Corpus, tmp_path: Path
) -> None:
    settings = bundle.settings.model_copy(update={"tasks": ("rating-sequence",)})
    predictor = GenerativePredictor(replace(bundle, settings=settings), DECODE)
    serving = ServingConfig(k=5, prompts={"rating-sequence": 20})
    asked = {}
    for permuted in (False, True):
        folder = tmp_path / str(permuted)
        folder.mkdir()
        predict(Generative(permute_histories=permuted), predictor, serving, corpus, "test", folder)
        (asked[permuted],) = read_prompted(folder)
    for name in ("users", "items", "events", "ratings"):
        assert getattr(asked[True], name) == getattr(asked[False], name)
    pairs = zip(asked[True].estimates["mean"], asked[False].estimates["mean"], strict=True)
    assert all(one != other for one, other in pairs)


def test_a_window_cuts_the_oldest_events(bundle: Bundle, view: CorpusView, corpus: Corpus) -> None:
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
