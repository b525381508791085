"""``p5rec export`` from the outside; what it writes is tested in tests/models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from my_folder import Trained
from tiny_models import make_bundle, scratch

from p5rec.models.checkpoint import save_bundle


def test_a_model_becomes_a_plain_folder_once(p5rec: Any, tmp_path: Path) -> None:
    save_bundle(make_bundle(scratch(lora=True, items="tokens")), tmp_path / "bundle")
    words = ("export", tmp_path / "bundle", "--out", tmp_path / "plain", "--dtype", "bfloat16")
    code, out, err = p5rec(*words)
    assert (code, err) == (0, "")
    assert f"load it with transformers: from_pretrained('{tmp_path}/plain')" in out
    assert (tmp_path / "plain" / "model.safetensors").is_file()
    code, out, err = p5rec(*words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "plain: expected a new folder, got one that exists" in err


def test_a_model_of_positions_is_refused_in_one_line(
    p5rec: Any, tmp_path: Path, trained: Trained
) -> None:
    code, out, err = p5rec("export", trained.model, "--out", tmp_path / "plain")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "train it with backbone.items: tokens and item_embeddings: false" in err
    assert not (tmp_path / "plain").exists()
