"""An exported model computes the same without p5rec."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import (
    llama,
    logits_of,
    make_bundle,
    save_gpt2,
    save_llama,
    save_t5,
    scratch,
    some_codes,
)  # fmt: skip
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from p5rec.backbones.config import BackboneConfig, LoraSettings
from p5rec.core.errors import UserError
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle, save_bundle
from p5rec.models.config import ItemHeadConfig
from p5rec.models.export import export

SCALE = (1.0, 2.0, 3.0)
DORA = {"lora": LoraSettings(rank=4, dora=True)}
SUBSET = {"lora": LoraSettings(rank=4, targets=("q_proj", "down_proj"), rslora=True)}
KINDS = ["scratch", "scratch lora", "scratch dora", "llama", "llama tied", "llama dora",
         "llama subset", "gpt2", "gpt2 dora", "llama 4bit", "llama 8bit", "new-t5", "t5",
         "t5 tied"]  # fmt: skip
# a process without p5rec
PLAIN = """
import json, sys
from pathlib import Path
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, ids = Path(sys.argv[1]), torch.tensor(json.loads(sys.argv[2]))
model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
items = json.loads((folder / "items.json").read_text())
read = tokenizer(list(items.values()), add_special_tokens=False)["input_ids"]
with torch.no_grad():
    logits = model(input_ids=ids).logits
starts = {tuple(row[:n]): sorted({r[n] for r in read if r[:n] == row[:n]}) for row in read
          for n in range(len(row))}
