"""`evaluate --model` and `recommend --model` use the model and settings of the run's report."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from p5rec.cli.main import main

RECIPE = """
data: {source: synthetic, synthetic: {kind: markov, users: 40, items: 24, events: 8}}
ids: {semantic: {levels: 2, codebook: 6, vectors: {text: null, cooccurrence: {dim: 4}}}}
baselines: [popularity, item-knn, ease-recency]
methods:
  codes:
    backbone: &small {kind: scratch, width: 16, layers: 1, heads: 2, feedforward: 32, dropout: 0.0}
    train: &few {steps: 3, batch: 4, learning_rate: 0.01, precision: float32, warmup: 0}
    decode: {beams: 3, k: 3, search: beam}
  network:
    backbone: *small
    item_head: {}
    train: *few
    decode: {search: item-head}
  hybrid:
    kind: fusion
    components: {network: network, ease: {kind: item-to-item}, repeats: {kind: personal-frequency}}
  hybrid-light:
    kind: fusion
    components: {network: network, ease: {kind: item-to-item, l2: 5, tune: {}}}
    weights: {network: 1, ease: 0.3}
  hybrid-codes: {like: network, decode: {search: exhaustive, item_head_weight: 0}}
  both: {like: network, decode: {search: beam, beams: 4, k: 4, item_head_weight: 2}}
  diverse: {like: codes, decode: {per_prefix: 1, beams: 12}}
  sampled: {like: codes, decode: {search: sample, beams: 12}}
  swapped: {like: hybrid-light, permute_histories: true}
  t5:
    backbone: {kind: scratch, items: tokens, item_embeddings: false,
               shape: t5, width: 16, layers: 1, heads: 2, feedforward: 32}
    train: *few
    decode: {beams: 20}
  llm:
    backbone: {kind: scratch, lora: {rank: 2},
               width: 16, layers: 2, heads: 2, feedforward: 32, dropout: 0.0}
    item_head: {}
    train: *few
    decode: {search: item-head, precision: bfloat16, batch_tokens: 64}
  llm-near:
    kind: fusion
    components: {network: llm, ease: {kind: item-to-item, weights: item-knn, tune: {}}}
    weights: {network: 1, ease: 1}
  rating:
    backbone: *small
    train:
      tasks: {next-item: {}, rating-sequence: {}, rating: {}}
      steps: 3
      batch: 4
      precision: float32
    decode: {beams: 20, max_new_tokens: 4}
  asked:
    backbone: *small
    train: {tasks: {sequential-next: {}, next-item: {}}, steps: 3, batch: 4, precision: float32}
    decode: {beams: 7, k: 7, batch_tokens: 300}
  repeats: {kind: personal-frequency}
  sasrec: {kind: sasrec, width: 8, epochs: 2, dropout: 0.1}
  bpr: {kind: bpr, factors: 4, epochs: 2, l2: 0.01}
  biases: {kind: bias, user_shrink: 3}
  factors: {kind: mf, factors: 2, factor_l2: 5}
  weights: {kind: item-to-item, l2: 5, tune: {half_life: [~, 2]}}
  clicks: {kind: item-click-rate, smoothing: 3}
  turned: {kind: ease, l2: 50, permute_histories: true}
  turned-clicks: {like: clicks, permute_histories: true}
  prompted:
    backbone: *small
    train: {tasks: {sequential-next: {}}, steps: 3, batch: 4, precision: float32}
    decode: {beams: 20, closed: true}
evaluate:
  k: 12
  exclude_seen: false
  prompts: {rating: 6, rating-sequence: 6, sequential-next: 6, click: 6}
  samples: 1
