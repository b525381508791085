"""``p5rec chat``: lines in, answers out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dialogue_world import COLOURS, SHAPES, dialogue_world, fitted, opened
from tiny_models import scratch
from typer.testing import CliRunner

from p5rec.cli.main import app
from p5rec.core.errors import UserError
from p5rec.core.recipes import RECORD
from p5rec.methods.systems.recllm.method import Recllm
from p5rec.recommend.people.edits import EditStore
from p5rec.recommend.people.folder import people_folder

METHOD = Recllm(
    ranker={"kind": "popularity", "tune": {}},
    backbone=scratch(width=8, layers=1, feedforward=8, items="tokens"),
    train={"steps": 0, "precision": "float32"},
    manager="recommend",
    listed=2,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus, root = dialogue_world(items=36, users=12), tmp_path_factory.mktemp("chat")
    opened(METHOD, corpus, fitted(METHOD, corpus, root))
    (root / "run" / "models").mkdir(parents=True)
    (root / "model-0").rename(root / "run" / "models" / "talks")
    (root / "run" / RECORD).touch()
    return root / "run"


def said(*words: str, lines: str) -> Any:
    return CliRunner().invoke(app, ["chat", *words], input=lines)


def test_a_line_a_turn(model: Path) -> None:
    outcome = said(str(model), "--json", lines="I want coral\nno coral please\n\nnot read\n")
    assert outcome.exit_code == 0, outcome.output
    first, second = (json.loads(line) for line in outcome.stdout.splitlines())
    assert first["state"] == "with coral"
    assert second["state"] == "no coral"
    assert len(first["items"]) == 2
    assert not {each["id"] for each in first["items"]} & {each["id"] for each in second["items"]}
    assert first["calls"][-1].startswith("respond")


def test_words_without_json(model: Path) -> None:
    outcome = said(str(model / "models" / "talks"), "--fact", "likes fan", lines="hello\n")
    assert outcome.exit_code == 0, outcome.output
    head, *items = outcome.stdout.splitlines()
    assert head.endswith("?")
    assert [line[:2] for line in items] == ["1.", "2."]


def test_what_a_user_wrote_is_known(model: Path) -> None:
    people = EditStore(people_folder(model))
    people.add("ann", "more fawn")
    people.add("ann", "never coral")
    for folder in (model, model / "models" / "talks"):
        known = said(str(folder), "--user", "ann", "--json", lines="hello\n")
        assert known.exit_code == 0, known.output
        assert known.stderr.splitlines() == ["known: more fawn", "known: never coral"]
        (turn,) = map(json.loads, known.stdout.splitlines())
        unknown = said(str(folder), "--user", "bob", "--json", lines="hello\n")
        assert "known: nothing; bob wrote nothing in" in unknown.stderr
        (other,) = map(json.loads, unknown.stdout.splitlines())
        colours = [
            [COLOURS[int(item["id"][1:]) // len(SHAPES)] for item in each["items"]]
            for each in (turn, other)
        ]
        assert set(colours[0]) == {"fawn"}
        assert "fawn" not in colours[1]


def test_errors_are_one_line(model: Path, tmp_path: Path) -> None:
    for words, error in (
        ([str(tmp_path)], "no fitted model"),
        ([str(model), "--method", "other"], "expected one of talks"),
        ([str(model), "--liked", "unknown"], "expected items of the model"),
    ):
        outcome = said(*words, lines="hello\n")
        assert isinstance(outcome.exception, UserError)
        assert error in str(outcome.exception)
