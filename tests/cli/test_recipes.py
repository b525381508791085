"""Every shipped recipe and config: they bind, their names exist, and they run."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from my_folder import Mine

from p5rec.core.config import dump_yaml, read_yaml
from p5rec.core.config import load as load_config
from p5rec.core.paths import assets
from p5rec.core.recipes import config_path, load, shipped
from p5rec.evaluate.config import check_names

CONFIGS = [(recipe, path) for recipe, found in shipped().items() for path in found.values()]
SMALL = "methods.small."
TOY = [
    "ids.semantic={codebook: 6, vectors: {text: null, cooccurrence: {dim: 8}}}",
    "methods.hybrid-network.train.epochs.max_epochs=2",
    f"{SMALL}backbone={{kind: scratch, width: 16, layers: 1, heads: 2, feedforward: 32}}",
    f"{SMALL}train.steps=4",
    f"{SMALL}train.batch=4",
    f"{SMALL}decode={{beams: 20, max_new_tokens: 8}}",
    "evaluate.prompts={rating: 5, explanation: 5}",
]


def test_every_config_is_tested() -> None:
    """The list of configs in these tests is complete."""
    folder = assets("recipes") / "configs"
    assert sorted(path for _, path in CONFIGS) == sorted(folder.rglob("*.y*ml"))
    assert {recipe for recipe, _ in CONFIGS} == {p.stem for p in assets("recipes").glob("*.py")}
    assert len(CONFIGS) >= 6


@pytest.mark.parametrize(("recipe", "path"), CONFIGS, ids=lambda value: getattr(value, "stem", ""))
def test_a_config_binds_and_reloads_equal(recipe: str, path: Path, tmp_path: Path) -> None:
    schema = load(assets("recipes") / f"{recipe}.py").SCHEMA
    config: Any = load_config(path, schema)
    check_names(config)
    (tmp_path / "again.yaml").write_text(dump_yaml(config))
    assert load_config(tmp_path / "again.yaml", schema) == config


@pytest.mark.parametrize(("recipe", "path"), CONFIGS, ids=lambda value: getattr(value, "stem", ""))
def test_a_config_starts_with_its_command(recipe: str, path: Path) -> None:
    head = path.read_text().splitlines()[0]
    assert head.startswith("# ")
    assert "p5rec run" in head or "scripts/" in head
    assert path.stem in head
    if "base" in (tree := read_yaml(path)[0]):
        assert config_path(tree["base"], path.parent).is_file()


@pytest.mark.parametrize("recipe", shipped())
def test_a_recipe_runs_on_a_synthetic_dataset(p5rec: Any, recipe: str, tmp_path: Path) -> None:
    """Each recipe has a config ``tiny``, here with fewer steps."""
    tiny = shipped()[recipe]["tiny"]
    methods = read_yaml(tiny)[0]["methods"]
    fewer = [f"methods.{name}.train.steps=6" for name in methods]
    out = tmp_path / "out"
    code, said, _ = p5rec("run", recipe, "--config", tiny, "--out", out, *fewer)
    assert code == 0
    report = json.loads((out / "report.json").read_text())
    for method in report["methods"]:
        assert method["duplicate_rate"] in (0, None)
        if method["task"] == "sequential":
            assert (method["invalid_rate"], method["other_metrics"]["short_rate"]) == (0, 0)
    assert {method["name"] for method in report["methods"]} >= {*methods, "popularity", "ease"}
    for name in (*methods, "popularity"):
        lists = pl.read_parquet(out / "lists" / f"{name}.parquet")
        assert lists.columns == ["user", "rank", "item", "title", "score"]
        assert lists.equals(pl.read_ndjson(out / "lists" / f"{name}.jsonl", schema=lists.schema))
    assert str(out / "report.html") in said
    (tmp_path / "shown.yaml").write_text((out / "config.yaml").read_text())
    again = p5rec("run", recipe, "--config", tmp_path / "shown.yaml", "--out", tmp_path / "again")
    assert again[1].count(": cached ") == said.count(": made ")


ITEM_HEAD = """
data: {source: synthetic, synthetic: {kind: markov, users: 120, items: 40, events: 12}}
ids: {semantic: {levels: 2, codebook: 8, vectors: {text: null}}}
baselines: []
methods:
  model:
    backbone: {kind: scratch, width: 32, layers: 1, heads: 2, feedforward: 64}
    item_head: {}
    train:
      epochs: {max_epochs: 3, patience: 1}
      next_item: {bos_probability: 0.1}
      precision: float32
    decode: {search: item-head}
  codes: {like: model, decode: {search: beam, item_head_weight: 0}}
  parallel: {like: model, backbone: {item_embeddings: false}, item_head: {codes: 0}}
  both: {kind: fusion, components: {network: model, ease: {kind: item-to-item}}, weights: {ease: 1}}