"""
METHODS = (
    "codes", "network", "hybrid", "hybrid-light", "hybrid-codes", "both", "diverse",
    "sampled", "swapped", "t5", "llm", "llm-near", "rating", "asked", "prompted",
    "popularity", "item-knn", "ease-recency", "repeats", "sasrec", "bpr", "biases", "factors",
    "weights", "clicks", "turned", "turned-clicks",
)  # fmt: skip
FITTED = {
    "method.json", "config.json", "items.json", "catalog.parquet", "lineage.npy",
    "model.safetensors",
}  # fmt: skip
FUSED = ("hybrid", "hybrid-light", "swapped", "llm-near")
WEIGHTS, NETWORK = "trained.safetensors", "components/network"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of every kind of method: ``every.yaml``, its results in ``out``."""
    folder = tmp_path_factory.mktemp("every")
    (folder / "every.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()):
        patch.setenv("P5REC_HOME", str(folder / "home"))
        words = ["run", "sft", "--config", f"{folder}/every.yaml", "--out", f"{folder}/out"]
        patch.setattr(sys, "argv", ["p5rec", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    return folder


def figures(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The metrics of the report in ``folder``, by method and task."""
    methods = json.loads((folder / "report.json").read_text())["methods"]
    return {
        (m["name"], m["task"]): {key: m[key] for key in ("metrics", "slices", "n", "invalid_rate")}
        for m in methods
    }


@pytest.mark.parametrize("name", METHODS)
def test_evaluate_has_every_metric_of_the_report(
    p5rec: Any, ran: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(ran / "home"))
    code, _, err = p5rec(
        "evaluate", "--config", ran / "every.yaml", "--model", ran / "out/models" / name,
        "--out", "again",
    )  # fmt: skip
    assert code == 0, err
    found, first = figures(Path("again")), figures(ran / "out")

    def own(told: str) -> bool:
        return told == name or told.startswith(f"{name} (")

    again = {key: value for key, value in found.items() if own(key[0])}
    assert again.keys() >= {key for key in first if own(key[0]) and key[1] != "sequential-next"}
    assert again
    for (told, task), value in again.items():
        if (told, task) == (f"{name} (lists)", "sequential-next"):
            assert (told, task) in first or (name, task) in first
        assert value == first[told, task], f"{told}, {task}"


def test_methods_of_one_training_are_evaluated_separately(ran: Path) -> None:
    found = figures(ran / "out")
    named = ("network", "hybrid-light", "hybrid-codes", "both")
    told = [json.dumps(found[name, "sequential"]["metrics"]) for name in named]
    assert len(set(told)) == len(named)


@pytest.mark.parametrize("name", ["both", "llm", "hybrid-codes"])
def test_recommend_uses_the_evaluated_settings(
    p5rec: Any, ran: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For histories without the test events, they equal the lists of the run."""
    monkeypatch.setenv("P5REC_HOME", str(ran / "home"))
    words = ("recommend", "--config", ran / "every.yaml", "--model", ran / "out/models" / name)
    assert p5rec(*words, "--out", "a.parquet", "--k", 12)[0] == 0
    told = json.loads(Path("a.parquet.manifest.json").read_text())
    saved = json.loads((ran / "out/models" / name / "config.json").read_text())
    assert told["overridden"] == ["k"]
    assert told["key"]["method"]["decode"] | {"k": 0, "beams": 0} == saved["decode"] | {
        "k": 0,
        "beams": 0,
    }
    assert told["key"]["exclude_seen"] is False
    assert p5rec(*words, "--out", "b.parquet", "--exclude-seen", "--search", "beam")[0] == 0
    told = json.loads(Path("b.parquet.manifest.json").read_text())
    assert told["overridden"] == ["exclude_seen", "k", "search"]
    assert told["key"]["exclude_seen"] is True
    assert not pl.read_parquet("a.parquet").equals(pl.read_parquet("b.parquet"))


def test_overridden_settings_are_in_the_report(
    p5rec: Any, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(ran / "home"))
    words = ("evaluate", "--config", ran / "every.yaml", "--out", "again")
    model = ran / "out/models/both"
    code, _, err = p5rec(*words, "--model", model, "--item-head-weight", 0,
                         "--search", "exhaustive", "--beams", 50)  # fmt: skip
    assert code == 0, err
    found = figures(Path("again"))["both", "sequential"]["metrics"]
    assert found == figures(ran / "out")["hybrid-codes", "sequential"]["metrics"]
    manifest = json.loads(Path("again/report.json").read_text())["manifest"]
    assert manifest["overridden"] == ["beams", "item_head_weight", "search"]
    assert manifest["method"]["decode"]["item_head_weight"] == 0
    code, _, err = p5rec(*words, "--model", ran / "out/models/codes", "--item-head-weight", 1)
    assert (code, err.count("\n")) == (2, 1)
    assert "--item-head-weight: expected a model with an item head, got one without" in err
    code, _, err = p5rec(*words, "--model", ran / "out/models/hybrid", "--search", "beam")
    assert (code, err.count("\n")) == (2, 1)
    assert "--search: expected a model that decodes its lists, got a fusion" in err
    code, _, err = p5rec(*words, "--model", model, "--per-prefix", 1, "--search", "item-head")
    assert (code, err.count("\n")) == (2, 1)
    assert "expected --per-prefix or --search item-head, got both" in err
    code, _, err = p5rec(*words, "--model", ran / "out/models/network", "--per-prefix", 1)
    assert (code, "got one, while" in err) == (2, True)


def test_every_model_is_complete_and_shares_its_weight_files(ran: Path) -> None:
    models, store = ran / "out/models", ran / "home/store"
    one = (models / "network" / WEIGHTS).stat()
    for name in ("hybrid-codes", "both", f"hybrid-light/{NETWORK}"):
        assert (models / name / WEIGHTS).stat().st_ino == one.st_ino
    kept = [path.stat().st_ino for path in store.glob(f"fit/*/model/{WEIGHTS}")]
    assert one.st_ino in kept
    assert not stat.S_IMODE(one.st_mode) & 0o222
    for method in models.iterdir():
        settings = json.loads((method / "config.json").read_text())
        if settings["kind"] == "fusion":
            weights = json.loads((method / "fusion.json").read_text())["weights"]
            parts = {path.name for path in (method / "components").iterdir()}
            assert parts == {name for name, weight in weights.items() if weight}
            continue
        if settings["kind"] != "generative":
            own = {"behaviours.json"} if settings["kind"] == "sasrec" else set()
            assert {path.name for path in method.iterdir()} == FITTED | own
            continue
        manifest = json.loads((method / "manifest.json").read_text())
        for place in (*manifest["files"], "method.json"):
            assert (method / place).is_file()
            if not place.endswith(".safetensors"):  # editable files are no hard links
                assert (method / place).stat().st_nlink == 1


def copied(ran: Path, folder: Path) -> Path:
    return shutil.copytree(ran / "out/models/hybrid-light", folder / "hybrid-light")


def test_a_model_without_settings_is_served_with_the_defaults_and_a_note(
    p5rec: Any, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(ran / "home"))
    model = copied(ran, tmp_path)
    (model / "method.json").unlink()
    words = ("--config", ran / "every.yaml", "--model", model)
    code, out, _ = p5rec("evaluate", *words)
    assert (code, "has no method.json with the settings of its evaluation" in out) == (0, True)
    code, _, err = p5rec("recommend", *words, "--out", "a.csv")
    assert (code, "has no method.json" in err) == (0, True)
    (model / "method.json").write_text('{"version": 2}')
    code, _, err = p5rec("recommend", *words, "--out", "b.csv")
    assert (code, "method.json: version: input should be 3, got 2" in err) == (2, True)


@pytest.mark.parametrize(
    "file",
    [
        f"{NETWORK}/{WEIGHTS}", f"{NETWORK}/codes/codes.json", "items.json", "fusion.json",
        "components/ease/items.json",
    ],
)  # fmt: skip
def test_a_partly_deleted_model_names_the_file(
    p5rec: Any, ran: Path, tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(ran / "home"))
    model = copied(ran, tmp_path)
    (model / file).unlink()
    words = ("--config", ran / "every.yaml", "--model", model, "--out", "a.csv")
    code, _, err = p5rec("recommend", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{model / file}: expected the file that was saved, got" in err


def test_a_changed_component_or_estimator_trains_no_network(
    p5rec: Any, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(ran / "home"))
    few = [f"methods.{n}=null" for n in METHODS if n in yaml.safe_load(RECIPE)["methods"]]
    few = [
        each for each in few if each not in ("methods.network=null", "methods.hybrid-light=null")
    ]
    words = (
        "run",
        "sft",
        "--config",
        ran / "every.yaml",
        "baselines=[]",
        "evaluate.prompts=null",
        *few,
    )
    l2 = "methods.hybrid-light.components.ease.l2=7"
    code, said, err = p5rec(*words, l2, "--out", tmp_path / "out")
    assert code == 0, err
    made = re.findall(r"(?m)^fit (\S+): made ", said)
    assert made == ["hybrid-light.ease", "hybrid-light"]
    assert said.count("predictions hybrid-light: made") == 1
    again, first = (folder / "models/hybrid-light" for folder in (tmp_path / "out", ran / "out"))
    assert os.path.samefile(again / NETWORK / WEIGHTS, first / NETWORK / WEIGHTS)
    linear = "components/ease/model.safetensors"
    assert (again / linear).read_bytes() != (first / linear).read_bytes()
    read = (
        "methods.hybrid-light.components.ease.half_life=3",
        "methods.hybrid-light.weights.ease=2",
    )
    code, said, err = p5rec(*words, *read, "--out", tmp_path / "read")
    assert code == 0, err
    assert re.findall(r"(?m)^fit (\S+): made ", said) == ["hybrid-light"]
    assert os.path.samefile(tmp_path / "read/models/hybrid-light" / linear, first / linear)


def test_a_method_without_codes_takes_none_and_rates_where_it_can(
    p5rec: Any, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(ran / "home"))
    (ids,), models = (ran / "out/ids").iterdir(), ran / "out/models"
    words = ("--config", ran / "every.yaml", "--out", "x.csv")
    code, _, err = p5rec("recommend", "--model", models / "popularity", "--ids", ids, *words)
    assert code == 2
    assert "ids: expected a model with codes" in err
    code, _, err = p5rec("recommend", "--model", models / "item-knn", *words)
    assert code == 0, err
    table = Path("x.csv").read_text().splitlines()
    rows = [line.split(",") for line in table[1:4]]
    Path("pairs.csv").write_text("user,item\n" + "".join(f"{r[0]},{r[2]}\n" for r in rows))
    pairs = ("--what", "ratings", "--pairs", "pairs.csv")
    code, _, err = p5rec("recommend", "--model", models / "biases", *pairs, *words)
    assert code == 0, err
    rated = [float(line.split(",")[-1]) for line in Path("x.csv").read_text().splitlines()[1:]]
    assert len(rated) == 3
    assert all(1 <= rating <= 5 for rating in rated)
