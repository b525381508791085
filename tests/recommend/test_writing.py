"""Texts about items and users: from a language model, and from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from small_corpora import make_view
from tiny_models import save_llama, save_t5

from p5rec.core.artefacts import read_json
from p5rec.core.errors import UserError
from p5rec.core.types import TRAIN, Corpus
from p5rec.data.stored_texts import ABOUT, StoredTexts
from p5rec.prompting.answer import AnswerForm
from p5rec.recommend.answer_grammar import grammar_of
from p5rec.recommend.writing import write
from p5rec.recommend.writing.config import TextsConfig, check_texts
from p5rec.recommend.writing.local import LocalWriter

FAMILY = """\
family: kinds
task: describe-item
description: The kind of an item.
target_type: text
fields: {title: title, description: text}
few_shot: {example: "{source} {target}"}
answer: {object: {kind: {choice: [comedy, drama]}, stars: {integer: [1, 5]}}}
templates:
  - id: json
    version: 1
    source: "{examples}What is {title}?"
    target: "{description}"
"""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return make_view().corpus


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


def local(model: Path, **settings: Any) -> dict[str, Any]:
    return {"backbone": {"name": str(model)}, "max_new_tokens": 6, **settings}


def written(config: TextsConfig, corpus: Corpus, folder: Path) -> StoredTexts:
    folder.mkdir(exist_ok=True)
    lineage = write.write_texts(config, corpus, None, folder)
    np.save(folder / "lineage.npy", lineage.events)
    return StoredTexts.read(folder)


def items(model: Path, **settings: Any) -> TextsConfig:
    return TextsConfig(of="items", family="describe-item", generator=local(model), **settings)


def test_a_model_writes_about_every_item(corpus: Corpus, model: Path, tmp_path: Path) -> None:
    stored = written(items(model), corpus, tmp_path / "one")
    assert stored.of == "items"
    assert stored.table["key"].to_list() == sorted(corpus.interactions.item_keys.tolist())
    assert not len(stored.lineage.events)
    assert (stored.table["prompt_tokens"] > 0).all()
    assert stored.table["new_tokens"].is_between(1, 6).all()
    about = read_json(tmp_path / "one" / ABOUT)
    assert about["new_tokens"] == stored.table["new_tokens"].sum()
    assert about["prompt_tokens"] == stored.table["prompt_tokens"].sum()
    assert about["seconds"] == pytest.approx(stored.table["seconds"].sum(), abs=1e-3)
    again = written(items(model), corpus, tmp_path / "two")
    assert again.table["text"].to_list() == stored.table["text"].to_list()


def test_an_interrupted_run_resumes(
    corpus: Corpus, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "SHARD_SIZE", 10)
    config, real, asked = items(model), LocalWriter.write, []
    whole = written(config, corpus, tmp_path / "whole")

    def fails_at_the_third(self: LocalWriter, requests: Any) -> Any:
        asked.append(len(requests))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(self, requests)

    monkeypatch.setattr(LocalWriter, "write", fails_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        written(config, corpus, tmp_path / "cut")
    resumed = written(config, corpus, tmp_path / "cut")
    assert asked == [10, 10, 10, 10, 10]  # the third shard is written again, the first two are not
    assert resumed.table["text"].to_list() == whole.table["text"].to_list()


@pytest.mark.parametrize("save", [save_llama, save_t5])
def test_answers_have_the_form_of_their_family(
    corpus: Corpus, save: Callable[[Path], Path], tmp_path: Path
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "kinds.yaml").write_text(FAMILY)
    model, prompts = save(tmp_path / "model"), {"folders": [str(tmp_path / "prompts")]}

    def section(max_new_tokens: int) -> TextsConfig:
        generator = local(model, max_new_tokens=max_new_tokens)
        return TextsConfig(
            of="items", family="kinds", generator=generator, prompts=prompts, sample=4
        )

    stored = written(section(60), corpus, tmp_path / "out")
    assert len(stored.table) == 4
    for text in stored.usable()[1]:
        answer = json.loads(text)
        assert answer["kind"] in ("comedy", "drama")
        assert 1 <= answer["stars"] <= 5
    cut = written(section(3), corpus, tmp_path / "short")
    assert cut.table["off_form"].all()
    assert not len(cut.usable()[0])
    assert read_json(tmp_path / "short" / ABOUT)["off_form"] == 4


@pytest.mark.parametrize(
    ("form", "fits", "misses"),
    [
        ({"choice": ["yes", "no"]}, ["yes"], ["yes ", '"yes"', ""]),
        ({"integer": [0, 10]}, ["10"], ["11", "-1"]),
        ({"text": 5}, ["a b"], ["abcdef", "a\nb"]),
        ({"list_of": {"choice": ["a", "b"]}, "most": 2}, ['["a"]', '["b", "a"]'],
         ["[]", "[a]", '["a", "a", "a"]']),
        ({"object": {"n": {"integer": [1, 2]}, "t": {"text": 3}}}, ['{"n": 2, "t": "x"}'],
         ['{"n": 3, "t": "x"}', '{"n": 2}']),
    ],
)  # fmt: skip
def test_forms(form: dict[str, Any], fits: list[str], misses: list[str]) -> None:
    grammar = grammar_of(AnswerForm(**form))
    assert grammar is not None
    assert all(grammar.matches(text) for text in fits)
    assert not any(grammar.matches(text) for text in misses)


@pytest.mark.parametrize("form", [{}, {"text": 5, "integer": [1, 2]}, {"integer": [2, 1]}])
def test_impossible_forms(form: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AnswerForm(**form)


def test_texts_about_users_read_profile_events(corpus: Corpus, model: Path, tmp_path: Path) -> None:
    config = TextsConfig(of="users", family="describe-user", generator=local(model))
    log, train = corpus.interactions, corpus.split.of_event == TRAIN
    every = written(config, corpus, tmp_path / "all")
    assert np.array_equal(every.lineage.events, np.sort(log.event_keys[train]))
    profile = train & (log.users > 0)  # the first user has none
    profiled = replace(corpus, split=replace(corpus.split, profile=profile))
    some = written(config, profiled, tmp_path / "some")
    assert np.array_equal(some.lineage.events, np.sort(log.event_keys[profile]))
    assert some.of_keys(log.user_keys[:2])[0] is None, "the data say nothing about the first user"
    assert read_json(tmp_path / "some" / ABOUT)["without_text"] >= 1
    assert log.user_keys[0] not in some.usable()[0]


def test_control_tokens_in_titles_reach_no_model(
    corpus: Corpus, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[str] = []
    real = LocalWriter.write

    def spied(self: LocalWriter, requests: Any) -> Any:
        prompts.extend(each.prompt.source for each in requests)
        return real(self, requests)

    monkeypatch.setattr(LocalWriter, "write", spied)
    titles = [f"<|end|> {row} <|bos|>" for row in range(40)]
    written(items(model, sample=2), make_view(titles=titles).corpus, tmp_path / "out")
    assert prompts
    assert not any("<|" in prompt for prompt in prompts)


def text_file(path: Path, rows: list[dict[str, Any]]) -> TextsConfig:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return TextsConfig(of="items", generator={"kind": "file", "path": str(path)})


def test_texts_from_a_file(corpus: Corpus, tmp_path: Path) -> None:
    rows = [
        {"item": "external-3", "text": "The third."},
        {"item": "external-5", "text": "  "},
        {"item": "external-6", "text": None},
        {"item": "unknown", "text": "Another shop's."},
        {"item": "external-1", "text": "The <|end|> first.\nSecond line."},
    ]
    stored = written(text_file(tmp_path / "t.jsonl", rows), corpus, tmp_path / "out")
    keys = corpus.interactions.item_keys
    found = dict(enumerate(stored.of_keys(keys)))
    assert {row: text for row, text in found.items() if text} == {
        3: "The third.", 1: "The <|end|> first.\nSecond line."
    }  # fmt: skip
    about = read_json(tmp_path / "out" / ABOUT)
    assert (about["rows"], about["without_text"], about["unknown_ids"]) == (40, 38, 1)
    parquet = tmp_path / "t.parquet"
    pl.read_ndjson(tmp_path / "t.jsonl").write_parquet(parquet)
    config = TextsConfig(of="items", generator={"kind": "file", "path": str(parquet)})
    assert written(config, corpus, tmp_path / "same").table["text"].equals(stored.table["text"])


def test_texts_from_an_object_by_id(corpus: Corpus, tmp_path: Path) -> None:
    answers = {
        "external-3": {"prompt": "What?", "answer": "The third."},
        "external-1": "The first.",
    }
    path = tmp_path / "item.klg"
    path.write_text(json.dumps(answers))
    generator = {"kind": "file", "path": str(path), "text": "answer"}
    stored = written(TextsConfig(of="items", generator=generator), corpus, tmp_path / "out")
    found = stored.of_keys(corpus.interactions.item_keys)
    assert {n: text for n, text in enumerate(found) if text} == {1: "The first.", 3: "The third."}
    config = TextsConfig(of="items", generator={**generator, "text": "ans"})
    with pytest.raises(
        UserError, match=r"'external-3': expected a text, or an object with the key"
    ):
        written(config, corpus, tmp_path / "other")


FACTORS = """\
family: aspects
task: describe-item
description: An item under aspects.
target_type: text
fields: {title: title, factors: text, description: text}
few_shot: {example: "{source} {target}"}
templates:
  - id: short
    version: 1
    source: "{examples}{title}: {factors}"
    target: "{description}"
