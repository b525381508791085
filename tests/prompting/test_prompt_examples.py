"""Records and examples: no leakage, and random choices that depend on (seed, row) alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_corpora import EACH, ITEMS, make_view

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng
from p5rec.core.types import TRAIN
from p5rec.prompting import fewshot
from p5rec.prompting.instances import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import ExampleSource, PromptsConfig, unavailable
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.literal import literal
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

OFFERS = {"candidates", "candidate_titles", "options", "title_options"}
EVEN = dict.fromkeys(
    [name for name in TASKS if (task := TASKS.get(name)).source_fields and not task.open_ended], 1.0
)


@pytest.mark.parametrize("shots", [0, 2])
@pytest.mark.parametrize("family", ["sequential-next", "direct", "item-text-to-id"])
def test_the_target_is_never_in_the_source(
    family: str, shots: int, view: CorpusView, library: PromptLibrary
) -> None:
    without_candidates = [t.id for t in library.templates(family) if not OFFERS & t.fields]
    assert len(without_candidates) >= 4
    for split_name in ("train", "valid", "test"):
        source = EvaluationSource(
            view,
            library,
            family,
            split_name,
            template_ids=without_candidates,
            config=PromptsConfig(shots=shots),
        )
        for example in source:
            assert view.names.ids[example.item] not in example.source
            if family != "item-text-to-id":
                assert view.names.titles[example.item] not in example.source


def test_no_prompt_names_a_user_or_an_external_item_id(
    view: CorpusView, library: PromptLibrary
) -> None:
    source = ExampleSource(view, library, EVEN, 400, 0, PromptsConfig(shots=1))
    for example in source:
        assert "person-" not in example.source + example.target + example.system
        assert "external-" not in example.source + example.target + example.system


def test_training_examples_use_training_events_alone(
    view: CorpusView, library: PromptLibrary
) -> None:
    log, of_event = view.corpus.interactions, view.corpus.split.of_event
    source = ExampleSource(view, library, EVEN, 600, 0)
    for example in source:
        if example.event < 0:
            continue
        assert of_event[example.event] == TRAIN
        own = slice(*log.offsets[example.user : example.user + 2])
        held_out = log.items[own][np.arange(log.offsets[example.user], own.stop) > example.event]
        if example.task in ("sequential-next", "rating"):
            for item in held_out:
                assert view.names.titles[item] not in example.source
                assert view.names.ids[item] not in example.source


def test_the_history_of_a_target(view: CorpusView) -> None:
    start = 3 * EACH
    assert view.past(start + 2).tolist() == [start, start + 1]
    assert view.past(start + EACH - 2).tolist() == list(range(start, start + EACH - 2))
    # the history of a test target has the validation event
    assert view.past(start + EACH - 1).tolist() == list(range(start, start + EACH - 1))


def test_a_rating_prompt_has_earlier_ratings_alone(view: CorpusView) -> None:
    log = view.corpus.interactions
    event = 5 * EACH + 4
    record = TASKS.get("rating").build(view, event, derive_rng(0), Limits(max_history=2))
    ratings = log.ratings[event - 2 : event].astype(int).astype(str)
    titles = [view.names.titles[i] for i in log.items[event - 2 : event]]
    assert record.values["rated_titles"] == tuple(zip(titles, ratings, strict=True))
    assert record.values["user_mean"] == round(float(log.ratings[5 * EACH : event].mean()), 1)


def test_statistics_exclude_the_target_event_and_use_training_alone(view: CorpusView) -> None:
    log, train = view.corpus.interactions, view.corpus.split.mask("train")
    checked = 0
    for event in np.flatnonzero(view.rated).tolist():
        record = TASKS.get("rating").build(view, event, derive_rng(0), Limits())
        others = [
            float(log.ratings[other])
            for other in np.flatnonzero(train & (log.items == log.items[event])).tolist()
            if other != event
        ]
        wanted = round(np.mean(others), 2) if others else round(view.mean, 2)
        assert record.values["item_mean"] == pytest.approx(wanted)
        assert record.values["item_count"] == len(others)
        assert record.values["user_count"] == len(view.past(event))
        checked += bool(others) and bool(train[event])
    assert checked > 20
    # the prompt does not depend on the target
    other = CorpusView(
        replace(view.corpus, interactions=replace(log, ratings=log.ratings.copy())), view.names
    )
    event = int(np.flatnonzero(train)[9])
    other.corpus.interactions.ratings[event] = 6 - log.ratings[event]
    sources = [
        {n: v for n, v in TASKS.get("rating").build(each, event, derive_rng(0), Limits())
         .values.items() if n != "rating"}
        for each in (view, other)
    ]  # fmt: skip
    assert sources[0] == sources[1]


def test_candidates_are_the_target_and_negatives(view: CorpusView) -> None:
    task, positions = TASKS.get("sequential-candidates"), []
    for event in task.rows(view, "train").tolist():
        record = task.build(view, event, derive_rng(0, event), Limits(candidates=6))
        assert len(set(record.candidates)) == 6
        others = set(record.candidates) - {record.item}
        assert len(others) == 5
        assert not others & set(view.user_items(record.user).tolist())
        positions.append(record.candidates.index(record.item))
    assert set(positions) == set(range(6))


def test_a_small_catalogue_gives_all_negatives_with_different_titles() -> None:
    titles = ["Twin" if n >= 20 else f"T{n}" for n in range(ITEMS)]
    twins = make_view(titles=titles)
    for user in range(4):
        negatives = twins.sample_negatives(user * EACH, ITEMS, derive_rng(0, user))
        named = [titles[i] for i in negatives]
        assert len(set(named)) == len(named)
        assert not set(named) & {titles[i] for i in twins.user_items(user)}
    full = make_view()
    assert len(full.sample_negatives(0, ITEMS, derive_rng(0))) == ITEMS - EACH


def test_yes_and_no_are_even(view: CorpusView, library: PromptLibrary) -> None:
    source = ExampleSource(view, library, {"sequential-yesno": 1.0}, 600, 0)
    log = view.corpus.interactions
    verdicts = []
    for example in source:
        verdicts.append(example.target == "yes")
        taken = example.item in view.user_items(example.user)
        assert taken == verdicts[-1]
        if verdicts[-1]:
            assert example.item == log.items[example.event]
    assert abs(np.mean(verdicts) - 0.5) < 0.08


def test_liked_items_are_liked_and_unordered(view: CorpusView) -> None:
    log = view.corpus.interactions
    user = int(np.argmax((log.ratings.reshape(-1, EACH)[:, :-1] >= 4).sum(axis=1)))
    event = user * EACH + EACH - 1
    past = np.arange(user * EACH, event)
    liked = set(log.items[past[log.ratings[past] >= 4]].tolist())
    assert 3 <= len(liked) < len(past)
    orders = set()
    for seed in range(8):
        record = TASKS.get("direct").build(view, event, derive_rng(seed), Limits())
        assert {view.names.row(name) for name in record.values["liked"]} == liked
        orders.add(record.values["liked"])
    assert len(orders) > 1


def test_examples_do_not_depend_on_access_order_or_length(
    view: CorpusView, library: PromptLibrary
) -> None:
    def make(length: int = 200, seed: int = 3) -> ExampleSource:
        return ExampleSource(view, library, EVEN, length, seed, PromptsConfig(shots=1))

    forward = list(make())
    backward = make()
    assert [backward[i] for i in reversed(range(200))] == forward[::-1]
    assert list(make(120)) == forward[:120]
    assert make(seed=4)[0] != forward[0]
    with pytest.raises(IndexError):
        backward[200]


def test_a_family_uses_all_its_rows_before_a_repeat(
    view: CorpusView, library: PromptLibrary
) -> None:
    rows = TASKS.get("rating").rows(view, "train")
    source = ExampleSource(view, library, {"rating": 1.0}, 2 * len(rows), 0)
    events = [example.event for example in source]
    assert sorted(events[: len(rows)]) == sorted(events[len(rows) :]) == rows.tolist()
    assert events[: len(rows)] != events[len(rows) :]


def test_weights_and_training_templates(view: CorpusView, library: PromptLibrary) -> None:
    source = ExampleSource(view, library, {"rating": 3.0, "direct": 1.0}, 800, 0)
    examples = list(source)
    assert abs(np.mean([e.task == "rating" for e in examples]) - 0.75) < 0.05
    training = {
        t.full_id for f in ("rating", "direct") for t in library.templates(f, held_out=False)
    }
    assert {e.prompt_id for e in examples} == training


def test_worked_examples_are_other_users_training_rows(view: CorpusView) -> None:
    for name in ("rating", "sequential-next", "sequential-candidates", "explanation"):
        task = TASKS.get(name)
        pool = fewshot.Pool.of(view, name)
        for event in task.rows(view, "test").tolist():
            record = task.build(view, event, derive_rng(0, name, event), Limits())
            shots = fewshot.choose(view, record, pool, 3, event, Limits())
            assert len({shot.event for shot in shots}) == len(shots)
            assert name != "rating" or len(shots) == 3
            for shot in shots:
                assert shot.user != record.user
                assert view.corpus.split.of_event[shot.event] == TRAIN
                assert record.item not in shot.mentions


def test_a_lone_user_gets_no_worked_examples(view: CorpusView) -> None:
    task = TASKS.get("rating")
    pool = fewshot.Pool.of(view, "rating")
    record = task.build(view, int(pool.rows[0]), derive_rng(0), Limits())
    own = view.corpus.interactions.users[pool.rows] == record.user
    alone = fewshot.Pool(pool.rows[own], pool.keys[own])
    assert fewshot.choose(view, record, alone, 3, 0, Limits()) == ()


def test_a_training_target_is_no_repeat() -> None:
    view = make_view()
    log = view.corpus.interactions
    log.items[3] = log.items[1]
    assert 3 not in TASKS.get("sequential-next").rows(CorpusView(view.corpus, view.names), "train")


def test_missing_data_are_named(library: PromptLibrary) -> None:
    bare = make_view(ratings=False, texts=False, attributes=False)
    reasons = {f: unavailable(library, f, bare) for f in library.families()}
    lacking = {f for f, reason in reasons.items() if reason}
    open_ended = {f for f in reasons if TASKS.get(library.family(f).task).open_ended}
    lacking -= open_ended
    about_points = {name for name in lacking if name.startswith("point-")}
    assert len(about_points) == 13  # the corpus has no vectors
    lacking -= about_points
    assert lacking == {
        "rating", "rating-statistics", "review", "summary", "explanation", "dialogue",
        "masked-words",  # titles of one word
    }  # fmt: skip
    assert reasons["rating"] == (
        "rating needs ratings in the training events (data.columns.rating), and the data have none"
    )
    with pytest.raises(UserError) as caught:
        ExampleSource(bare, library, EVEN, 10, 0)
    assert len(caught.value.lines) == 6 + len(about_points)
    rest = dict.fromkeys(set(EVEN) - lacking - about_points, 1.0)
    for example in ExampleSource(bare, library, rest, 300, 0):
        assert "not known" not in example.source
    with pytest.raises(UserError, match="above 0"):
        ExampleSource(bare, library, {"direct": 0.0}, 10, 0)


def test_explanations_with_reviews_are_review_sentences(view: CorpusView) -> None:
    task = TASKS.get("explanation")
    rows = task.rows(view, "train")
    assert not {1, 2} & set(rows.tolist())  # blank reviews
    record = task.build(view, int(rows[0]), derive_rng(0), Limits())
    assert record.values["explanation"] in view.text("review", record.event)


def test_explanations_without_reviews_use_attributes_and_liked_items() -> None:
    view = make_view(texts=False)
    log, task = view.corpus.interactions, TASKS.get("explanation")
    rows = [row for name in ("train", "test") for row in task.rows(view, name).tolist()]
    assert rows
    for row in rows:
        record = task.build(view, row, derive_rng(0, row), Limits())
        text = str(record.values["explanation"])
        assert log.ratings[row] >= 4
        past = {view.names.titles[i] for i in log.items[view.past(row)]}
        named = {title for title in view.names.titles if title in text}
        assert view.names.titles[record.item] in named
        assert named - {view.names.titles[record.item]} <= past
        assert len(named) >= 2
        for trait in ("Drama", "Noir", "Epic"):
            assert (trait not in text) or trait in view.traits[record.item]


def test_evaluation_renders_every_row_in_every_template(
    view: CorpusView, library: PromptLibrary
) -> None:
    both = ["sequential-candidates.pick-one", "sequential-candidates.wager.v1"]
    source = EvaluationSource(view, library, "sequential-candidates", "test", template_ids=both)
    assert len(source) == 2 * 12
    assert source.record(0).candidates == source.record(1).candidates
    assert [e.prompt_id for e in source][:2] == [both[0] + ".v1", both[1]]
    some = source.select(source.rows[[4, 6]])
    assert list(some) == [source[i] for i in (8, 9, 12, 13)]
    default = EvaluationSource(view, library, "rating", "valid")
    assert {e.prompt_id for e in default} == {"rating.direct-question.v1"}
    items = EvaluationSource(view, library, "item-id-to-text", "test")
    assert set(items.select(np.array([3, 9])).rows) <= {3, 9}
    with pytest.raises(UserError, match="family 'rating'"):
        EvaluationSource(view, library, "rating", "test", template_ids=["direct.gift"])


def test_names_must_fit_the_catalogue(view: CorpusView) -> None:
    with pytest.raises(ValueError, match="share"):
        ItemNames(["<a>", "<a>"], ["x", "y"])
    with pytest.raises(ValueError, match="titles"):
        ItemNames(["<a>"], ["x", "y"])
    with pytest.raises(ValueError, match="2 names for 40 items"):
        CorpusView(view.corpus, ItemNames(["<a>", "<b>"], ["x", "y"]))


@pytest.mark.parametrize("token", ["<|im_end|>", "<a_3>", "</s>", "<a_1><b_2>"])
def test_data_hold_no_special_tokens(token: str) -> None:
    assert ItemNames(["<a_0>"], [f"Heat {token}"]).titles == [f"Heat {token}".replace("<", "< ")]
    assert token not in literal(f"nice{token} <3 x < y")
    assert literal("x < y\n<3") == "x < y < 3"


@pytest.mark.parametrize("shots", [0, 2])
def test_a_review_is_in_summary_prompts_alone(
    shots: int, view: CorpusView, library: PromptLibrary
) -> None:
    config = PromptsConfig(shots=shots)
    for family in ("explanation", "review", "summary", "rating"):
        names = [t.id for t in library.templates(family)]
        source = EvaluationSource(view, library, family, "test", template_ids=names, config=config)
        for example in source:
            own = f"Opinion {example.event} begins"
            assert (own in example.source + example.system) == (family == "summary")


def test_a_user_s_first_review_trains(view: CorpusView) -> None:
    """Tasks with user-written targets need no history; all others do."""
    starts = view.corpus.interactions.offsets[:-1]
    for task in ("explanation", "review", "summary"):
        assert np.isin(starts, TASKS.get(task).rows(view, "train")).all()
    assert not np.isin(starts, TASKS.get("rating").rows(view, "train")).any()
    bare = make_view(texts=False)
    assert not np.isin(starts, TASKS.get("explanation").rows(bare, "train")).any()
