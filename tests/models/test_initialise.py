"""A second training begins exactly where the first ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import llama, make_bundle, save_gpt2, save_llama, scratch, some_codes

from p5rec.backbones.config import BackboneConfig, LoraSettings
from p5rec.backbones.merge import merge
from p5rec.core.errors import UserError
from p5rec.core.types import ItemCodes
from p5rec.models.checkpoint import Bundle, BundleSettings, build, load_bundle, save_bundle
from p5rec.models.initialise import resolve_initialisation, initialise_from

SCALE = (1.0, 2.0, 3.0)
DORA = LoraSettings(rank=2, dora=True)


def backbone(kind: str, folder: Path) -> BackboneConfig:
    if kind.startswith("scratch"):
        found = scratch(lora="lora" in kind)
    elif kind.startswith("gpt2"):
        found = llama(save_gpt2(folder), lora=True)
    else:
        found = llama(save_llama(folder), lora=True, quantize="4bit" if "4bit" in kind else None)
    return found.model_copy(update={"lora": DORA}) if "dora" in kind else found


def second(start: Path, settings: BundleSettings, like: Bundle) -> Bundle:
    """A bundle of the same items before its training, begun from ``start``."""
    bundle = build(resolve_initialisation(settings, start), like.layout.codes, like.item_ids)
    initialise_from(start, bundle)
    return bundle


def asked(bundle: Bundle) -> torch.Tensor:
    """Words and items, ``(1, 7)``."""
    items = torch.from_numpy(bundle.layout.items[[3, 8]])
    return torch.cat([torch.tensor([5, 7]), items[0], torch.tensor([9]), items[1]])[None]


@torch.no_grad()
def said(bundle: Bundle) -> list[torch.Tensor]:
    """Logits, an item's states and ratings: all that the weights say."""
    model = bundle.model
    embedded, _ = model.embed(asked(bundle))
    hidden = model.decoder(inputs_embeds=embedded).last_hidden_state
    found = [model.causal(input_ids=asked(bundle)).logits, embedded, *model.heads(hidden[:, -1])]
    return [*found, model.code_head(hidden, embedded)]


@torch.no_grad()
def move(bundle: Bundle) -> None:
    """A training of a kind: all that may move does."""
    for n, (_, p) in enumerate(p for p in bundle.model.named_parameters() if p[1].requires_grad):
        p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(n)))