out = model.generate(
    ids[:1], num_beams=4, max_new_tokens=2, do_sample=False, pad_token_id=0,
    prefix_allowed_tokens_fn=lambda _, out: starts.get(tuple(out[ids.shape[1]:].tolist()), [2]),
)
torch.save({"logits": logits, "items": read, "text": out[0, ids.shape[1]:].tolist()}, sys.argv[3])
assert not any(name.split(".")[0] in ("p5rec", "peft") for name in sys.modules), "not plain"
"""


def give_biases(path: Path) -> None:
    """Random values for biases, which are zero at first."""
    state = load_file(path)
    for n, name in enumerate(name for name in state if name.endswith(".bias")):
        torch.nn.init.normal_(state[name], generator=torch.Generator().manual_seed(n))
    save_file(state, path, {"format": "pt"})


def config(kind: str, folder: Path) -> BackboneConfig:
    if kind.startswith("scratch"):
        actual = scratch(lora="lora" in kind, items="tokens")
    elif kind == "new-t5":
        actual = scratch(shape="t5", items="tokens")
    else:
        save = {"gpt2": save_gpt2, "llama": save_llama, "t5": save_t5}[kind.split()[0]]
        base = save(folder, tied=True) if "tied" in kind else save(folder)
        give_biases(base / "model.safetensors")
        bits = next((bits for bits in ("4bit", "8bit") if bits in kind), None)
        actual = llama(base, lora=True, items="tokens", quantize=bits)
    return actual.model_copy(update=DORA if "dora" in kind else SUBSET if "subset" in kind else {})


@pytest.fixture(scope="module")
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    made = make_bundle(config(request.param, folder / "base"), scale=SCALE, std=0.3)
    save_bundle(made, folder / "bundle", {"steps": 3})
    return folder / "bundle"


def prompt(bundle: Bundle) -> torch.Tensor:
    """Alternating existing and new tokens, ``(2, 8)``."""
    items = bundle.layout.items[[3, 7, 11, 2]].reshape(2, 4)
    words = np.random.default_rng(0).integers(3, 250, (2, 4))
    return torch.from_numpy(np.stack([words, items], axis=2).reshape(2, 8))


def differ(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference relative to the largest logit."""
    return float((actual - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("saved", KINDS, indirect=True)
def test_exported_logits_equal_those_of_the_adapted_model(saved: Path, tmp_path: Path) -> None:
    bundle = load_bundle(saved)
    ids = prompt(bundle)
    export(saved, tmp_path / "out")
    kind = AutoModelForSeq2SeqLM if bundle.model.seq2seq else AutoModelForCausalLM
    plain = kind.from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        if bundle.model.seq2seq:
            inputs = {"input_ids": ids, "decoder_input_ids": ids}
            expected, actual = bundle.model.causal(**inputs).logits, plain(**inputs).logits
        else:
            expected, actual = logits_of(bundle, ids), plain(input_ids=ids).logits
    assert actual.dtype == torch.float32
    assert expected.shape == actual.shape
    if bundle.settings.backbone.frozen_bytes:  # computes in bfloat16, and in int8 at 8 bits
        assert torch.cosine_similarity(actual, expected.float(), dim=-1).min() > 0.99
    else:
        assert differ(actual, expected) < 1e-5
    assert expected.std() > 0.05  # logits are not constant
    ours = bundle.model.causal
    tied = ours.get_output_embeddings().new is ours.get_input_embeddings().new
    assert (plain.get_output_embeddings().weight is plain.get_input_embeddings().weight) == tied
    assert not hasattr(plain.config, "quantization_config")


@pytest.mark.nightly
@pytest.mark.parametrize("saved", ["scratch lora", "llama", "gpt2"], indirect=True)
def test_a_process_without_p5rec_loads_the_export(saved: Path, tmp_path: Path) -> None:
    bundle = load_bundle(saved)
    ids = prompt(bundle)
    export(saved, tmp_path / "out")
    (tmp_path / "plain.py").write_text(PLAIN)
    words = ["plain.py", tmp_path / "out", json.dumps(ids.tolist()), "found.pt"]
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=tmp_path, env={"PATH": "", "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    actual = torch.load(tmp_path / "found.pt", weights_only=True)
    expected = logits_of(bundle, ids)
    assert differ(actual["logits"], expected) < 1e-5
    assert actual["items"] == bundle.layout.items.tolist()
    assert actual["text"] in bundle.layout.items.tolist()


@pytest.mark.parametrize("saved", ["scratch", "llama", "t5"], indirect=True)
def test_item_tokens_survive_decoding_without_special_tokens(saved: Path, tmp_path: Path) -> None:
    """By default servers remove special tokens from text."""
    export(saved, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    for word in json.loads((tmp_path / "out" / "items.json").read_text()).values():
        text = f"Try {word}, it is good."
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("saved", ["llama"], indirect=True)
def test_files_of_the_export(saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    export(saved, out, "bfloat16")
    manifest = json.loads((out / "manifest.json").read_text())
    names = {path.name for path in out.iterdir()}
    assert names == {*manifest["files"], "manifest.json"}
    assert {"config.json", "model.safetensors", "generation_config.json", "tokenizer.json"} <= names
    assert manifest["about"] == {"steps": 3}
    assert manifest["dtype"] == "bfloat16"
    assert {t.dtype for t in load_file(out / "model.safetensors").values()} == {torch.bfloat16}
    heads = load_bundle(saved).model.heads.state_dict()
    actual = load_file(out / "rating_heads.safetensors")
    assert actual.keys() == heads.keys()
    assert all(torch.equal(actual[name], heads[name]) for name in heads)
    assert list(json.loads((out / "items.json").read_text())) == [f"i{n}" for n in range(24)]
    assert [p.name for p in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("items", "model_settings", "message"),
    [
        ("positions", {}, r"train it with backbone\.items: tokens"),
        ("tokens", {"item_head": ItemHeadConfig()}, "train it without item_head"),
    ],
)
def test_models_without_a_plain_form_are_refused(
    tmp_path: Path, items: str, model_settings: dict[str, Any], message: str
) -> None:
    bundle = make_bundle(scratch(items=items), some_codes(), **model_settings)
    save_bundle(bundle, tmp_path / "bundle")
    with pytest.raises(UserError, match=message) as caught:
        export(tmp_path / "bundle", tmp_path / "out")
    assert len(caught.value.lines) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("saved", ["scratch"], indirect=True)
def test_export_is_atomic_and_overwrites_nothing(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="expected a new folder, got one that exists"):
        export(saved, tmp_path / "out")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("p5rec.models.export.write_json", full)
    with pytest.raises(UserError):
        export(saved, tmp_path / "other")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
