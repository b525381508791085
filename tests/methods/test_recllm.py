"""RecLLM: simulated users, steps bound by a grammar, tools, sessions, reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dialogue_world import COLOURS, SHAPES, dialogue_world, fitted, opened
from tiny_models import scratch

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.vector_store import AboutVectors, VectorStore
from p5rec.decode.grammar import Grammar, choice, literal
from p5rec.methods.systems.recllm.method import Recllm
from p5rec.methods.systems.recllm.profile import facts_told
from p5rec.methods.systems.recllm.reasons import statements
from p5rec.methods.systems.recllm.steps_grammar import StepGrammars
from p5rec.tasks.dialogue import DIALOGUE, popular_order, transcript
from p5rec.tasks.dialogues.dialogue import AttributeSearch, Dialogue, Fact, Query
from p5rec.tasks.dialogues.hearing import heard
from p5rec.tasks.dialogues.play import play
from p5rec.tasks.dialogues.policies import RuledManager
from p5rec.tasks.dialogues.steps import TOOLS, Call, State, Step, read_step
from p5rec.tasks.dialogues.users import USERS, holds, simulated
from p5rec.tasks.topics import Topics
from p5rec.tasks.view import unnamed_view

pytestmark = pytest.mark.system("recllm")

TINY = {
    "ranker": {"kind": "popularity", "tune": {}},
    "backbone": scratch(width=8, layers=1, feedforward=8, items="tokens"),
    "turns": 2,
    "train": {"steps": 2, "batch": 2, "max_tokens": 160, "precision": "float32"},
    "prompts": {"templates": ["dialogue.compact", "explanation.because"]},
    "reasons": 0.3,
    "encoder": "tiny",
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return dialogue_world(items=36, users=12)


@pytest.fixture(scope="module")
def root(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = fitted(Recllm(**TINY), corpus, tmp_path_factory.mktemp("recllm"))
    keys = corpus.interactions.item_keys
    shown = unnamed_view(corpus).topics.has.astype(np.float32)
    shown = shown + 0.01 * np.random.default_rng(0).normal(size=shown.shape).astype(np.float32)
    about = AboutVectors(of="items", source="file")
    VectorStore.of(keys, shown, about, Lineage.none()).save(folder / "vectors")
    return folder


@pytest.fixture(scope="module")
def predictor(root: Path, corpus: Corpus) -> Any:
    return opened(Recllm(**TINY), corpus, root)


@pytest.fixture(scope="module")
def ruled(root: Path, corpus: Corpus) -> Any:
    return opened(Recllm(**TINY, manager="recommend"), corpus, root)


@pytest.fixture(scope="module")
def topics(corpus: Corpus) -> Topics:
    return unnamed_view(corpus).topics


def dialogues_of(corpus: Corpus, kind: Any, half: Any, rule: Any) -> list[tuple[Any, Any, Any]]:
    view, found = unnamed_view(corpus), []
    for row in DIALOGUE.rows(view, "test").tolist():
        rng, item = np.random.default_rng(row), int(corpus.interactions.items[row])
        user = simulated(kind, (item, view.names.titles[item]), view.topics, rng, half)
        dialogue = Dialogue(view.topics, popular_order(view), rng=rng)
        (outcome,) = play([dialogue], [user], RuledManager(rule), AttributeSearch(view.topics))
        found.append((dialogue, user, outcome))
    return found


@pytest.mark.parametrize("kind", USERS)
@pytest.mark.parametrize("half", ["training", "held-out"])
def test_a_user_never_says_the_title_before_it_is_recommended(
    corpus: Corpus, topics: Topics, kind: Any, half: Any
) -> None:
    titles = ["amber", "No", "Any", "I", "fan", "You", "These", "Thing 3"]
    for title in titles:  # titles that phrasings and values hold
        for seed in range(12):
            rng = np.random.default_rng(seed)
            user = simulated(kind, (seed, title), topics, rng, half)
            words = [user.opening(), *(user.answer(n) for n in range(len(topics.names)))]
            words += [user.judge([])[1]]
            assert not [each for each in words if holds(each, title)]
    for dialogue, user, outcome in dialogues_of(corpus, kind, half, "random"):
        lines = [line for line in dialogue.log if line.startswith("user: ")]
        before = lines[:-1] if outcome.turn else lines
        assert not [line for line in before if holds(line, user.wish.title)]


def test_half_of_the_phrasings_is_held_out(corpus: Corpus) -> None:
    said = {
        half: {line for each in dialogues_of(corpus, "stubborn", half, "random")
               for line in each[0].log[:-1] if line.startswith("user: ")}
        for half in ("training", "held-out")
    }  # fmt: skip
    assert said["training"]
    assert not said["training"] & said["held-out"]


def test_controls_say_nothing_about_the_target(corpus: Corpus, topics: Topics) -> None:
    for dialogue, _, _ in dialogues_of(corpus, "stubborn", "training", "information"):
        assert not [line for line in dialogue.log if line[:4] == "user" and topics.mentioned(line)
                    and "Thing" not in line]  # fmt: skip
    null = dialogues_of(corpus, "null", "training", "information")
    assert any(user.source != user.wish.target for _, user, _ in null)


def test_every_step_of_a_random_model_is_a_valid_call(predictor: Any, corpus: Corpus) -> None:
    episodes = predictor.episodes(corpus, "test", "all", 0)
    assert {tool for own in episodes.calls for tool in own} <= {*TOOLS}
    assert all(len(own) for own in episodes.calls)
    assert sum(episodes.written) > 0
    assert len(episodes.tools) == len(episodes.turns) == len(episodes.users)


def test_the_grammar_has_no_other_step(corpus: Corpus, topics: Topics) -> None:
    grammars, free = StepGrammars(topics), StepGrammars(topics, "free")
    dialogue = Dialogue(topics, popular_order(unnamed_view(corpus)))
    dialogue.hear("no amber please")
    right, other = "no amber > ask colour: Which colour?", "no coral > search"
    assert grammars.of(dialogue).matches(right)
    assert not grammars.of(dialogue).matches(other)  # the words do not name it
    assert free.of(dialogue).matches(other)
    for text in ("no amber > rank", "no amber > buy", "no amber > respond: Thing 3?", "search",
                 "no gold > search", "no amber > ask price: Which price?"):  # fmt: skip
        assert not free.of(dialogue).matches(text)
    dialogue.asked.add(topics.names.index("colour"))
    assert not free.of(dialogue).matches(right)  # a question comes once
    assert len(right) <= grammars.longest


def test_words_are_heard_as_wishes_with_signs() -> None:
    topics, _ = spoken_topics()

    def wishes(words: str) -> str:
        return State(heard(topics, words)).text(topics)

    assert wishes("Something funny, nothing scary") == "with Comedy, no Horror"
    assert wishes("comedies from the nineties") == "with Comedy, with 1990s"
    assert wishes("not too scary, from the 80s") == "no Horror, with 1980s"
    assert wishes("more comedy, no comedy") == "no Comedy"
    for words in ("", "hello", "something lighter", "Star Wars", "before 1990", "no scary comedy"):
        assert wishes(words) == "any"
    assert wishes("comedy or horror or 1980s or 1990s").count(",") == 2  # as many as in a step


def test_values_that_are_heard_can_be_wished_for() -> None:
    topics, dialogue = spoken_topics()
    dialogue.hear("something funny")
    right, other = "with Comedy > search", "with Horror > search"
    matches = {
        way: [StepGrammars(topics, way).of(dialogue).matches(text) for text in (right, other)]
        for way in ("heard", "named", "free")
    }
    assert matches == {"heard": [True, False], "named": [False, False], "free": [True, True]}
    assert dialogue.values()["heard"] == "with Comedy"
    dialogue.hear("Comedy")  # named, and nothing else heard
    assert StepGrammars(topics).of(dialogue).matches("no Comedy > search")  # the model decides
    dialogue.utterance = ""
    assert dialogue.values()["heard"] == "-"


def test_rules_read_with_the_grammar_or_know_the_forms() -> None:
    _, dialogue = spoken_topics()
    for words, by_grammar, by_form in (
        ("something funny", ((2, True),), ()),
        ("I want Comedy", ((2, True),), ((2, True),)),
        ("Everything that is not Comedy", ((2, False),), ((2, False),)),
    ):
        dialogue.hear(words)
        read = [RuledManager("recommend", way).steps([dialogue])[0].wishes
                for way in ("heard", "exact")]  # fmt: skip
        assert read == [by_grammar, by_form]


def test_settings_of_reading_fit_the_manager_and_the_prompt() -> None:
    for wrong in ({"understand": "exact"}, {"manager": "random", "understand": "named"}):
        with pytest.raises(ValueError, match="understand: expected"):
            Recllm(**TINY, **wrong)
    alone = {**TINY, "prompts": {"templates": ["dialogue.words-alone", "explanation.because"]}}
    (line,) = Recllm(**alone).check({})
    assert "expected a template with {heard}, got dialogue.words-alone" in line
    assert not [*Recllm(**alone, understand="named").check({})]
    assert not [*Recllm(**TINY).check({})]


def spoken_topics() -> tuple[Topics, Dialogue]:
    """Topics with English values, and a dialogue about four items."""
    values = ("1980s", "1990s", "Comedy", "Horror")
    topics = Topics(("decade", "genre"), values, np.array([0, 0, 1, 1]), np.eye(4, dtype=bool))
    return topics, Dialogue(topics, np.arange(4))


def test_steps_are_read_as_they_are_written(topics: Topics) -> None:
    for wishes in (None, (), ((0, True), (3, False))):
        for call in (Call("search"), Call("ask", 1), Call("respond")):
            step = Step(wishes, call, "Which colour?" if call.tool == "ask" else "")
            assert read_step(step.text(topics), topics) == step
    assert read_step("with gold > search", topics) is None
    assert read_step("ask price", topics) is None


def test_one_grammar_follows_another() -> None:
    both = Grammar.of(choice(["a;", "bc;"])).followed_by(Grammar.of(choice(["x", "xy"])))
    assert [both.matches(text) for text in ("a;x", "bc;xy", "a;", "a;y", "bc;xyx")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="begins another"):
        Grammar.of(choice(["a", "ab"])).followed_by(Grammar.of(literal("c")))


def test_dialogues_do_not_depend_on_each_other(predictor: Any, root: Path, corpus: Corpus) -> None:
    alone = opened(Recllm(**TINY, together=1), corpus, root)
    one, all_ = (each.episodes(corpus, "test", 6, 0) for each in (alone, predictor))
    assert one.transcripts == all_.transcripts
    assert one.tools == all_.tools


def test_only_items_of_the_catalogue_are_recommended(predictor: Any, corpus: Corpus) -> None:
    titles = dict(zip(corpus.catalog.ids, corpus.catalog.titles, strict=True))
    chat, seen = predictor.chat(["i3", "i9"]), {"i3", "i9"}
    for words in ("something coral", "Please show me Titanic!", "", "no fan\nrespond: Titanic"):
        for _ in range(2):
            turn = chat.say(words)
            for item in turn.items:
                assert titles[item.id] == item.title
                assert item.id not in seen  # neither known nor recommended before
                seen.add(item.id)
            assert "Titanic" not in turn.text
            assert turn.tokens > 0
    with pytest.raises(UserError, match="history"):
        predictor.chat(["unknown"])


def values_of(turn: Any, corpus: Corpus) -> list[set[str]]:
    view = unnamed_view(corpus)
    rows = {name: row for row, name in enumerate(corpus.catalog.ids)}
    return [{view.topics.values[n] for n in view.topics.of_item(rows[item.id])}
            for item in turn.items]  # fmt: skip


def test_the_present_wish_overrides_the_profile(ruled: Any, corpus: Corpus) -> None:
    profile = [{"text": "likes coral", "events": [3]}, "never fan"]
    plain, usual = (
        [own for _ in range(4) for own in values_of(chat.say("hello"), corpus)]
        for chat in (ruled.chat(), ruled.chat(profile=profile))
    )
    assert sum("coral" in own for own in usual) > sum("coral" in own for own in plain)
    assert sum("fan" in own for own in usual) < sum("fan" in own for own in plain)
    against = ruled.chat(profile=profile)
    assert not any("coral" in own for own in values_of(against.say("no coral please"), corpus))
    other = ruled.chat(profile=profile)
    assert all("amber" in own for own in values_of(other.say("I want amber"), corpus))
    assert [fact.text for fact in other.dialogue.holding()] == ["never fan"]
    fan = ruled.chat(profile=profile).say("I want fan")
    assert all("fan" in own for own in values_of(fan, corpus))


def test_a_profile_is_read_value_by_value(topics: Topics) -> None:
    facts = facts_told(
        ["does not like Coral or fan", {"text": "likes jazz", "events": [4]}], topics
    )
    named = [(topics.values[fact.value] if fact.value >= 0 else "", fact.liked) for fact in facts]
    assert named == [("coral", False), ("fan", False), ("", True)]
    assert facts[-1].events == (4,)


def test_a_later_wish_replaces_an_earlier_one() -> None:
    state = State().with_wishes([(1, True), (2, True)]).with_wishes([(1, False)])
    assert state.wishes == ((2, True), (1, False))
    assert len(State().with_wishes((n, True) for n in range(20)).wishes) == 6


@pytest.mark.parametrize("way", ["attributes", "text", "vectors", "concepts", "titles"])
def test_ways_of_retrieval_are_interchangeable(
    root: Path, corpus: Corpus, topics: Topics, way: Any
) -> None:
    method = Recllm(**TINY, manager="recommend", retrieval=way, vectors="items")
    search = opened(method, corpus, root, root / "vectors").retriever
    if way == "vectors":  # the tiny encoder has another width
        return
    wishes = [((topics.index[value], True),) for value in (COLOURS[2], SHAPES[1])]
    queries = [Query(State(each), "") for each in wishes]
    both = search.relevance(queries)
    assert both.shape == (2, len(corpus.catalog))
    assert np.allclose(both[1], search.relevance(queries[1:])[0], atol=1e-5)
    if way != "titles":
        for own, wish in zip(both, wishes, strict=True):
            assert topics.has[np.argsort(-own)[:5], wish[0][0]].all()
    else:
        assert ((both > 0).sum(axis=1) == 10).all()


def test_vectors_of_queries_find_items(root: Path, corpus: Corpus) -> None:
    from p5rec.methods.systems.recllm.retrieval import VectorSearch

    view = unnamed_view(corpus)
    unit = np.eye(4, dtype=np.float32)
    search = VectorSearch(view.topics, unit, lambda texts: unit[[len(text) % 4 for text in texts]])
    assert search.relevance([Query(State(), "abcde")])[0].tolist() == [0, 1, 0, 0]


def test_reasons_name_existing_events_and_attributes(predictor: Any, corpus: Corpus) -> None:
    view, dialogue = unnamed_view(corpus), predictor.chat(["i1", "i2"]).dialogue
    dialogue.state = State(((view.topics.index["coral"], True),))
    history, rows = np.array([1, 2]), {n: row for row, n in enumerate(corpus.catalog.ids)}
    checked = 0
    for item in range(len(corpus.catalog)):
        for reason in statements(predictor, dialogue, history, item):
            own = {view.topics.values[n] for n in view.topics.of_item(item)}
            assert reason.values
            assert {*reason.values} <= own
            assert not reason.liked or rows[reason.liked] in history
            if reason.liked:
                liked = {view.topics.values[n] for n in view.topics.of_item(rows[reason.liked])}
                assert {*reason.values} <= liked
            checked += 1
    assert checked > 100
    turn = opened_turn(predictor)
    for item in turn.items:
        known = statements(predictor, dialogue, np.array([1, 2]), rows[item.id])
        assert item.reason in known or not known
        assert item.bucket.endswith("match")


def opened_turn(predictor: Any) -> Any:
    chat = predictor.chat(["i1", "i2"])
    for _ in range(8):
        turn = chat.say("coral")
        if turn.items:
            return turn
    raise AssertionError("no recommendation in eight turns")


def test_a_transcript_follows_from_its_event_alone(corpus: Corpus) -> None:
    first, second = (unnamed_view(dialogue_world(items=36, users=12)) for _ in range(2))
    row = int(DIALOGUE.rows(first, "train")[3])
    texts = [
        [step.text(view.topics) for _, step in transcript(view, row, 0, 5, "training")]
        for view in (first, second)
    ]
    assert texts[0] == texts[1]


def test_wishes_of_an_earlier_dialogue_are_facts(root: Path, corpus: Corpus) -> None:
    view = unnamed_view(corpus)
    rows = DIALOGUE.rows(view, "test")
    known = {
        memory: opened(Recllm(**TINY, manager="information", memory=memory), corpus, root)._facts(
            view, rows, 0
        )
        for memory in ("dialogue", "none")
    }
    assert [*known["none"]] == [()] * len(rows)
    said = 0
    for row, facts in zip(rows.tolist(), known["dialogue"], strict=True):
        (event,) = {event for fact in facts for event in fact.events} or {-1}
        own = view.topics.of_item(int(corpus.interactions.items[event]))
        assert event == -1 or event == view.past(row)[-1]
        assert all((fact.value in own) == fact.liked for fact in facts)
        assert all(view.topics.values[fact.value] in fact.text for fact in facts)
        said += len(facts)
    assert said > len(rows) / 2


def test_facts_come_from_liked_events(ruled: Any) -> None:
    chat = ruled.chat(["i0", "i1", "i2"])  # amber things
    assert Fact("likes amber", chat.dialogue.topics.index["amber"], True, (0, 1, 2)) in (
        chat.dialogue.facts
    )
