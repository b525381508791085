"""A recipe with the same settings uses the models that Python has fitted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from small_shop import IDS, NETWORK

import p5rec
from p5rec.cli.main import main


def test_a_recipe_uses_models_fitted_from_python(
    train: p5rec.Dataset,
    hybrid: p5rec.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = {
        "base": "hybrid",
        "data": train.config.dump(),
        "ids": {"semantic": IDS},
        "baselines": ["popularity"],
        "repeats": 1,
        "methods": {"hybrid-network": NETWORK, "hybrid-codes": None},
        "evaluate": {"compare": [["hybrid", "popularity"]]},
    }
    config, out = tmp_path / "mine.yaml", tmp_path / "out"
    config.write_text(yaml.safe_dump(recipe))
    words = ["p5rec", "run", "sft", "--config", str(config), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main()
    output = capsys.readouterr().out
    assert caught.value.code in (0, None), output
    for stage in ("data", "ids", "fit hybrid-network", "fit hybrid.ease"):
        assert f"{stage}: cached" in output
    model = p5rec.load(out / "models/hybrid", train)
    assert model.recommend(k=5).equals(hybrid.recommend(k=5))
