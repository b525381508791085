"""Saved bundles load unchanged, and damaged files are reported."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import score_codes
from tiny_models import llama, make_bundle, save_llama, save_t5, scratch, some_codes

from p5rec.backbones.config import LoraSettings
from p5rec.core.errors import UserError
from p5rec.core.examples import Example
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Histories
from p5rec.ids.files import load_codes, save_codes
from p5rec.models.bundle import Bundle, BundleSettings, build
from p5rec.models.checkpoint import load_bundle, save_bundle
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.recommend.prompt_predictions import encode_prompts, generate_texts
from p5rec.recommend.ratings import estimate_ratings

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
PROMPTS = [
    Example(f"Will user {n} like <a_{n}><b_1>?", "yes", "rating", "rating.v1", rating=4.0)
    for n in range(4)
]
HISTORIES = Histories(
    np.arange(3, dtype=np.int32),
    np.array([1, 2, 3, 4, 5, 6, 7], dtype=np.int32),
    np.array([0, 4, 4, 7]),
)


@pytest.fixture(
    scope="module",
    params=[
        "scratch",
        "scratch lora",
        "scratch dora",
        "new-t5 lora",
        "llama lora",
        "llama 4bit",
        "llama 8bit",
        "t5 lora",
    ],
)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    kind = request.param.split()[0]
    if kind in ("scratch", "new-t5"):
        shape = "decoder" if kind == "scratch" else "t5"
        config = scratch(lora=request.param.endswith("lora"), shape=shape)
        if request.param.endswith("dora"):
            config = config.model_copy(update={"lora": LoraSettings(rank=4, dora=True)})
    else:
        save = save_llama if kind == "llama" else save_t5
        folder = save(tmp_path_factory.mktemp("base"))
        bits = next((bits for bits in ("4bit", "8bit") if request.param.endswith(bits)), None)
        config = llama(folder, lora=True, quantize=bits)
    made = make_bundle(config, some_codes(), scale=SCALE, tasks=("next-item", "rating"))
    torch.nn.init.normal_(made.model.heads.regression.weight, std=0.1)
    return made


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(bundle, tmp_path / "bundle", {"steps": 3})
    return tmp_path / "bundle"


def outputs(bundle: Bundle) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    decode = DecodeConfig(k=8, beams=24, max_new_tokens=6)
    ready = bundle.ready()
    lists = GenerativeRecommender(ready, decode).recommend(HISTORIES, 8)
    ratings, texts = (
        np.stack(list(estimate_ratings(ready, encode_prompts(ready, PROMPTS), decode).values())),
        generate_texts(ready, PROMPTS, decode),
    )
    return lists.items, lists.scores, ratings, texts


@pytest.mark.system("p5")
def test_a_reloaded_bundle_has_identical_outputs(bundle: Bundle, saved: Path) -> None:
    items, scores, ratings, texts = outputs(bundle)
    again = load_bundle(saved)
    other = outputs(again)
    assert np.array_equal(items, other[0])
    assert np.array_equal(scores, other[1])
    assert np.array_equal(ratings, other[2])
    assert texts == other[3]
    assert again.settings == bundle.settings
    assert again.item_ids == bundle.item_ids
    assert len(set(map(str, items))) > 1  # outputs depend on the request
    assert len(set(ratings[0].tolist())) > 1


def test_frozen_weights_are_referenced_not_copied(bundle: Bundle, saved: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    files = {p.relative_to(saved).as_posix() for p in saved.rglob("*") if p.is_file()}
    assert files == {*manifest["files"], "manifest.json"}
    assert manifest["about"] == {"steps": 3}
    assert all(p.suffix in (".json", ".safetensors", ".jinja", ".md") for p in saved.rglob("*.*"))
    size = sum(p.stat().st_size for p in saved.rglob("*.safetensors"))
    adapted = bundle.settings.backbone.lora is not None
    full = sum(p.numel() * p.element_size() for p in bundle.model.parameters())
    assert (size < full / 2) == adapted


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
    "codes/items.json",
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


def test_all_damaged_files_are_in_one_error(one: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(one, folder)
    for name in FILES:
        (folder / name).unlink()
    with pytest.raises(UserError) as caught:
        load_bundle(folder)
    assert len(caught.value.lines) == len(FILES)


@pytest.mark.parametrize(
    ("content", "message"),
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
def test_an_invalid_manifest_is_an_error(
    one: Path, tmp_path: Path, content: str | None, message: str
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(one, folder)
    if content is None:
        (folder / "manifest.json").unlink()
    else:
        (folder / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        load_bundle(folder)
    assert all("\n" not in line for line in caught.value.lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": [1.0, 2.0]}, "expected weights of this shape"),
        ({"scale": []}, "expected this model's weights"),
        ({"backbone": {"kind": "scratch"}}, "expected this model's weights"),
    ],
)
def test_settings_that_do_not_match_the_weights_are_an_error(
    one: Path, tmp_path: Path, change: dict, message: str
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(one, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"].update(change)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=message) as caught:
        load_bundle(folder)
    assert len(caught.value.lines) == 1
    assert "\n" not in caught.value.lines[0]


def test_codes_of_another_item_table_are_refused(one: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(one, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["codes/items.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "codes/items.json").write_text(json.dumps(["x"] * 24))
    with pytest.raises(UserError, match=r"items\.json: expected the items of codes\.json"):
        load_bundle(folder)


def test_building_is_deterministic_with_its_own_seed() -> None:
    codes, ids = some_codes(), [f"i{n}" for n in range(24)]
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        settings = BundleSettings(backbone=scratch(lora=True), seed=5, scale=SCALE)
        states.append(build(settings, codes, ids).model.state_dict())
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


@pytest.fixture
def extended(tmp_path: Path) -> tuple[Path, Path, Bundle]:
    """A bundle of 20 items with item embeddings; codes of them and 4 more in another order."""
    full = some_codes(24)
    old = ItemCodes(full.codes[:20], full.sizes, full.scheme)
    made = make_bundle(scratch(), old)
    with torch.no_grad():
        made.model.item_embeddings.normal_()
    save_bundle(made, tmp_path / "bundle")
    order = np.random.default_rng(1).permutation(24)
    names = [made.item_ids[row] if row < 20 else f"new{row}" for row in order]
    save_codes(ItemCodes(full.codes[order], full.sizes, "x"), tmp_path / "ids", names)
    return tmp_path / "bundle", tmp_path / "ids", made


@torch.no_grad()
def test_extended_codes_add_items_and_keep_the_others(
    extended: tuple[Path, Path, Bundle],
) -> None:
    folder, ids, made = extended
    bundle = load_bundle(folder, ids)
    assert len(bundle.item_ids) == len(bundle.layout.codes) == 24
    index = {item: row for row, item in enumerate(bundle.item_ids)}
    for row, item in enumerate(made.item_ids):
        now = index[item]
        assert bundle.layout.items[now].tolist() == made.layout.items[row].tolist()
        assert torch.equal(bundle.model.item_embeddings[now], made.model.item_embeddings[row])
        inputs = torch.from_numpy(made.layout.items[row])[None]
        assert torch.equal(bundle.model.embed(inputs)[0], made.model.embed(inputs)[0])
    new = [row for item, row in index.items() if item.startswith("new")]
    assert len(new) == 4
    assert not bundle.model.item_embeddings[new].any()
    users = np.zeros(1, np.int32)
    history = Histories(users, np.array([index[made.item_ids[0]]], np.int32), np.array([0, 1]))
    decode = DecodeConfig(k=23, beams=24)
    trained = replace(bundle, settings=bundle.settings.model_copy(update={"tasks": ("next-item",)}))
    lists = GenerativeRecommender(trained.ready(), decode).recommend(history, 23)
    assert set(new) <= set(lists.items[0].tolist())


def test_codes_that_are_no_extension_are_refused(extended: tuple[Path, Path, Bundle]) -> None:
    folder, ids, made = extended
    codes = load_codes(ids)
    wide = ItemCodes(codes.codes, (7, 5), codes.scheme)
    save_codes(wide, ids, [*made.item_ids, "a", "b", "c", "d"])
    with pytest.raises(UserError, match="expected levels of 6, 5 codes, as the model's"):
        load_bundle(folder, ids)
    save_codes(codes, ids, [*made.item_ids, "a", "b", "c", "d"])
    with pytest.raises(UserError, match=r"the codes of its training, got \d+ with other codes"):
        load_bundle(folder, ids)
    save_codes(codes, ids, [f"other{n}" for n in range(24)])
    with pytest.raises(UserError, match="got none of its items"):
        load_bundle(folder, ids)


@torch.no_grad()
def test_items_that_share_codes_are_ranked_by_their_number_only() -> None:
    pairs = np.array([[a, b, n] for a in range(3) for b in range(2) for n in range(2)], np.int32)
    codes = ItemCodes(pairs, (3, 2, 2), "shared", tied=True)
    bundle = make_bundle(scratch(item_embeddings=False), codes).ready()
    ids = torch.from_numpy(bundle.layout.items[[3, 7]]).reshape(1, -1)
    catalogue = torch.from_numpy(pairs).long()
    scores = score_codes(bundle.model, ids, torch.ones_like(ids), catalogue)[0].reshape(-1, 2)
    assert scores.exp().sum() == pytest.approx(1, abs=1e-5)
    # within a pair the first comes first, by the same factor everywhere
    torch.testing.assert_close(scores[:, 0] - scores[:, 1], torch.ones(6), rtol=0, atol=1e-4)
    # the search agrees with the oracle
    settings = bundle.settings.model_copy(update={"tasks": ("next-item",)})
    history = Histories(np.zeros(1, np.int32), np.array([3, 7], np.int32), np.array([0, 2]))
    trained = replace(bundle, settings=settings)
    lists = GenerativeRecommender(trained, DecodeConfig(k=12, beams=12)).recommend(
        history, 12, exclude_seen=False
    )
    start = torch.tensor([[bundle.bos]])
    inputs = torch.cat([start, ids], dim=1)
    expected = score_codes(bundle.model, inputs, torch.ones_like(inputs), catalogue)[0]
    torch.testing.assert_close(torch.from_numpy(lists.scores[0]), expected[lists.items[0].tolist()])
    # and the other item of a pair gives the same scores
    other = torch.from_numpy(bundle.layout.items[[2, 6]]).reshape(1, -1)
    again = score_codes(bundle.model, other, torch.ones_like(other), catalogue)[0].reshape(-1, 2)
    torch.testing.assert_close(again, scores)
    with pytest.raises(ValueError, match="need items: positions, and item_embeddings: false"):
        make_bundle(scratch(), codes)


def test_a_saved_adapter_depends_on_no_path_and_no_order_of_a_set(tmp_path: Path) -> None:
    backbone = llama(save_llama(tmp_path / "base"), lora=True)
    bundle = make_bundle(backbone, some_codes())
    bundle.model.lm.peft_config["default"].base_model_name_or_path = "/home/somebody/cache/base"
    save_bundle(bundle, tmp_path / "saved")
    config = json.loads((tmp_path / "saved/adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == backbone.source
    assert len(config["target_modules"]) > 1
    assert config["target_modules"] == sorted(config["target_modules"])
    for file in (path for path in (tmp_path / "saved").rglob("*") if path.is_file()):
        assert str(tmp_path).encode() not in file.read_bytes().replace(
            backbone.source.encode(), b""
        )
