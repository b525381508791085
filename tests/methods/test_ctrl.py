"""CTRL: similarities, gradients in chunks, texts without labels, controls, and what is served."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny_models import save_llama
from topic_world import fitted, save_word_encoder, topic_world
from transformers import AutoModel

from p5rec.backbones.split_encoder import TokenStates, TopBlocks, lower_states, open_text_model
from p5rec.data.click_instances import click_instances
from p5rec.methods.registry import METHODS
from p5rec.methods.systems.ctrl import training
from p5rec.methods.systems.ctrl.method import TEMPLATE, Ctrl
from p5rec.methods.systems.ctrl.rows import aligned_rows, row_texts
from p5rec.models.alignment import Alignment

pytestmark = pytest.mark.system("ctrl")
BASE = {"kind": "autoint", "epochs": 2, "embedding": 4, "hidden": [8]}
SWITCHES: dict[str, dict[str, Any]] = {
    "cosine": {"alignment": {"similarity": "cosine"}},
    "permuted": {"alignment": {"permuted": True}},
    "joint": {"alignment": {"joint": True}},
    "random": {"texts": {"random": True}},
    "tiny": {"texts": {"encoder": "tiny"}},
    "last layer": {"texts": {"trained_layers": 1}},
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(7)
    return save_word_encoder(tmp_path_factory.mktemp("encoder"), 8)


@pytest.fixture(scope="module")
def corpus() -> Any:
    return topic_world(users=20, items=12, events=9)


@pytest.fixture(scope="module")
def plain(encoder: Path, corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit."""
    return fitted(section(encoder), corpus, tmp_path_factory.mktemp("plain"))


def section(encoder: Path, **changes: dict[str, Any]) -> dict[str, Any]:
    """CTRL with settings that are fast to fit."""
    texts = {"encoder": str(encoder), "rows": 40}
    alignment = {"batch": 16, "epochs": 1, "width": 8, "subspaces": 2}
    return {
        "kind": "ctrl",
        "base": {**BASE, **changes.get("base", {})},
        "texts": {**texts, **changes.get("texts", {})},
        "alignment": {**alignment, **changes.get("alignment", {})},
    }


def test_the_similarity_sums_the_best_match_of_each_sub_space() -> None:
    torch.manual_seed(0)
    alignment = Alignment(5, 7, width=6, subspaces=3, temperature=0.7)
    tabular, text = torch.randn(4, 5), torch.randn(4, 7)
    to_rows, to_texts = alignment.similarities(tabular, text)
    rows = alignment.tabular(tabular).view(4, 3, 2)
    texts = alignment.text(text).view(4, 3, 2)
    for one, other in np.ndindex(4, 4):
        matched = sum(max(a @ b for b in rows[other]) for a in texts[one])
        torch.testing.assert_close(to_rows[one, other], matched)
        matched = sum(max(a @ b for b in texts[other]) for a in rows[one])
        torch.testing.assert_close(to_texts[one, other], matched)


def test_without_sub_spaces_it_is_the_cosine() -> None:
    alignment = Alignment(5, 7, width=6, subspaces=0, temperature=0.7)
    to_rows, to_texts = alignment.similarities(torch.randn(4, 5), torch.randn(4, 7))
    assert to_rows.abs().max() <= 1 + 1e-6
    assert torch.equal(to_rows, to_texts.T)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
@pytest.mark.parametrize("top", [1, 2])
def test_top_blocks_go_on_from_stored_states(
    architecture: str, top: int, encoder: Path, tmp_path: Path
) -> None:
    folder = encoder if architecture == "bert" else save_llama(tmp_path / "llama")
    ids = [[3, 4, 5], [6, 7], [8, 9, 10]]
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        whole = [model(input_ids=torch.tensor([each])).last_hidden_state.mean(1) for each in ids]
        states = lower_states(["a", "b", "c"], _Tokens(ids), model, top, max_tokens=9)
        parts = TopBlocks(model, top).eval()(*states.take(np.array([0, 1, 2])))
    torch.testing.assert_close(parts, torch.cat(whole), atol=2e-3, rtol=2e-3)


class _Tokens:
    """A tokenizer that returns given tokens."""

    all_special_tokens: tuple[str, ...] = ()
    added_tokens_decoder: dict[int, Any] = {}

    def __init__(self, ids: list[list[int]]) -> None:
        self.ids = ids

    def __call__(self, texts: list[str], **_: Any) -> dict[str, Any]:
        return {"input_ids": self.ids}