"""


def aspects(folder: Path, factors: Any) -> TextsConfig:
    folder.mkdir()
    (folder / "aspects.yaml").write_text(FACTORS)
    prompts = {"folders": [str(folder)], "factors": factors}
    return TextsConfig(of="items", family="aspects", generator={"kind": "prompt"}, prompts=prompts)


def test_prompts_as_texts_name_the_factors_of_a_list_or_a_file(
    corpus: Corpus, tmp_path: Path
) -> None:
    file = tmp_path / "factors.yaml"
    file.write_text("factors: [genre, mood]\n")
    config = aspects(tmp_path / "prompts", ["genre", "mood"])
    stored = written(config, corpus, tmp_path / "list")
    title = corpus.catalog.titles[0]
    assert stored.of_keys(corpus.interactions.item_keys)[0] == f"{title}: genre, mood"
    other = config.prompts.model_copy(update={"factors": str(file)})
    same = written(config.model_copy(update={"prompts": other}), corpus, tmp_path / "file")
    assert same.table["text"].equals(stored.table["text"])


def test_templates_with_factors_need_some(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a template that the data can fill"):
        written(aspects(tmp_path / "prompts", []), corpus, tmp_path / "out")


@pytest.mark.parametrize("content", [None, "aspects: [genre]\n", "factors: genre\n"])
def test_a_file_of_factors_is_checked_before_the_run(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "factors.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=r"texts\.one: .*factors"):
        check_texts({"one": aspects(tmp_path / "prompts", str(file))})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"item": "u", "text": "t"}], "expected texts of items of the data, got 'u' and 0 other"),
        (
            [{"item": "external-1", "text": "t"}] * 2,
            "row 2: expected one row per item, got another",
        ),
        ([{"item": "external-1", "note": "t"}], "text"),
    ],
)
def test_unusable_files_are_one_line(
    corpus: Corpus, tmp_path: Path, rows: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        written(text_file(tmp_path / "t.jsonl", rows), corpus, tmp_path / "out")
    assert len(caught.value.lines) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"family": "describe-user"}, "one: family: expected a prompt family that describes one of "
         "the items, got 'describe-user' of task describe-user; known: describe-item"),
        ({"family": "rating"}, "got 'rating' of task rating"),
        ({"family": "describe-items"}, "did you mean 'describe-item'"),
        ({"template": "describe-user.analyst"}, "expected a template of describe-item"),
    ],
)  # fmt: skip
def test_sections_are_checked_without_data(
    model: Path, settings: dict[str, str], message: str
) -> None:
    config = TextsConfig(**{"of": "items", "family": "describe-item", "generator": local(model),
                            **settings})  # fmt: skip
    with pytest.raises(UserError, match=message):
        check_texts({"one": config})


@pytest.mark.parametrize(
    "settings",
    [
        {"generator": {"kind": "local"}},
        {"generator": {"kind": "file", "path": "x"}, "family": "describe-item"},
        {"generator": {"kind": "file"}},
        {"generator": {"kind": "oracle"}},
    ],
)
def test_impossible_sections(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TextsConfig(of="items", **settings)


def test_a_missing_file_is_reported_before_the_run(tmp_path: Path) -> None:
    config = TextsConfig(of="items", generator={"kind": "file", "path": str(tmp_path / "no.jsonl")})
    with pytest.raises(UserError, match=r"texts\.one: .*nothing there"):
        check_texts({"one": config})