KINDS = ["scratch", "scratch lora", "llama", "llama 4bit", "llama dora", "gpt2"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_at_the_start_and_all_of_it_is_kept(kind: str, tmp_path: Path) -> None:
    first = make_bundle(backbone(kind, tmp_path / "base"), scale=SCALE, spread=0.3)
    move(first)
    save_bundle(first, tmp_path / "first")
    wider = LoraSettings(rank=8) if first.settings.backbone.lora else None
    settings = first.settings.model_copy(
        update={"backbone": first.settings.backbone.model_copy(update={"lora": wider})}
    )
    now = second(tmp_path / "first", settings, first)
    assert all(map(torch.equal, said(now), said(first)))
    # it trains, and the first adapter does not
    move(now)
    assert not any(map(torch.equal, said(now), said(first)))
    save_bundle(now, tmp_path / "second")
    again = load_bundle(tmp_path / "second")
    assert all(map(torch.equal, said(again), said(now)))
    assert again.settings == now.settings
    if wider is None:
        return
    with torch.no_grad():
        for name, parameter in now.model.named_parameters():
            if ".lora_B.default." in name:
                parameter.zero_()
    assert not torch.equal(said(again)[0], said(now)[0])  # the new adapter has its say
    old, new = first.model.state_dict(), again.model.state_dict()
    kept = [name for name in old if "lora_" in name]
    assert kept
    for name in kept:
        assert torch.equal(old[name], new[name.replace(".default.", ".stage-1.")])
    # a third one on top
    third = second(tmp_path / "second", settings, first)
    assert all(map(torch.equal, said(third), said(again)))
    assert [lora.rank for lora in third.settings.base_adapters] == [
        first.settings.backbone.lora.rank,
        8,
    ]
    # and all of them merge into one
    if "4bit" not in kind:
        wanted = again.model.causal(input_ids=asked(again)).logits
        found = merge(again.model.causal)(input_ids=asked(again)).logits
        assert (found - wanted).abs().max() / wanted.abs().max() < 1e-5


def test_the_new_adapter_looks_another_way_than_the_old_one_did(tmp_path: Path) -> None:
    first = make_bundle(scratch(lora=True))
    save_bundle(first, tmp_path / "first")
    weights = second(tmp_path / "first", first.settings, first).model.state_dict()
    for name in (name for name in weights if ".lora_A.default." in name):
        old, new = weights[name.replace("default", "stage-1")], weights[name]
        assert not torch.equal(old, new)
        assert float(new.std()) == pytest.approx(float(old.std()), rel=0.5)


@pytest.fixture
def first(tmp_path: Path) -> tuple[Path, Bundle]:
    made = make_bundle(scratch(lora=True), scale=SCALE)
    move(made)
    save_bundle(made, tmp_path / "first")
    return tmp_path / "first", made


def parts(bundle: Bundle) -> dict[str, torch.Tensor]:
    model = bundle.model
    return {
        "codes": model.causal.get_input_embeddings().new,
        "items": model.item_embeddings,
        "head": model.code_head.up.weight,
        "ratings": model.heads.regression.weight,
        "adapter": next(p for n, p in model.named_parameters() if "lora_B.stage-1" in n),
    }


def begun(start: Path, made: Bundle, codes: ItemCodes, ids: list[str], **changes: Any) -> Bundle:
    settings = made.settings.model_copy(update=changes)
    return second(start, settings, replace(made, layout=replace(made.layout, codes=codes),
                                           item_ids=ids))  # fmt: skip


def test_other_items_begin_anew_and_the_rest_serves(first: tuple[Path, Bundle]) -> None:
    start, made = first
    old = dict(made.model.named_parameters())
    fresh = build(resolve_initialisation(made.settings, start), made.layout.codes, made.item_ids)
    for sizes in ((6, 5), (7, 4)):
        codes = some_codes(20, sizes, seed=3)
        now = parts(begun(start, made, codes, [f"i{n}" for n in range(20)]))
        assert len(now["codes"]) == sum(sizes)
        assert torch.equal(now["codes"], parts(fresh)["codes"])
        assert not now["items"].any()
        assert torch.equal(now["head"], made.model.code_head.up.weight)
        assert torch.equal(now["ratings"], made.model.heads.regression.weight)
        name = next(n for n in old if "lora_B" in n)
        assert torch.equal(now["adapter"], old[name])


def test_more_items_keep_the_rows_of_those_that_were_there(first: tuple[Path, Bundle]) -> None:
    start, made = first
    order = np.random.default_rng(0).permutation(24)[:22]
    free = {(a, b) for a in range(6) for b in range(5)} - set(map(tuple, made.layout.codes.codes))
    table = np.vstack([made.layout.codes.codes[order], np.array([min(free)], np.int32)])
    ids = [*(f"i{n}" for n in order), "new"]
    now = parts(begun(start, made, ItemCodes(table, (6, 5), "more"), ids))
    assert torch.equal(now["codes"], made.model.causal.get_input_embeddings().new)
    assert torch.equal(now["items"][:22], made.model.item_embeddings[torch.from_numpy(order)])
    assert not now["items"][22].any()


def test_heads_of_another_scale_begin_anew(first: tuple[Path, Bundle]) -> None:
    start, made = first
    codes, ids = made.layout.codes, list(made.item_ids)
    now = parts(begun(start, made, codes, ids, scale=(1.0, 5.0)))
    assert not now["ratings"].any()
    assert torch.equal(now["head"], made.model.code_head.up.weight)
    assert begun(start, made, codes, ids, scale=()).model.heads is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lora": None}, "another backbone.lora;"),
        (
            {"items": "tokens", "item_embeddings": False},
            r"another backbone.items, backbone.item_embeddings;",
        ),
        ({"seed": 1}, "another train.seed, under which its frozen weights were drawn;"),
    ],
)
def test_another_backbone_is_refused(first: tuple[Path, Bundle], change: Any, says: str) -> None:
    start, made = first
    if "seed" in change:
        settings = made.settings.model_copy(update=change)
    else:
        backbone = made.settings.backbone.model_copy(update=change)
        settings = made.settings.model_copy(update={"backbone": backbone})
    with pytest.raises(UserError, match=says) as caught:
        resolve_initialisation(settings, start)
    assert len(caught.value.lines) == 1


def test_a_damaged_start_is_refused(first: tuple[Path, Bundle]) -> None:
    start, made = first
    (start / "adapter" / "adapter_model.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="expected the file that was saved"):
        resolve_initialisation(made.settings, start)
