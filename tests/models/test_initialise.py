"""A second training is initialised exactly from the first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import llama, logits_of, make_bundle, save_gpt2, save_llama, scratch, some_codes

from p5rec.backbones.config import BackboneConfig, LoraSettings
from p5rec.backbones.merge import merge
from p5rec.core.errors import UserError
from p5rec.core.item_codes import ItemCodes
from p5rec.models.bundle import Bundle, BundleSettings, build
from p5rec.models.checkpoint import load_bundle, save_bundle
from p5rec.models.initialise import initialise_from, resolve_initialisation

SCALE = (1.0, 2.0, 3.0)
DORA = LoraSettings(rank=2, dora=True)


def backbone(kind: str, folder: Path) -> BackboneConfig:
    if kind.startswith("scratch"):
        actual = scratch(lora="lora" in kind)
    elif kind.startswith("gpt2"):
        actual = llama(save_gpt2(folder), lora=True)
    else:
        actual = llama(save_llama(folder), lora=True, quantize="4bit" if "4bit" in kind else None)
    return actual.model_copy(update={"lora": DORA}) if "dora" in kind else actual


def second(start: Path, settings: BundleSettings, like: Bundle) -> Bundle:
    """An untrained bundle of the same items, initialised from ``start``."""
    bundle = build(resolve_initialisation(settings, start), like.layout.codes, like.item_ids)
    initialise_from(start, bundle)
    return bundle


def inputs(bundle: Bundle) -> torch.Tensor:
    """Words and items, ``(1, 7)``."""
    items = torch.from_numpy(bundle.layout.items[[3, 8]])
    return torch.cat([torch.tensor([5, 7]), items[0], torch.tensor([9]), items[1]])[None]


@torch.no_grad()
def outputs(bundle: Bundle) -> list[torch.Tensor]:
    """Logits, embeddings, ratings and code states."""
    model = bundle.model
    embedded, _ = model.embed(inputs(bundle))
    hidden = model.decoder(inputs_embeds=embedded).last_hidden_state
    actual = [logits_of(bundle, inputs(bundle)), embedded, *model.heads(hidden[:, -1])]
    return [*actual, model.code_head(hidden, embedded)]


@torch.no_grad()
def move(bundle: Bundle) -> None:
    """Changes all trainable weights, like a training."""
    for n, (_, p) in enumerate(p for p in bundle.model.named_parameters() if p[1].requires_grad):
        p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(n)))


KINDS = ["scratch", "scratch lora", "llama", "llama 4bit", "llama dora", "gpt2"]


@pytest.mark.parametrize("kind", KINDS)
def test_initialisation_keeps_all_outputs_and_is_saved(kind: str, tmp_path: Path) -> None:
    first = make_bundle(backbone(kind, tmp_path / "base"), scale=SCALE, std=0.3)
    move(first)
    save_bundle(first, tmp_path / "first")
    wider = LoraSettings(rank=8) if first.settings.backbone.lora else None
    settings = first.settings.model_copy(
        update={"backbone": first.settings.backbone.model_copy(update={"lora": wider})}
    )
    now = second(tmp_path / "first", settings, first)
    assert all(map(torch.equal, outputs(now), outputs(first)))
    # the new adapter is trained, the first one is not
    move(now)
    assert not any(map(torch.equal, outputs(now), outputs(first)))
    save_bundle(now, tmp_path / "second")
    again = load_bundle(tmp_path / "second")
    assert all(map(torch.equal, outputs(again), outputs(now)))
    assert again.settings == now.settings
    if wider is None:
        return
    with torch.no_grad():
        for name, parameter in now.model.named_parameters():
            if ".lora_B.default." in name:
                parameter.zero_()
    assert not torch.equal(outputs(again)[0], outputs(now)[0])  # the new adapter has an effect
    old, new = first.model.state_dict(), again.model.state_dict()
    adapters = [name for name in old if "lora_" in name]
    assert adapters
    for name in adapters:
        assert torch.equal(old[name], new[name.replace(".default.", ".stage-1.")])
    # a third training
    third = second(tmp_path / "second", settings, first)
    assert all(map(torch.equal, outputs(third), outputs(again)))
    assert [lora.rank for lora in third.settings.base_adapters] == [
        first.settings.backbone.lora.rank,
        8,
    ]
    # all adapters can be merged
    if "4bit" not in kind:
        expected = logits_of(again, inputs(again))
        actual = merge(again.model.causal)(input_ids=inputs(again)).logits
        assert (actual - expected).abs().max() / expected.abs().max() < 1e-5


def test_the_new_adapter_differs_from_the_base_adapter(tmp_path: Path) -> None:
    first = make_bundle(scratch(lora=True))
    save_bundle(first, tmp_path / "first")
    weights = second(tmp_path / "first", first.settings, first).model.state_dict()
    for name in (name for name in weights if ".lora_A.default." in name):
        old, new = weights[name.replace("default", "stage-1")], weights[name]
        assert not torch.equal(old, new)
        assert float(new.std()) == pytest.approx(float(old.std()), rel=0.5)


@pytest.fixture
def first(tmp_path: Path) -> tuple[Path, Bundle]:
    original = make_bundle(scratch(lora=True), scale=SCALE)
    move(original)
    save_bundle(original, tmp_path / "first")
    return tmp_path / "first", original


def weights_by_part(bundle: Bundle) -> dict[str, torch.Tensor]:
    model = bundle.model
    return {
        "codes": model.causal.get_input_embeddings().new,
        "items": model.item_embeddings,
        "head": model.code_head.up.weight,
        "ratings": model.heads.regression.weight,
        "adapter": next(p for n, p in model.named_parameters() if "lora_B.stage-1" in n),
    }


def second_with(
    start: Path, original: Bundle, codes: ItemCodes, ids: list[str], **changes: Any
) -> Bundle:
    settings = original.settings.model_copy(update=changes)
    return second(start, settings, replace(original, layout=replace(original.layout, codes=codes),
                                           item_ids=ids))  # fmt: skip


def test_with_other_codes_embeddings_are_new_and_other_weights_copied(
    first: tuple[Path, Bundle],
) -> None:
    start, original = first
    old = dict(original.model.named_parameters())
    fresh = build(
        resolve_initialisation(original.settings, start), original.layout.codes, original.item_ids
    )
    for sizes in ((6, 5), (7, 4)):
        codes = some_codes(20, sizes, seed=3)
        now = weights_by_part(second_with(start, original, codes, [f"i{n}" for n in range(20)]))
        assert len(now["codes"]) == sum(sizes)
        assert torch.equal(now["codes"], weights_by_part(fresh)["codes"])
        assert not now["items"].any()
        assert torch.equal(now["head"], original.model.code_head.up.weight)
        assert torch.equal(now["ratings"], original.model.heads.regression.weight)
        name = next(n for n in old if "lora_B" in n)
        assert torch.equal(now["adapter"], old[name])


def test_with_more_items_the_embeddings_of_old_items_are_copied(first: tuple[Path, Bundle]) -> None:
    start, original = first
    order = np.random.default_rng(0).permutation(24)[:22]
    free = {(a, b) for a in range(6) for b in range(5)} - set(
        map(tuple, original.layout.codes.codes)
    )
    table = np.vstack([original.layout.codes.codes[order], np.array([min(free)], np.int32)])
    ids = [*(f"i{n}" for n in order), "new"]
    now = weights_by_part(second_with(start, original, ItemCodes(table, (6, 5), "more"), ids))
    assert torch.equal(now["codes"], original.model.causal.get_input_embeddings().new)
    assert torch.equal(now["items"][:22], original.model.item_embeddings[torch.from_numpy(order)])
    assert not now["items"][22].any()


def test_heads_of_another_scale_are_new(first: tuple[Path, Bundle]) -> None:
    start, original = first
    codes, ids = original.layout.codes, list(original.item_ids)
    now = weights_by_part(second_with(start, original, codes, ids, scale=(1.0, 5.0)))
    assert not now["ratings"].any()
    assert torch.equal(now["head"], original.model.code_head.up.weight)
    assert second_with(start, original, codes, ids, scale=()).model.heads is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lora": None}, "another backbone.lora;"),
        (
            {"items": "tokens", "item_embeddings": False},
            r"another backbone.items, backbone.item_embeddings;",
        ),
        ({"seed": 1}, "another train.seed, the seed of its random frozen weights;"),
    ],
)
def test_another_backbone_is_refused(first: tuple[Path, Bundle], change: Any, message: str) -> None:
    start, original = first
    if "seed" in change:
        settings = original.settings.model_copy(update=change)
    else:
        backbone = original.settings.backbone.model_copy(update=change)
        settings = original.settings.model_copy(update={"backbone": backbone})
    with pytest.raises(UserError, match=message) as caught:
        resolve_initialisation(settings, start)
    assert len(caught.value.lines) == 1


def test_a_damaged_start_is_refused(first: tuple[Path, Bundle]) -> None:
    start, original = first
    (start / "adapter" / "adapter_model.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="expected the file that was saved"):
        resolve_initialisation(original.settings, start)
