"""M6-Rec: masks, cached states, options, adapters, distillation, retrieval, and what is served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny_models import save_llama
from topic_world import fitted, topic_world

from p5rec.backbones.attention import additive
from p5rec.backbones.decoder import Blocks
from p5rec.backbones.load import load_backbone
from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.scratch import Scratch
from p5rec.backbones.split_decoder import split_decoder
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.click_instances import click_instances
from p5rec.data.split import instances
from p5rec.methods.registry import METHODS
from p5rec.methods.systems.m6rec.method import M6Rec, M6RecZeroShot
from p5rec.methods.systems.m6rec.segments import Segments, read_segments, write_segments
from p5rec.methods.systems.m6rec.settings import SEGMENTS, TEACHER
from p5rec.methods.systems.m6rec.training import untrained
from p5rec.models.segments import add_adapters, prefix_mask

pytestmark = pytest.mark.system("m6-rec")
SCRATCH = {"kind": "scratch", "width": 16, "layers": 2, "heads": 2, "feedforward": 16, "dropout": 0}
SMALL: dict[str, Any] = {
    "history": 2, "rows": 40, "batch": 8, "epochs": 1, "patience": 0, "soft_prompts": 3,
    "adapter_rank": 2, "tune": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"name": str(save_llama(tmp_path_factory.mktemp("llama"), tied=True)), "lora": None}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return topic_world(users=20, items=12, events=9)


def section(backbone: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A method with settings that are fast to fit."""
    return {"kind": "m6-rec", "backbone": backbone, **SMALL, **changes}


def opened(given: dict[str, Any], model: Path) -> Any:
    return METHODS.get(given["kind"])(**given).load(model)


def segments_in(model: Path) -> Any:
    return read_segments(model.parent / SEGMENTS)


def test_the_prefix_sees_itself_and_later_positions_all_before_them() -> None:
    mask = prefix_mask(torch.tensor([2, 0]), torch.tensor([4, 3]), 5)
    assert mask[0, :4].int().tolist() == [
        [1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0],
    ]  # fmt: skip
    assert mask[1, :3].int().tolist() == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]
    assert mask.any(2).all()


@pytest.mark.parametrize("kind", ["llama", "scratch"])
@pytest.mark.parametrize("cached", [0, 1])
def test_states_from_the_cache_equal_one_pass_over_all_tokens(
    kind: str, cached: int, llama: dict[str, Any], corpus: Corpus, tmp_path: Path
) -> None:
    """In the pass, segments are apart in the lower blocks, and the prefix mask is above them."""
    backbone = llama if kind == "llama" else SCRATCH
    method = M6Rec(**section(backbone, cached_layers=cached))
    embedded, stored = (
        stored_segments(method.model_copy(update={"cached_layers": n}), corpus, tmp_path / f"{n}")
        for n in (0, cached)
    )
    reader = untrained(method, stored, 0)
    test = click_instances(corpus, "test", 0)
    sequences = reader.sequences(test.histories, stored.items[test.items])
    ends = reader.ends(sequences)
    parts = split_decoder(load_backbone(method.backbone, (), 0).causal.eval(), cached)
    for row in (0, len(sequences) - 1):
        numbers = sequences.take(np.array([row])).segments
        texts = [torch.from_numpy(embedded.states.states[a:b]) for a, b in spans(embedded, numbers)]
        recomputed = one_pass(*parts, [reader.model.prompts.detach(), *texts])
        torch.testing.assert_close(ends[row], recomputed, atol=1e-5, rtol=1e-5)


def stored_segments(method: M6Rec, corpus: Corpus, folder: Path) -> Segments:
    folder.mkdir(exist_ok=True)
    write_segments(method, 0, corpus, {}, folder)
    return read_segments(folder)


def spans(segments: Segments, numbers: np.ndarray) -> list[tuple[int, int]]:
    offsets = segments.states.offsets
    return [(offsets[n], offsets[n + 1]) for n in numbers]


@torch.no_grad()
def one_pass(below: Any, above: Any, parts: list[torch.Tensor]) -> torch.Tensor:
    """The last state of embedded ``parts``: prompts, segments of the prefix, the last one."""
    lengths = torch.tensor([len(part) for part in parts])
    states, length = torch.cat(parts)[None], int(lengths.sum())
    if not isinstance(below, torch.nn.Identity):
        part = torch.repeat_interleave(torch.arange(len(parts)), lengths)
        at = torch.arange(length)
        apart = ((part[:, None] == part) & (at <= at[:, None]))[None, None]
        if not isinstance(below.blocks, Blocks):
            apart = additive(apart, states.dtype)
        states = below.blocks(
            inputs_embeds=states,
            attention_mask=apart,
            position_ids=(at - (lengths.cumsum(0) - lengths)[part])[None],
            use_cache=False,
        ).last_hidden_state
    mask = prefix_mask(lengths[:-1].sum()[None], torch.tensor([length]), length)
    end: torch.Tensor = above(states, mask, torch.arange(length)[None])[0, -1]
    return end


