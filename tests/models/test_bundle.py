"""What is saved comes back the same, and what is damaged is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import llama, make_bundle, save_llama, scratch, some_codes

from p5rec.core.errors import UserError
from p5rec.core.types import Example, Histories
from p5rec.models.checkpoint import Bundle, BundleSettings, build, load_bundle, save_bundle
from p5rec.recommend.answers import encode_all, rate, write
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
QUESTIONS = [
    Example(f"Will user {n} like <a_{n}><b_1>?", "yes", "rating", "rating.v1", rating=4.0)
    for n in range(4)
]
ASKED = Histories(
    np.arange(3, dtype=np.int32),
    np.array([1, 2, 3, 4, 5, 6, 7], dtype=np.int32),
    np.array([0, 4, 4, 7]),
)


@pytest.fixture(scope="module", params=["scratch", "scratch lora", "llama lora", "llama 4bit"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    if request.param.startswith("scratch"):
        config = scratch(lora=request.param.endswith("lora"))
    else:
        folder = save_llama(tmp_path_factory.mktemp("base"))
        bits = "4bit" if request.param.endswith("4bit") else None
        config = llama(folder, lora=True, quantize=bits)
    made = make_bundle(config, some_codes(), scale=SCALE, tasks=("dense", "rating"))
    torch.nn.init.normal_(made.model.heads.regression.weight, std=0.1)
    return made


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(bundle, tmp_path / "bundle", {"steps": 3})
    return tmp_path / "bundle"


def answers(bundle: Bundle) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    decode = DecodeConfig(k=8, beams=24, max_new_tokens=6)
    ready = bundle.ready()
    lists = GenerativeRecommender(ready, decode, "tiny").recommend(ASKED, 8)
    ratings, texts = (
        rate(ready, encode_all(ready, QUESTIONS), decode),
        write(ready, QUESTIONS, decode),
    )
    return lists.items, lists.scores, ratings, texts


def test_the_reloaded_answer_alike_to_the_bit(bundle: Bundle, saved: Path) -> None:
    items, scores, ratings, texts = answers(bundle)
    again = load_bundle(saved)
    other = answers(again)
    assert np.array_equal(items, other[0])
    assert np.array_equal(scores, other[1])
    assert np.array_equal(ratings, other[2])
    assert texts == other[3]
    assert again.settings == bundle.settings
    assert again.item_ids == bundle.item_ids
    assert len(set(map(str, items))) > 1  # the model does tell requests apart
    assert len(set(ratings.tolist())) > 1


def test_the_frozen_weights_are_named_not_copied(bundle: Bundle, saved: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    files = {p.relative_to(saved).as_posix() for p in saved.rglob("*") if p.is_file()}
    assert files == {*manifest["files"], "manifest.json"}
    assert manifest["about"] == {"steps": 3}
    assert all(p.suffix in (".json", ".safetensors", ".jinja", ".md") for p in saved.rglob("*.*"))
    size = sum(p.stat().st_size for p in saved.rglob("*.safetensors"))
    adapted = bundle.settings.backbone.lora is not None
    whole = sum(p.numel() * p.element_size() for p in bundle.model.parameters())
    assert (size < whole / 2) == adapted


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one") / "bundle"
    save_bundle(make_bundle(scratch(lora=True), scale=SCALE), folder)
    return folder


FILES = [
    "trained.safetensors",
    "adapter/adapter_model.safetensors",
    "codes/codes.safetensors",
    "codes/codes.json",
    "items.json",
    "prompts.json",
    "tokenizer/tokenizer.json",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_every_damaged_file_is_named_in_one_line(
    one: Path, tmp_path: Path, name: str, damage: str
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(one, folder)
    data = bytearray((folder / name).read_bytes())
    if damage == "missing":
        (folder / name).unlink()
    elif damage == "truncated":
        (folder / name).write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)
    with pytest.raises(UserError) as caught:
        load_bundle(folder)
    assert list(caught.value.lines) == [
        f"{folder / name}: expected the file that was saved, got a missing or changed one; "
        "copy the folder anew or train again"
    ]


def test_all_damaged_files_are_told_at_once(one: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(one, folder)
    for name in FILES:
        (folder / name).unlink()
    with pytest.raises(UserError) as caught:
        load_bundle(folder)
    assert len(caught.value.lines) == len(FILES)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "expected a trained model's folder, got no manifest.json"),
        ("{", "expected valid JSON"),
        ("[]", "expected a manifest, got another file"),
        ("{}", "expected a manifest, got another file"),
        ('{"files": [], "settings": {}}', "expected a manifest, got another file"),
        ('{"files": {}, "settings": 3}', "expected a manifest, got another file"),
        ('{"files": {}, "settings": {"sed": 1}}', "expected a known key, got 'sed'"),
    ],
)
def test_a_manifest_that_is_none_is_told(
    one: Path, tmp_path: Path, content: str | None, says: str
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(one, folder)
    if content is None:
        (folder / "manifest.json").unlink()
    else:
        (folder / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=says) as caught:
        load_bundle(folder)
    assert all("\n" not in line for line in caught.value.lines)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scale": [1.0, 2.0]}, "expected weights of this shape"),
        ({"scale": []}, "expected this model's weights"),
        ({"backbone": {"name": "scratch", "lora": None}}, "expected this model's weights"),
    ],
)
def test_settings_that_do_not_fit_the_weights_are_told(
    one: Path, tmp_path: Path, change: dict, says: str
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(one, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"].update(change)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=says) as caught:
        load_bundle(folder)
    assert len(caught.value.lines) == 1
    assert "\n" not in caught.value.lines[0]


def test_codes_of_another_item_table_are_refused(one: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(one, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["items.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "items.json").write_text(json.dumps(["x"] * 24))
    with pytest.raises(UserError, match="expected codes made for this item table"):
        load_bundle(folder)


def test_building_is_deterministic_and_draws_from_its_own_seed() -> None:
    codes, ids = some_codes(), [f"i{n}" for n in range(24)]
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        settings = BundleSettings(backbone=scratch(lora=True), seed=5, scale=SCALE)
        states.append(build(settings, codes, ids).model.state_dict())
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
