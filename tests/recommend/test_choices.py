"""The likeliest texts of a closed list, and texts that show earlier texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noted_prompts import write_noted
from small_corpora import make_view
from tiny_models import save_llama

from p5rec.core.errors import UserError
from p5rec.core.examples import Example
from p5rec.core.types import Corpus
from p5rec.data.stored_texts import StoredTexts
from p5rec.recommend.writing.choices import Choices, values_of
from p5rec.recommend.writing.config import TextsConfig, check_texts, with_notes
from p5rec.recommend.writing.port import Assignment, Request
from p5rec.recommend.writing.write import write_texts

pytestmark = pytest.mark.system("genre")

TOPICS = ("comedy", "war", "warm drama")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return make_view().corpus


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


def topics(model: Path, **settings: Any) -> TextsConfig:
    generator = {
        "kind": "choices", "choices": TOPICS, "neutral": ["Who?", "Which one?"],
        "backbone": {"name": str(model)}, **settings,
    }  # fmt: skip
    return TextsConfig(of="users", family="user-topic", generator=generator, sample=6)


def written(config: TextsConfig, corpus: Corpus, folder: Path, notes: Path | None) -> StoredTexts:
    folder.mkdir()
    lineage = write_texts(config, corpus, notes, folder)
    np.save(folder / "lineage.npy", lineage.events)
    return StoredTexts.read(folder)


def log_likelihood(writer: Any, prompt: np.ndarray, text: str, end: bool) -> float:
    """By one pass over the prompt and the text."""
    tokenizer = writer.opened.vocabulary.tokenizer
    words = tokenizer(text, add_special_tokens=False)["input_ids"]
    words += [tokenizer.eos_token_id] * end
    ids = torch.tensor([[*prompt.tolist(), *words]])
    with torch.inference_mode():
        embedded, at = writer.opened.model.embed(ids)
        logits = writer.opened.model.causal(
            inputs_embeds=embedded, attention_mask=at.real.long()
        ).logits[0]
    steps = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    return float(steps.gather(1, ids[0, len(prompt) :, None]).sum())


def test_texts_are_ordered_by_calibrated_likelihood(corpus: Corpus, model: Path) -> None:
    config = topics(model, most=2).generator
    assert isinstance(config, Choices)
    writer = config.open(Assignment("users", corpus.user_ids, corpus.catalog))
    stored = [prompt_of(corpus, user) for user in range(4)]
    answers = writer.write(stored)
    tokenizer = writer.opened.vocabulary.tokenizer
    ids = [tuple(tokenizer(each, add_special_tokens=False)["input_ids"]) for each in TOPICS]
    ends = [any(other[: len(own)] == own for other in ids if other != own) for own in ids]
    prompts = writer.tokens(stored)
    neutral = writer.tokens([request(text) for text in config.neutral])

    def scores(prompt: np.ndarray) -> np.ndarray:
        pairs = zip(TOPICS, ends, strict=True)
        return np.array([log_likelihood(writer, prompt, text, end) for text, end in pairs])

    prior = np.mean([scores(prompt) for prompt in neutral], axis=0)
    np.testing.assert_allclose(writer.prior, prior, atol=1e-4)
    for prompt, answer in zip(prompts, answers, strict=True):
        best = np.argsort(prior - scores(prompt))[:2]
        assert answer.text == ", ".join(TOPICS[n] for n in best)
        assert answer.prompt_tokens == len(prompt) + sum(map(len, ids)) + sum(ends)


def request(text: str) -> Request:
    return Request("", Example(text, "", "", ""))


def prompt_of(corpus: Corpus, user: int) -> Request:
    return request(f"User {user} likes {corpus.catalog.titles[user]}. What else?")


def test_an_answer_does_not_depend_on_the_others(corpus: Corpus, model: Path) -> None:
    writer = topics(model).generator.open(Assignment("users", [], corpus.catalog))
    requests = [prompt_of(corpus, user) for user in range(5)]
    together = [each.text for each in writer.write(requests)]
    assert together == [writer.write([each])[0].text for each in requests]


def test_an_attribute_gives_its_values(corpus: Corpus) -> None:
    (name, *_) = corpus.catalog.attributes
    values = values_of(corpus.catalog, name)
    counts = [sum(value in own for own in corpus.catalog.values(name)) for value in values]
    assert counts == sorted(counts, reverse=True)
    with pytest.raises(UserError, match="choices: expected an attribute of the items"):
        values_of(corpus.catalog, "colour")


def test_popular_choices_are_the_same_for_everyone(corpus: Corpus, tmp_path: Path) -> None:
    (name, *_) = corpus.catalog.attributes
    generator = {"kind": "popular-choices", "choices": name, "most": 2}
    stored = written(TextsConfig(of="users", generator=generator), corpus, tmp_path / "out", None)
    assert {*stored.table["text"]} == {", ".join(values_of(corpus.catalog, name)[:2])}


def noted(folder: Path, notes: str | None) -> TextsConfig:
    prompts = {"folders": [str(write_noted(folder))], "notes": notes}
    return TextsConfig(of="users", family="noted", generator={"kind": "prompt"}, prompts=prompts)


def test_a_prompt_shows_an_earlier_text_about_the_user(
    corpus: Corpus, model: Path, tmp_path: Path
) -> None:
    first = written(topics(model), corpus, tmp_path / "first", None)
    config = noted(tmp_path / "prompts", "first")
    second = written(config, corpus, tmp_path / "second", tmp_path / "first")
    keys = corpus.interactions.user_keys
    expected = [text and f"Known: {text}" for text in first.of_keys(keys)]
    assert second.of_keys(keys) == expected
    assert any(expected)
    assert (second.lineage.events == first.lineage.events).all()


def test_notes_are_checked_before_the_run(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    texts = {"first": topics(model), "second": noted(folder, "first")}
    check_texts(texts)
    assert with_notes("second", texts) == ["first", "second"]
    with pytest.raises(UserError, match=r"texts\.second\.prompts\.notes: .*did you mean 'first'"):
        check_texts({**texts, "second": noted(folder, "frist")})
    with pytest.raises(UserError, match="texts that read themselves"):
        check_texts({"a": noted(folder, "b"), "b": noted(folder, "a")})
    with pytest.raises(ValueError, match="texts about users have some"):
        TextsConfig(of="items", family="describe-item", generator=texts["first"].generator,
                    prompts={"notes": "first"})  # fmt: skip