def test_ranking_reads_the_history_once_and_scores_as_pairs(
    llama: dict[str, Any], corpus: Corpus, tmp_path: Path
) -> None:
    for backbone in (llama, SCRATCH):
        given = section(backbone, cached_layers=1, tuning="full")
        model = opened(given, fitted(given, corpus, tmp_path))
        test = click_instances(corpus, "test", 0).take(np.arange(5))
        by_item = model.scores(test.histories, np.arange(12))
        pairs = model.predict_click(test.histories, test.items)
        np.testing.assert_allclose(by_item[np.arange(5), test.items], pairs, atol=1e-5)
        alone = model.scores(test.histories.take(np.array([3])), np.array([7, 2]))
        assert np.array_equal(alone[0], by_item[3, [7, 2]])


def test_the_last_soft_prompts_are_the_class_weights(corpus: Corpus, tmp_path: Path) -> None:
    given = section(SCRATCH, cached_layers=1, tuning="option")
    model = opened(given, fitted(given, corpus, tmp_path))
    test = click_instances(corpus, "test", 0)
    reader = model.reader
    hidden = reader.ends(reader.sequences(test.histories, reader.segments.items[test.items]))
    no, yes = reader.model.prompts.detach()[-2:]
    wanted = (hidden @ (yes - no) / 4).sigmoid().numpy()  # 4 is the root of the width
    np.testing.assert_allclose(model.predict_click(test.histories, test.items), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("tuning", "trained", "frozen"),
    [
        ("option", ["prompts"], [".mlp.", ".attention."]),
        ("option-adapter", ["prompts", ".down.", ".up."], [".inner.", ".attention.", "norm"]),
        ("full", ["prompts", ".mlp.", ".attention.", "norm"], []),
    ],
)
def test_only_what_is_tuned_is_trained(
    tuning: str, trained: list[str], frozen: list[str], corpus: Corpus, tmp_path: Path
) -> None:
    method = M6Rec(**section(SCRATCH, cached_layers=1, tuning=tuning))
    reader = untrained(method, stored_segments(method, corpus, tmp_path), 0)
    free = [name for name, each in reader.model.named_parameters() if each.requires_grad]
    assert all(any(part in name for name in free) for part in trained)
    assert not any(part in name for name in free for part in [*frozen, "lower"])


def test_the_option_adapter_trains_few_weights() -> None:
    """With the default prompts and adapters, six blocks as wide as SmolLM2's."""
    sizes = {"width": 576, "feedforward": 2304, "layers": 6, "heads": 9}
    network = load_backbone(Scratch(**{**SCRATCH, **sizes}), (), 0, empty=True).causal
    method = M6Rec(cached_layers=3)
    parts = split_decoder(network, method.cached_layers)
    blocks = sum(each.numel() for part in parts for each in part.parameters())
    adapters = add_adapters(parts[1], 576, method.adapter_rank)
    trained = sum(each.numel() for each in adapters) + method.soft_prompts * 576
    assert trained <= 0.015 * blocks


def test_saved_equals_reloaded_and_equal_seeds_give_equal_folders(
    corpus: Corpus, tmp_path: Path
) -> None:
    given = section(SCRATCH, cached_layers=1)
    one, two = (fitted(given, corpus, tmp_path) for _ in range(2))
    assert _bytes(one) == _bytes(two)
    assert _bytes(one) != _bytes(fitted({**given, "permuted": True}, corpus, tmp_path))
    test, row = click_instances(corpus, "test", 0), np.array([7])
    together, again = (
        opened(given, one).predict_click(test.histories, test.items) for _ in range(2)
    )
    assert np.array_equal(together, again)
    alone = opened(given, one).predict_click(test.histories.take(row), test.items[row])
    assert alone[0] == together[7]


def test_permuted_items_have_the_texts_of_others(corpus: Corpus, tmp_path: Path) -> None:
    segments = stored_segments(M6Rec(**section(SCRATCH)), corpus, tmp_path)
    permuted = segments.permuted(corpus.interactions.item_keys, 0)
    assert sorted(permuted.items) == sorted(segments.items)
    assert (permuted.items != segments.items).all()
    where = {item: row for row, item in enumerate(segments.items)}
    rows = [where[item] for item in permuted.items]
    assert np.array_equal(permuted.behaviours, segments.behaviours[rows])


def test_a_fit_reads_no_test_events(corpus: Corpus, tmp_path: Path) -> None:
    given, log = section(SCRATCH), corpus.interactions
    turned = np.where(corpus.split.mask("test"), 1 - log.labels, log.labels).astype(np.int8)
    altered = replace(corpus, interactions=replace(log, labels=turned))
    one, two = (fitted(given, each, tmp_path) for each in (corpus, altered))
    assert _bytes(one) == _bytes(two)


