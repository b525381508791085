"""A prompt that is too long loses its history first, and never its question."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_models import make_bundle, scratch
from transformers import PreTrainedTokenizerBase

from p5rec.backbones.control_tokens import literal_for
from p5rec.core.examples import Example
from p5rec.models.inputs import fit_prompt
from p5rec.prompting.instances import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.sample import sample_view
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.view import CorpusView
from p5rec.train.examples.prompted import PromptExamples


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return make_bundle(scratch()).tokenizer


def prompts(family: str, view: CorpusView | None = None, **config: int) -> list[Example]:
    view = view or sample_view()
    library = PromptLibrary({family: PromptLibrary.load().family(family).only(after_history=False)})
    return list(EvaluationSource(
        view, library, family, "test",
        template_ids=[t.id for t in library.fitting(family, view)],
        config=PromptsConfig(**config),
    ))  # fmt: skip


@pytest.mark.parametrize("family", ["sequential-candidates", "rating", "direct", "summary"])
@pytest.mark.parametrize("shots", [0, 2])
def test_every_limit_is_met_with_as_much_as_fits(
    family: str, shots: int, tokenizer: PreTrainedTokenizerBase
) -> None:
    for example in prompts(family, candidates=3, shots=shots)[:6]:
        full = fit_prompt(tokenizer, example, 10**6).ids
        assert not fit_prompt(tokenizer, example, len(full)).shortened
        shortest_prompt = (
            example.shorten(example.shorten.steps)
            if example.shorten and example.shorten.steps
            else example
        )
        shortest = len(fit_prompt(tokenizer, shortest_prompt, 10**6).ids)
        head, foot = tokenizer.decode(full)[:6], tokenizer.decode(full)[-12:]
        for limit in np.linspace(60, len(full) - 1, 7).astype(int).tolist():
            actual = fit_prompt(tokenizer, example, limit)
            text = tokenizer.decode(actual.ids)
            assert len(actual.ids) <= limit
            if abs(limit - shortest) > 12:  # an empty history has words, too
                assert actual.cut == (limit < shortest)
            if len(tokenizer.decode(full)) - len(example.source) < limit:
                assert (text[:6], text[-12:]) == (head, foot)  # the chat template's text stays


def test_a_history_is_shortened_before_the_candidates(tokenizer: PreTrainedTokenizerBase) -> None:
    n_options = 0
    for example in prompts("sequential-candidates", candidates=4):
        full = len(fit_prompt(tokenizer, example, 10**6).ids)
        actual = fit_prompt(tokenizer, example, full - 1)
        assert (actual.shortened, actual.cut) == (True, False)
        text = tokenizer.decode(actual.ids)
        assert example.target in text
        for line in example.source.splitlines():
            if line.startswith("- "):
                assert line in text
                n_options += 1
    assert n_options


@pytest.mark.parametrize(
    "title", ["quiet river of the north " * 8, "\u5929\u5730\u7384\u9ec4" * 46]
)
def test_titles_are_shortened_before_a_candidate_is_removed(
    title: str, tokenizer: PreTrainedTokenizerBase
) -> None:
    view = sample_view()
    titles = [f"{'abcdefgh'[i]} {title}{i}" for i in range(len(view.names.ids))]
    names = replace(view.names, titles=titles)
    examples = prompts("sequential-candidates", replace(view, names=names), candidates=2)
    assert len({example.prompt_id for example in examples}) > 5
    rows = PromptExamples(examples, tokenizer, 620)
    for example, row in zip(examples, map(rows.__getitem__, range(len(rows))), strict=True):
        assert (row.shortened, row.cut) == (len(example.source) > 620, False)
        question, target_ids = row.input_ids[: row.split], row.input_ids[row.split :]
        text, text_of_target = tokenizer.decode(question), tokenizer.decode(target_ids[:-1])
        assert text.count(text_of_target) == 1
        for line in example.source.splitlines():
            if line.startswith("- "):
                assert line.split()[1] in text  # the id, or the title's first letter


def test_candidate_titles_stay_distinct(tokenizer: PreTrainedTokenizerBase) -> None:
    view = sample_view()
    titles = [f"one long series of books, volume {i}" for i in range(len(view.names.ids))]
    view = replace(view, names=replace(view.names, titles=titles))
    for example in prompts("sequential-candidates", view, candidates=4):
        lines = (
            example.shorten(example.shorten.steps) if example.shorten else example
        ).source.splitlines()
        n_options = [line for line in lines if line.startswith("- ")]
        assert len({*n_options}) == len(n_options)


def test_permuted_targets_are_those_of_other_examples(tokenizer: PreTrainedTokenizerBase) -> None:
    examples = prompts("sequential-candidates", candidates=3)
    permuted = np.roll(np.arange(len(examples)), 1)
    rows = PromptExamples(examples, tokenizer, 200, target_of=permuted)
    assert any(rows[i].shortened for i in range(len(rows)))
    for i, other in enumerate(permuted):
        text_of_target = tokenizer.decode(rows[i].input_ids[rows[i].split : -1])
        assert text_of_target == examples[other].target


def test_examples_record_how_prompts_were_shortened(tokenizer: PreTrainedTokenizerBase) -> None:
    examples = prompts("sequential-candidates", candidates=3)
    fits = PromptExamples(examples, tokenizer, 10**4)
    assert not any(row.shortened or row.cut for row in map(fits.__getitem__, range(len(examples))))
    tight = [PromptExamples(examples, tokenizer, 150)[i] for i in range(len(examples))]
    assert all(len(row.input_ids) <= 150 for row in tight)
    assert any(row.cut for row in tight)


def test_titles_with_special_tokens_of_other_models_are_plain_text() -> None:
    tokenizer = make_bundle(scratch()).tokenizer
    marks = ["[INST]", "[/INST]", "<|im_start|>", ">>TITLE<<", "\u00a7"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks[:3]})
    tokenizer.add_tokens(marks[3:])
    own, literal = {*tokenizer.added_tokens_decoder}, literal_for(tokenizer)
    rng = np.random.default_rng(0)
    pieces = [*marks, "<a_1><b_2>", "</s>", "<|end|>", "[", "INST", "]", "<", ">", " ", "x", "\n"]
    pieces.remove("\u00a7")  # an added letter is an ordinary letter
    for _ in range(500):
        text = "".join(rng.choice(pieces, size=rng.integers(1, 9)))
        ids = tokenizer(literal(text), add_special_tokens=False)["input_ids"]
        assert not own & {*ids}, text
        assert literal(text).replace(" ", "") == "".join(text.split())
    for plain in ("Heat (1995)", "Alien\u00b3 [Director's Cut]", "\u00a7 218", "a < b"):
        assert literal(plain) == plain
    assert literal("Say [INST] now") == "Say [ INST] now"
