"""A prompt that a model cannot read whole loses its history first, and never its question."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_models import make_bundle, scratch
from transformers import PreTrainedTokenizerBase

from p5rec.core.examples import Example
from p5rec.models.inputs import fit_prompt, literal_for
from p5rec.prompting.instances import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.sample import sample_view
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.view import CorpusView
from p5rec.train.examples.prompted import PromptExamples


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return make_bundle(scratch()).tokenizer


def posed(family: str, view: CorpusView | None = None, **config: int) -> list[Example]:
    view, library = view or sample_view(), PromptLibrary.load()
    return list(EvaluationSource(
        view, library, family, "test",
        template_ids=[t.id for t in library.fitting(family, view)],
        config=PromptsConfig(**config),
    ))  # fmt: skip


@pytest.mark.parametrize("family", ["sequential-candidates", "rating", "direct", "summary"])
@pytest.mark.parametrize("shots", [0, 2])
def test_every_length_holds_and_shows_as_much_as_fits(
    family: str, shots: int, tokenizer: PreTrainedTokenizerBase
) -> None:
    for example in posed(family, candidates=3, shots=shots)[:6]:
        whole = fit_prompt(tokenizer, example, 10**6).ids
        assert not fit_prompt(tokenizer, example, len(whole)).shortened
        least = (
            example.shorten(example.shorten.steps)
            if example.shorten and example.shorten.steps
            else example
        )
        shortest = len(fit_prompt(tokenizer, least, 10**6).ids)
        head, foot = tokenizer.decode(whole)[:6], tokenizer.decode(whole)[-12:]
        for limit in np.linspace(60, len(whole) - 1, 7).astype(int).tolist():
            found = fit_prompt(tokenizer, example, limit)
            text = tokenizer.decode(found.ids)
            assert len(found.ids) <= limit
            if abs(limit - shortest) > 12:  # an empty history is words, too
                assert found.cut == (limit < shortest)
            if len(tokenizer.decode(whole)) - len(example.source) < limit:
                assert (text[:6], text[-12:]) == (head, foot)  # what a chat template writes stays


def test_a_history_goes_before_an_option(tokenizer: PreTrainedTokenizerBase) -> None:
    shown = 0
    for example in posed("sequential-candidates", candidates=4):
        whole = len(fit_prompt(tokenizer, example, 10**6).ids)
        found = fit_prompt(tokenizer, example, whole - 1)
        assert (found.shortened, found.cut) == (True, False)
        text = tokenizer.decode(found.ids)
        assert example.target in text
        for line in example.source.splitlines():
            if line.startswith("- "):
                assert line in text
                shown += 1
    assert shown


@pytest.mark.parametrize(
    "title", ["quiet river of the north " * 8, "\u5929\u5730\u7384\u9ec4" * 46]
)
def test_titles_get_shorter_before_a_choice_goes(
    title: str, tokenizer: PreTrainedTokenizerBase
) -> None:
    view = sample_view()
    titles = [f"{'abcdefgh'[i]} {title}{i}" for i in range(len(view.names.ids))]
    names = replace(view.names, titles=titles)
    examples = posed("sequential-candidates", replace(view, names=names), candidates=2)
    assert len({example.prompt_id for example in examples}) > 5
    rows = PromptExamples(examples, tokenizer, 620)
    for example, row in zip(examples, map(rows.__getitem__, range(len(rows))), strict=True):
        assert (row.shortened, row.cut) == (len(example.source) > 620, False)
        question, answer = row.input_ids[: row.split], row.input_ids[row.split :]
        text, said = tokenizer.decode(question), tokenizer.decode(answer[:-1])
        assert text.count(said) == 1
        for line in example.source.splitlines():
            if line.startswith("- "):
                assert line.split()[1] in text  # the id, or the title's first letter


def test_titles_to_choose_from_stay_different(tokenizer: PreTrainedTokenizerBase) -> None:
    view = sample_view()
    titles = [f"one long series of books, volume {i}" for i in range(len(view.names.ids))]
    view = replace(view, names=replace(view.names, titles=titles))
    for example in posed("sequential-candidates", view, candidates=4):
        lines = (
            example.shorten(example.shorten.steps) if example.shorten else example
        ).source.splitlines()
        shown = [line for line in lines if line.startswith("- ")]
        assert len({*shown}) == len(shown)


def test_dealt_out_answers_stay_those_of_others(tokenizer: PreTrainedTokenizerBase) -> None:
    examples = posed("sequential-candidates", candidates=3)
    dealt = np.roll(np.arange(len(examples)), 1)
    rows = PromptExamples(examples, tokenizer, 200, answered_by=dealt)
    assert any(rows[i].shortened for i in range(len(rows)))
    for i, other in enumerate(dealt):
        said = tokenizer.decode(rows[i].input_ids[rows[i].split : -1])
        assert said == examples[other].target


def test_rows_say_what_became_of_their_prompts(tokenizer: PreTrainedTokenizerBase) -> None:
    examples = posed("sequential-candidates", candidates=3)
    fits = PromptExamples(examples, tokenizer, 10**4)
    assert not any(row.shortened or row.cut for row in map(fits.__getitem__, range(len(examples))))
    tight = [PromptExamples(examples, tokenizer, 150)[i] for i in range(len(examples))]
    assert all(len(row.input_ids) <= 150 for row in tight)
    assert any(row.cut for row in tight)


def test_titles_of_another_model_s_marks_are_no_tokens() -> None:
    tokenizer = make_bundle(scratch()).tokenizer
    marks = ["[INST]", "[/INST]", "<|im_start|>", ">>TITLE<<", "\u00a7"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks[:3]})
    tokenizer.add_tokens(marks[3:])
    own, literal = {*tokenizer.added_tokens_decoder}, literal_for(tokenizer)
    rng = np.random.default_rng(0)
    pieces = [*marks, "<a_1><b_2>", "</s>", "<|end|>", "[", "INST", "]", "<", ">", " ", "x", "\n"]
    pieces.remove("\u00a7")  # a letter is a letter, whoever added it
    for _ in range(500):
        text = "".join(rng.choice(pieces, size=rng.integers(1, 9)))
        ids = tokenizer(literal(text), add_special_tokens=False)["input_ids"]
        assert not own & {*ids}, text
        assert literal(text).replace(" ", "") == "".join(text.split())
    for plain in ("Heat (1995)", "Alien\u00b3 [Director's Cut]", "\u00a7 218", "a < b"):
        assert literal(plain) == plain
    assert literal("Say [INST] now") == "Say [ INST] now"