def test_users_are_their_texts_and_events(corpus: Corpus, tmp_path: Path) -> None:
    model = opened(section(SCRATCH), fitted(section(SCRATCH), corpus, tmp_path))
    test, users = click_instances(corpus, "test", 0), model.reader.segments.users
    own = model.predict_click(test.histories, test.items)
    alike = [np.flatnonzero(users[:-1] == users[user])[-1] for user in test.users]
    others = replace(test.histories, users=np.array(alike, np.int32))
    assert (others.users != test.users).any()
    assert np.array_equal(model.predict_click(others, test.items), own)
    nobody = replace(test.histories, users=np.full(len(test), -1, np.int32))
    assert not np.array_equal(model.predict_click(nobody, test.items), own)


def test_a_student_learns_from_its_teacher(corpus: Corpus, tmp_path: Path) -> None:
    teacher = M6Rec(**section(SCRATCH))
    student = M6Rec(**section(SCRATCH, teacher="teacher", distillation=1.0))
    resolved = student.resolve_names({"teacher": teacher, "student": student}, exclude_seen=True)
    assert resolved.needs(0)[TEACHER].method == resolved.teacher == teacher
    inputs = {TEACHER: fitted(teacher.dump(), corpus, tmp_path), SEGMENTS: tmp_path / "segments"}
    stored_segments(resolved, corpus, inputs[SEGMENTS])
    folders = []
    for name, method in (("with", resolved), ("without", teacher)):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        method.fit(corpus, folders[-1], seed=0, inputs=inputs)
    assert _bytes(folders[0]) != _bytes(folders[1])
    with pytest.raises(UserError, match="or the name of an m6-rec, got 'teacher'"):
        student.resolve_names({"student": student}, exclude_seen=True)


def test_retrieval_ranks_every_item_once(corpus: Corpus, tmp_path: Path) -> None:
    given = {**section(SCRATCH), "kind": "m6-rec-retrieval", "width": 4}
    model = opened(given, fitted(given, corpus, tmp_path))
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    lists = model.recommend(histories, 12, exclude_seen=False)
    assert (np.sort(lists.items, axis=1) == np.arange(12)).all()
    assert model.item_vectors().shape == (12, 4)
    np.testing.assert_allclose(np.linalg.norm(model.item_vectors(), axis=1), 1, rtol=1e-5)
    one = model.recommend(histories.take(np.array([2])), 12, exclude_seen=False)
    assert np.array_equal(one.scores[0], lists.scores[2])


def test_zero_shot_scores_are_likelihoods_of_titles(
    llama: dict[str, Any], corpus: Corpus, tmp_path: Path
) -> None:
    given = {"kind": "m6-rec-zero-shot", "backbone": llama, "history": 2}
    model = opened(given, fitted(given, corpus, tmp_path))
    test = click_instances(corpus, "test", 0).take(np.arange(6))
    titles = corpus.catalog.titles
    liked = test.histories.where(test.histories.labels != 0)[0][-2:]
    prompt = f"A user who likes {', '.join(titles[item] for item in liked)} also likes"
    after, neutral = (
        mean_log(llama, text, f" {titles[test.items[0]]}")
        for text in (prompt, M6RecZeroShot().neutral)
    )
    clicks = model.predict_click(test.histories, test.items)
    np.testing.assert_allclose(clicks[0], 1 / (1 + np.exp(neutral - after)), rtol=1e-4)
    assert model.predict_click(test.histories.take(np.array([3])), test.items[3:4])[0] == clicks[3]


@torch.no_grad()
def mean_log(llama: dict[str, Any], before: str, text: str) -> float:
    """The mean log-likelihood of the tokens of ``text`` after ``before``."""
    backbone = load_backbone(Pretrained(**llama, dtype="float32"), (), 0)
    tokenizer = backbone.vocabulary.tokenizer
    first, second = (tokenizer(each)["input_ids"] for each in (before, text))
    ids = torch.tensor([[backbone.vocabulary.bos, *first, *second]])
    logs = backbone.causal(ids).logits[0, :-1].log_softmax(-1)
    return float(logs.gather(1, ids[0, 1:, None])[-len(second) :].mean())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"texts": {"item": "{label}"}}, "expected the slots .*, got 'label'"),
        ({"soft_prompts": 1}, "greater than or equal to 2"),
    ],
)
def test_a_wrong_setting_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        M6Rec(**changes)


def test_more_cached_layers_than_there_are_is_one_line(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected fewer than the backbone's 2 layers, got 2"):
        stored_segments(M6Rec(**section(SCRATCH, cached_layers=2)), corpus, tmp_path)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