def test_gradients_in_chunks_equal_those_of_the_whole_batch(
    encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = TokenStates(
        np.random.default_rng(0).normal(size=(30, 8)).astype(np.float16), np.arange(0, 31, 3)
    )
    gradients = []
    for chunk in (100, 4):
        monkeypatch.setattr(training, "CHUNK", chunk)
        torch.manual_seed(0)
        _, model = open_text_model(str(encoder), random=False, seed=0)
        top = TopBlocks(model, 1).eval()
        represent = partial(training.Aligner.represent, _Holder(top), states, np.arange(10))
        (represent() @ torch.ones(8)).logsumexp(0).backward()
        gradients.append([p.grad for p in top.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 4
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


class _Holder:
    def __init__(self, text: TopBlocks) -> None:
        self.text = text


def test_texts_say_what_was_known_before_and_no_label(corpus: Any) -> None:
    rows = aligned_rows(corpus, 100, 2, 0)
    texts = row_texts(corpus, rows, TEMPLATE)
    titles = corpus.catalog.titles
    for row, text in enumerate(texts):
        past = rows.histories[row][::-1]
        end = "|".join(titles[item] for item in past) or "nothing yet"
        assert text.startswith(f"This is an item, title is {titles[rows.items[row]]}, not known.")
        assert text.endswith(f"who has recently chosen {end}.")
        assert "group is" in text
    log = corpus.interactions
    turned = replace(corpus, interactions=replace(log, labels=1 - log.labels))
    again = aligned_rows(turned, 100, 2, 0)
    assert row_texts(turned, again, TEMPLATE) == texts
    train = corpus.split.mask("train")
    assert train[rows.events].all()


def test_rows_are_drawn_by_key(corpus: Any) -> None:
    few, more = (aligned_rows(corpus, most, 2, 0).events for most in (10, 30))
    assert len(few) == 10
    assert len(more) == 30
    assert not np.array_equal(np.sort(few), np.sort(aligned_rows(corpus, 10, 2, 1).events))


def test_permuted_rows_have_the_text_of_another() -> None:
    keys = np.arange(50, dtype=np.uint64)
    others = training.permuted(keys, 0)
    assert sorted(others) == list(range(50))
    assert (others != np.arange(50)).all()


def test_the_served_folder_is_the_click_model(
    plain: Path, encoder: Path, corpus: Any, tmp_path: Path
) -> None:
    folder, settings = plain, section(encoder)
    alone = fitted(settings["base"], corpus, tmp_path)
    files = {file.name: file.stat().st_size for file in folder.rglob("*")}
    assert files == {file.name: file.stat().st_size for file in alone.rglob("*")}
    held_out = click_instances(corpus, "test", 0)
    by_ctrl, by_base = (
        METHODS.get(each["kind"])(**each).load(folder) for each in (settings, settings["base"])
    )
    first = by_ctrl.predict_click(held_out.histories, held_out.items)
    assert np.array_equal(first, by_base.predict_click(held_out.histories, held_out.items))
    assert len(by_ctrl.recommend(held_out.histories, 3).items) == len(held_out)


def test_the_same_seed_gives_the_same_folder(
    plain: Path, encoder: Path, corpus: Any, tmp_path: Path
) -> None:
    assert _bytes(fitted(section(encoder), corpus, tmp_path)) == _bytes(plain)


@pytest.mark.parametrize("name", SWITCHES)
def test_a_control_changes_the_model(
    name: str, plain: Path, encoder: Path, corpus: Any, tmp_path: Path
) -> None:
    changed = fitted(section(encoder, **SWITCHES[name]), corpus, tmp_path)
    assert _bytes(plain) != _bytes(changed)


@pytest.mark.parametrize("kind", ["dcnv2", "deepfm", "din"])
def test_other_click_models_can_be_aligned(
    kind: str, encoder: Path, corpus: Any, tmp_path: Path
) -> None:
    settings = section(encoder)
    base = {"kind": kind, "epochs": 1, "embedding": 4, "hidden": [8]}
    assert fitted({**settings, "base": base}, corpus, tmp_path).is_dir()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": {"kind": "logistic"}}, "click model with a perceptron, got a logistic"),
        ({"base": {"kind": "autoint", "tune": {"l2": [1]}}}, "tune base.KEY"),
        ({"base": {"kind": "genre"}}, "click model with a perceptron, got a genre"),
        ({"texts": {"template": "{label}"}}, "expected the slots .*, got 'label'"),
        ({"alignment": {"width": 9}}, r"a multiple of subspaces \(4\), got 9"),
    ],
)
def test_a_wrong_setting_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Ctrl(**changes)


def test_the_click_model_keeps_its_ids() -> None:
    method = Ctrl(base={"kind": "autoint", "item": "pieces", "ids": "mine"})
    assert method.semantic_ids == "mine"
    assert {*method.query_needs(0)} == {"ids"}


def test_the_click_model_is_tuned_by_dotted_keys() -> None:
    method = Ctrl(tune={"base.l2": (1.0, 2.0)})
    assert [point.base.l2 for point in method.points()] == [1.0, 2.0]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
