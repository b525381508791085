"""Backbones by name: built in, from a folder, truncated, adapted, quantised, or missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError
from tiny_models import VOCABULARY, llama, save_gpt2, save_llama, save_t5, scratch
from torch.testing import assert_close
from transformers import AutoTokenizer

from p5rec.backbones.config import LoraSettings
from p5rec.backbones.load import load_backbone
from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.scratch import Scratch
from p5rec.backbones.sources import fingerprint
from p5rec.core.errors import UserError
from p5rec.ids.tokens import token_strings

WORDS = token_strings([13, 8])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


def trains(model: torch.nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("source", ["scratch", "llama"])
def test_new_tokens_have_consecutive_ids_and_their_text_survives(source: str, folder: Path) -> None:
    config = scratch() if source == "scratch" else llama(folder)
    backbone = load_backbone(config, WORDS, seed=0)
    tokenizer, first = backbone.vocabulary.tokenizer, backbone.first_new
    assert first == (259 if source == "scratch" else VOCABULARY)
    assert tokenizer.convert_tokens_to_ids(WORDS) == list(range(first, first + len(WORDS)))
    assert backbone.causal.get_input_embeddings().weight.shape[0] == first + len(WORDS)
    text = "after <a_12><b_7> came <a_0><b_1>."
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert first + 12 in ids
    assert first + 13 + 7 in ids
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode(tokenizer("<a_12><b_7>", add_special_tokens=False)["input_ids"]) == (
        "<a_12><b_7>"
    )


@pytest.mark.parametrize("text", ["a <a_1> b", " <a_1>  <b_2> ", "x<a_1>y<a_12>", "<A_1> <a_1>s"])
def test_item_tokens_are_matched_exactly(text: str, folder: Path) -> None:
    """They are matched like special tokens, within words and with the spaces around them."""
    actual = load_backbone(llama(folder), WORDS, seed=0).vocabulary.tokenizer
    special = AutoTokenizer.from_pretrained(folder)
    special.add_tokens([f"<|unused_{n}|>" for n in range(len(special), VOCABULARY)])
    special.add_tokens(WORDS, special_tokens=True)
    ids = actual(text, add_special_tokens=False)["input_ids"]
    assert ids == special(text, add_special_tokens=False)["input_ids"]
    assert actual.decode(ids) == actual.decode(ids, skip_special_tokens=True) == text
    assert not {*WORDS} & {*actual.all_special_tokens}


def test_bytes_of_any_text_survive() -> None:
    tokenizer = load_backbone(scratch(), WORDS, seed=0).vocabulary.tokenizer
    for text in ("Amélie 天 🎬", "  two  spaces\n", "<a_99>", ""):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


@pytest.mark.parametrize("source", ["scratch", "llama", "llama tied"])
def test_only_adapters_and_new_embeddings_are_trainable(source: str, tmp_path: Path) -> None:
    if source == "scratch":
        config = scratch(lora=True)
    else:
        config = llama(save_llama(tmp_path, tied=source.endswith("tied")), lora=True)
    backbone = load_backbone(config, WORDS, seed=0)
    assert isinstance(backbone.model, PeftModel)
    actual = trains(backbone.model)
    embeddings = {name for name in actual if name.endswith(".new")}
    adapters = {name for name in actual if "lora_" in name}
    assert actual == embeddings | adapters
    assert len(embeddings) == (2 if source == "llama" else 1)
    assert all(".layers." in name for name in adapters)
    linears = 4 if source == "scratch" else 7
    assert len(adapters) == 2 * 2 * linears  # A and B, two layers


def test_linear_layers_of_gpt2_are_adapted(tmp_path: Path) -> None:
    actual = trains(load_backbone(llama(save_gpt2(tmp_path), lora=True), WORDS, seed=0).model)
    assert {n.split(".")[-4] for n in actual if "lora_" in n} == {"c_attn", "c_proj", "c_fc"}


def test_without_adapters_every_weight_trains() -> None:
    model = load_backbone(scratch(), WORDS, seed=0).model
    assert trains(model) == {name for name, _ in model.named_parameters()}


def test_only_named_targets_are_adapted(folder: Path) -> None:
    config = llama(folder).model_copy(update={"lora": LoraSettings(rank=2, targets=("q_proj",))})
    actual = trains(load_backbone(config, WORDS, seed=0).model)
    assert {n.split(".")[-4] for n in actual if "lora_" in n} == {"q_proj"}
    config = llama(folder).model_copy(update={"lora": LoraSettings(targets=("q_prj", "lm_head"))})
    with pytest.raises(UserError) as caught:
        load_backbone(config, WORDS, seed=0)
    assert len(caught.value.lines) == 2
    assert "got 'q_prj'; did you mean 'q_proj'" in str(caught.value)


def test_targets_may_be_patterns_and_adapters_of_other_kinds(folder: Path) -> None:
    lora = LoraSettings(rank=4, alpha=8, targets=("[qk]_proj", "down*"), rslora=True, dora=True)
    model = load_backbone(llama(folder).model_copy(update={"lora": lora}), WORDS, seed=0).model
    adapted = {n for n in trains(model) if "lora_" in n}
    assert {n.split(".")[-4] for n in adapted if "lora_A" in n} == {"q_proj", "k_proj", "down_proj"}
    assert any("magnitude" in name for name in adapted)
    layer = next(m for n, m in model.named_modules() if n.endswith("q_proj"))
    assert layer.scaling["default"] == 4  # alpha / sqrt(rank)


def test_permuted_weights_keep_their_values_in_another_order(folder: Path) -> None:
    def weights(seed: int = 0, **more: bool) -> dict[str, torch.Tensor]:
        config = llama(folder, lora=True).model_copy(update=more)
        model = load_backbone(config, WORDS, seed=seed).model
        return {n: p for n, p in model.named_parameters() if not p.requires_grad}

    plain, permuted = weights(), weights(permute=True)
    for name, weight in plain.items():
        assert_close(permuted[name].flatten().sort().values, weight.flatten().sort().values)
        moved = (permuted[name] != weight).float().mean()
        assert moved > 0.9 or weight.ndim == 1, name  # untrained norms are all ones
    assert all(
        torch.equal(weight, permuted[name]) for name, weight in weights(permute=True).items()
    )
    other = weights(seed=1, permute=True)
    assert any(not torch.equal(weight, permuted[name]) for name, weight in other.items())


def test_quantised_and_random_weights_cannot_be_permuted() -> None:
    with pytest.raises(ValidationError, match="permute: "):
        Pretrained(permute=True, quantize="4bit")
    with pytest.raises(ValidationError, match="permute"):
        Scratch(permute=True)


def test_weights_follow_the_seed_and_leave_the_global_stream_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (load_backbone(scratch(lora=True), WORDS, seed=s).model for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    states = [dict(m.named_parameters()) for m in (one, same, other)]
    own = (".new", "query_key_value.weight")
    random = [name for name in states[0] if "lora_A" in name or name.endswith(own)]
    assert len(random) > 2
    for name in random:
        assert torch.equal(states[0][name], states[1][name])
        assert not torch.equal(states[0][name], states[2][name])


def test_a_folder_gives_all_blocks_or_the_first_ones(folder: Path) -> None:
    full = load_backbone(llama(folder), WORDS, seed=0).causal
    cut = load_backbone(llama(folder, layers=1), WORDS, seed=0).causal
    assert len(full.model.layers) == 2
    assert len(cut.model.layers) == 1
    for name, weight in cut.model.layers[0].named_parameters():
        assert torch.equal(weight, full.model.layers[0].get_parameter(name))
    adapted = load_backbone(llama(folder, layers=1, lora=True), WORDS, seed=0).causal
    ids = torch.tensor([[5, 6, VOCABULARY + 3]])
    assert torch.equal(adapted(input_ids=ids).logits, cut(input_ids=ids).logits)  # B starts at 0


def test_selected_blocks_keep_their_order_and_are_renumbered(folder: Path) -> None:
    full = load_backbone(llama(folder), WORDS, seed=0).causal
    ids = torch.tensor([[5, 6, VOCABULARY + 3]])
    both = load_backbone(llama(folder, layers=(0, 1)), WORDS, seed=0).causal
    assert torch.equal(both(input_ids=ids).logits, full(input_ids=ids).logits)
    last = load_backbone(llama(folder, layers=(1,)), WORDS, seed=0).causal
    assert last.config.num_hidden_layers == len(last.model.layers) == 1
    assert last.model.layers[0].self_attn.layer_idx == 0
    for name, weight in last.model.layers[0].named_parameters():
        assert torch.equal(weight, full.model.layers[1].get_parameter(name))
    first = last(input_ids=ids[:, :2], use_cache=True)
    step = last(input_ids=ids[:, 2:], past_key_values=first.past_key_values, use_cache=True)
    assert_close(step.logits[:, -1], last(input_ids=ids).logits[:, -1])


def test_blocks_that_are_not_there_are_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected numbers below 2"):
        load_backbone(llama(folder, layers=(0, 2)), WORDS, seed=0)
    t5 = save_t5(tmp_path / "t5")
    with pytest.raises(UserError, match="give the number of first blocks"):
        load_backbone(llama(t5, layers=(0, 1)), WORDS, seed=0)
    for wrong in ((), (1, 0), (0, 0), (-1, 0)):
        with pytest.raises(ValidationError, match="ascending order"):
            llama(folder, layers=wrong)


def test_a_checkpoint_s_sampling_settings_are_dropped(folder: Path) -> None:
    habits = json.loads((folder / "generation_config.json").read_text())
    assert habits["top_k"] == 3
    actual = load_backbone(llama(folder), WORDS, seed=0).causal.generation_config
    assert (actual.top_k, actual.temperature, actual.repetition_penalty) == (None, None, None)
    assert not actual.do_sample


def test_more_layers_than_there_are_is_one_line(folder: Path) -> None:
    with pytest.raises(UserError, match="or fix the folder") as caught:
        load_backbone(llama(folder, layers=3), WORDS, seed=0)
    assert len(caught.value.lines) == 1


def test_an_unknown_name_is_one_line_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets are blocked in the tests, so a request to the hub would raise another error."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("smolm2", "nobody/nothing", "./no/such/folder"):
        config = Pretrained(name=name)
        with pytest.raises(UserError, match=f"backbone '{name}': expected 'smollm2'") as caught:
            load_backbone(config, WORDS, seed=0)
        assert len(caught.value.lines) == 1
        assert "\n" not in caught.value.lines[0]


@pytest.mark.parametrize("damage", ["truncated", "no weights", "no tokenizer", "not json"])
def test_a_damaged_folder_is_one_line(tmp_path: Path, damage: str) -> None:
    folder = save_llama(tmp_path)
    weights = folder / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "no weights":
        weights.unlink()
    elif damage == "no tokenizer":
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer_config.json").unlink()
    else:
        (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="expected 'smollm2', a folder") as caught:
        load_backbone(llama(folder), WORDS, seed=0)
    assert len(caught.value.lines) == 1


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="a tokenizer with more tokens than the model"):
        load_backbone(llama(folder), ["a", "<a_0>"], seed=0)


def test_a_folder_is_known_by_its_contents(tmp_path: Path) -> None:
    folder = save_llama(tmp_path)
    before = fingerprint(llama(folder).name)
    assert "model.safetensors" in before
    assert fingerprint(llama(folder).name) == before
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert fingerprint(llama(folder).name) != before
    assert scratch().fingerprint() == Pretrained().fingerprint() == {}


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_quantised_weights_train_through_adapters(folder: Path, bits: str) -> None:
    config = llama(folder, lora=True, quantize=bits)
    backbone = load_backbone(config, WORDS, seed=0)
    layer = backbone.causal.model.layers[0].self_attn.q_proj.base_layer
    assert type(layer).__module__.startswith("bitsandbytes")
    assert all("lora_" in n or n.endswith(".new") for n in trains(backbone.model))
    ids = torch.tensor([[5, 6, VOCABULARY + 3, 7]])
    full = load_backbone(llama(folder), WORDS, seed=0).causal
    actual, expected = (m(input_ids=ids).logits.float().flatten() for m in (backbone.causal, full))
    assert torch.cosine_similarity(actual, expected, dim=0) > 0.9
    unquantised = [
        p for p in backbone.model.parameters() if p.dtype not in (torch.int8, torch.uint8)
    ]
    assert {p.dtype for p in unquantised} == {
        torch.float32
    }  # norms, embedding, head, trainable weights


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_a_validation_check_does_not_change_quantised_weights(folder: Path, bits: str) -> None:
    """bitsandbytes would repack 4-bit weights on a CPU, which blocks later gradients."""
    ids = torch.tensor([[5, 6, VOCABULARY + 3, 7]])
    model = load_backbone(llama(folder, lora=True, quantize=bits), WORDS, seed=0).model
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    grads = []
    for _ in range(2):
        model.train()
        model.zero_grad()
        model(input_ids=ids).logits.float().logsumexp(-1).sum().backward()
        grads.append({n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad})
        model.eval()
        with torch.no_grad():
            model(input_ids=ids)
    assert len(grads[0]) > 2
    for name, grad in grads[0].items():
        assert grad.isfinite().all()
        assert grad.any(), name
        assert torch.equal(grad, grads[1][name]), name


def test_trainable_weights_are_always_float32(folder: Path, native_bfloat16: None) -> None:
    for lora in (False, True):
        config = llama(folder, lora=lora).model_copy(update={"dtype": "bfloat16"})
        model = load_backbone(config, WORDS, seed=0).model
        kinds = {p.requires_grad: set() for p in model.parameters()}
        for parameter in model.parameters():
            kinds[parameter.requires_grad].add(parameter.dtype)
        assert kinds[True] == {torch.float32}
        assert kinds.get(False, set()) == ({torch.bfloat16} if lora else set())


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (Scratch, {"width": 30, "heads": 4}, "must be a multiple"),
        (Scratch, {"layers": 0}, "greater than or equal to 1"),
        (LoraSettings, {"rank": 0}, "greater than or equal to 1"),
        (Pretrained, {"layers": 0}, "greater than or equal to 1"),
    ],
)
def test_impossible_shapes_are_refused_by_the_config(section, values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        section(**values)


@pytest.mark.nightly
def test_loading_prints_nothing(folder: Path) -> None:
    """In a process of its own, because libraries print at import and on loading."""
    script = f"""
import torch
from p5rec.backbones.load import load_backbone
from p5rec.train.config import TrainConfig
from p5rec.train.sft import _arguments
from pathlib import Path
from tiny_models import llama
for changes in ({{"layers": 1}}, {{"layers": 1, "quantize": "4bit", "lora": True}}):
    model = load_backbone(llama({str(folder)!r}, **changes), ["<a_0>"], 0).causal
    model(input_ids=torch.tensor([[5, 6]]))
_arguments(TrainConfig(precision="float32"), Path("unused"))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