"""


def trained(printed: str) -> list[str]:
    """The methods whose fits a run computed."""
    return re.findall(r"(?m)^fit (\S+): made ", printed)


def test_the_item_head_is_trained_and_ranks(p5rec: Any, tmp_path: Path) -> None:
    """One training, three ways of ranking: the item head's weight is a serving setting."""
    (tmp_path / "item-head.yaml").write_text(ITEM_HEAD)
    code, said, err = p5rec("run", tmp_path / "item-head.yaml", "--out", tmp_path / "out")
    assert code == 0, err
    once = {"model", "codes"}
    assert once & {*trained(said)} == {"model"}
    logged = (tmp_path / "out" / "training" / "model.jsonl").read_text().splitlines()
    checks = [log["step"] for log in map(json.loads, logged) if "valid_NDCG@10" in log]
    assert checks == [15 * n for n in range(1, len(checks) + 1)]  # 120 examples, 8 per step
    ranked = [
        pl.read_parquet(tmp_path / "out" / "lists" / f"{name}.parquet")["item"].to_list()
        for name in ("both", "codes", "model", "parallel")
    ]
    assert all(a != b for a, b in combinations(ranked, 2))
    seen = ("--out", tmp_path / "seen", "evaluate.exclude_seen=false")
    code, said, err = p5rec("run", tmp_path / "item-head.yaml", *seen)
    assert code == 0, err
    assert once & {*trained(said)} == {"model"}  # validation checks rank by the item head, too
    assert "seen items allowed" in said
    again = pl.read_parquet(tmp_path / "seen" / "lists" / "both.parquet")["item"].to_list()
    assert again != ranked[0]
    refused = ("--out", tmp_path / "refused", "methods.model.item_head=null")
    code, _, err = p5rec("run", tmp_path / "item-head.yaml", *refused)
    assert code == 2
    assert "set item_head" in err
    refused = ("--out", tmp_path / "refused", "methods.parallel.decode.search=beam")
    code, _, err = p5rec("run", tmp_path / "item-head.yaml", *refused)
    assert code == 2
    assert "trains no search over codes: set decode.search: item-head" in err
    parallel = ("--model", tmp_path / "out" / "models" / "parallel", "--search", "beam")
    code, _, err = p5rec("recommend", *parallel, "--out", tmp_path / "refused.parquet")
    assert code == 2
    assert "expected item-head" in err
    asked = (
        "--model",
        tmp_path / "out" / "models" / "model",
        "--config",
        tmp_path / "item-head.yaml",
    )
    written = tmp_path / "lists.parquet"
    code, _, err = p5rec("recommend", *asked, "--search", "item-head", "--out", written)
    assert code == 0, err
    assert pl.read_parquet(written)["user"].n_unique() == 120


def test_alignment_is_initialised_from_a_trained_method(p5rec: Any, tmp_path: Path) -> None:
    """Longer supervised training and both alignment objectives in one report."""
    more = "{like: tiny, start: tiny, train: {steps: 3, tasks: {next-item: {}}"
    code, said, err = p5rec(
        "run", "tiny", "--out", tmp_path / "out", "methods.tiny.train.steps=6",
        "methods.tiny.train.tasks={next-item: {}}", "evaluate.prompts={}",
        f"methods.more={more}}}}}",
        f"methods.sdpo={more}, align: {{objective: sdpo, negatives: 3}}}}}}",
        f"methods.grpo={more}, align: {{objective: grpo, group: 4}}}}}}",
    )  # fmt: skip
    assert code == 0, err
    assert {*trained(said)} >= {"tiny", "more", "sdpo", "grpo"}
    assert said.count("pairs: made ") == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {m["name"] for m in report["methods"]} >= {"tiny", "more", "sdpo", "grpo"}
    logged = (tmp_path / "out" / "training" / "grpo.jsonl").read_text()
    assert "group_hit_rate" in logged


def test_the_template_for_own_data_runs(p5rec: Any) -> None:
    """A CSV log and item table with the template's columns, and a smaller model."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(30), 6)
    items = (7 * users + 3 * np.tile(np.arange(6), 30)) % 20
    stars = rng.integers(1, 6, len(users))
    times = np.tile(np.arange(6) * 86_400 + 1_700_000_000, 30)
    log = pl.DataFrame({"user": users, "item": items, "time": times, "rating": stars})
    log.write_csv("log.csv")
    numbers = np.arange(20)
    pl.DataFrame(
        {
            "item": numbers,
            "title": [f"Thing {n}" for n in numbers],
            "genres": [("Drama|Noir", "Epic")[n % 2] for n in numbers],
            "year": 1990 + numbers,
        }
    ).write_csv("items.csv")
    code, out, err = p5rec("data", "describe", shipped()["sft"]["my-data"], "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["attributes"] == ["genres", "year"]
    code, _, err = p5rec("run", "my-data", *TOY)
    assert code == 0, err
    report = json.loads(Path("runs/my-data/report.json").read_text())
    small = {m["task"]: m["n"] for m in report["methods"] if m["name"] == "small"}
    assert small == {"sequential": 30, "explanation": 5}
    estimators = ("regression", "class", "expectation", "mean", "words", "text")
    rated = {m["name"]: m["n"] for m in report["methods"] if m["task"] == "rating"}
    assert {f"small ({estimator})" for estimator in estimators} | {"bias", "mf"} <= rated.keys()
    assert set(rated.values()) == {5}
    for name in ("small", "hybrid"):
        lists = pl.read_parquet(f"runs/my-data/lists/{name}.parquet")
        assert lists.group_by("user").len()["len"].unique().to_list() == [
            15
        ]  # of 20, without 5 seen
        assert set(lists["title"]) <= {f"Thing {n}" for n in numbers}


def test_a_method_is_initialised_from_another(p5rec: Any, mine: Mine, tmp_path: Path) -> None:
    more = "methods.more={like: mine, start: mine, train: {steps: 2}}"
    words = ("run", "sft", "--config", mine.config, "--out", tmp_path / "out", more)
    code, _, said = p5rec(*words)
    assert code == 0, said
    about = {
        name: json.loads((tmp_path / "out/models" / name / "manifest.json").read_text())["about"]
        for name in ("mine", "more")
    }
    assert about["more"]["start"]["train"] == about["mine"]["train"]
    assert "start" not in about["mine"]
    code, _, said = p5rec(*words[:-1], more.replace("start: mine", "start: mein"))
    assert (code, said.count("\n")) == (2, 1)
    assert "methods.more.start: expected a method's name or a model's folder, got 'mein'" in said
