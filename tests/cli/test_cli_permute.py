"""``p5rec run --permute``: the named signal is other_data out anew, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from my_folder import Mine, Trained

from p5rec.cli import run as running
from p5rec.cli.permute import SIGNALS, permuted
from p5rec.core.config import Tree
from p5rec.core.config import load as load_config
from p5rec.core.errors import UserError
from p5rec.core.paths import assets
from p5rec.core.recipes import load, shipped
from p5rec.data.prepare import load_corpus
from p5rec.ids.files import load_codes


def tree(name: str = "multitask", *overrides: str) -> Tree:
    schema = load(assets("recipes") / "sft.py").SCHEMA
    return load_config(shipped()["sft"][name], schema, [f"name={name}", *overrides]).dump()


def changes(before: Any, after: Any, at: str = "") -> dict[str, Any]:
    """Key path → new value, for all differences."""
    if isinstance(before, dict) and before.keys() == after.keys():
        found: dict[str, Any] = {}
        for key in before:
            found |= changes(before[key], after[key], f"{at}.{key}".strip("."))
        return found
    return {} if before == after else {at: after}


@pytest.mark.parametrize(
    ("signal", "switch"),
    [
        ("ids", "ids.semantic.permute"),
        ("text", "data.permute_text"),
        ("history", "methods.llm.permute_histories"),
        ("targets", "methods.llm.train.permute_targets"),
        ("weights", "methods.llm.backbone.permute"),
    ],
)
def test_one_setting_changes_and_is_noted(signal: str, switch: str) -> None:
    before = tree()
    after = permuted(before, [signal])
    changed = changes(before, after)
    assert changed.pop("name") == f"multitask-permute-{signal}"
    (*old, note) = changed.pop("notes")
    assert old == list(before["notes"])
    assert note.startswith(f"Permuted ({signal}): ")
    assert changed == {switch: True}
    assert before == tree()


@pytest.mark.parametrize("named", [True, False])
def test_components_of_a_fusion_are_permuted(named: bool) -> None:
    before = tree("hybrid")
    if not named:
        network = before["methods"].pop("hybrid-network")
        before["methods"] = {"hybrid": before["methods"]["hybrid"]}
        before["methods"]["hybrid"]["components"]["network"] = network
    path = "methods.hybrid-network" if named else "methods.hybrid.components.network"
    changed = changes(before, permuted(before, ["ids", "text"]))
    assert changed["ids.semantic.permute"]
    assert changed["data.permute_text"]
    assert path.removeprefix("methods.") in changed["notes"][-1]
    permuted_histories = changes(before, permuted(before, ["history"]))
    assert permuted_histories["methods.hybrid.permute_histories"]


def test_several_methods_and_signals() -> None:
    before = tree("codes")
    after = permuted(before, ["ids", "history"])
    changed = changes(before, after)
    assert changed.pop("name") == "codes-permute-ids-history"
    assert len(changed.pop("notes")) == len(before["notes"]) + 2
    train = {f"methods.{name}.permute_histories": True for name in ("small", "llm")}
    assert changed == {"ids.semantic.permute": True} | train
    assert permuted(before, []) == before


def test_ids_keep_the_item_vectors_of_a_method_whose_histories_are_permuted() -> None:
    deep = "{kind: sasrec, width: 16, tune: {}}"
    views = "ids.semantic.vectors.methods={deep: {method: deep}, other: {method: bpr}}"
    before = tree("codes", f"methods.deep={deep}", views)
    after = permuted(before, ["history"])
    assert after["methods"]["deep"]["permute_histories"]
    views = after["ids"]["semantic"]["vectors"]["methods"]
    assert views["deep"]["method"] == before["methods"]["deep"]
    assert views["other"]["method"] == "bpr"


def test_a_permuted_control_stays_as_it_is() -> None:
    changed = changes(before := tree("controls"), after := permuted(before, ["ids"]))
    assert changed["ids.semantic.permute"]
    assert "random" not in after["notes"][-1]
    permuted_histories = permuted(tree("rating"), ["history"])
    assert "regression, classification, joint, zero-shot" in permuted_histories["notes"][-1]


@pytest.mark.parametrize(
    ("signal", "overrides"),
    [
        ("ids", ["ids.semantic.permute=true"]),
        ("text", ["ids.semantic.vectors.text=null"]),
        ("text", ["ids.semantic.scheme=cid"]),
        ("text", ["data.permute_text=true"]),
        ("history", [f"methods.{m}.permute_histories=true" for m in ("small", "llm")]),
        ("targets", []),
        ("weights", ["methods.llm.backbone.permute=true"]),
    ],
)
def test_a_missing_signal_is_refused(signal: str, overrides: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        permuted(tree("codes", *overrides), [signal])
    assert len(caught.value.lines) == 1
    assert f"--permute {signal}: expected " in str(caught.value)


def test_a_recipe_of_baselines_or_of_items_alone() -> None:
    bare = {**tree("codes"), "methods": {}}
    for signal in SIGNALS:
        with pytest.raises(UserError, match=f"--permute {signal}: expected "):
            permuted(bare, [signal])
    titled = tree("codes")
    for method in titled["methods"].values():
        method["prompts"]["items"], method["train"]["tasks"] = "title", {"sequential-next": {}}
    with pytest.raises(UserError, match="--permute ids: expected "):
        permuted(titled, ["ids"])
    about_items = tree("families")
    method = about_items["methods"]["together"]
    method["train"]["tasks"] = {"item-text-to-id": {}, "item-id-to-text": {}}
    about_items["methods"] = {"together": method}
    with pytest.raises(UserError, match="a method with histories"):
        permuted(about_items, ["history"])
    for signal in ("ids", "text", "targets"):
        assert permuted(about_items, [signal])["notes"]


def test_show_has_the_name_and_reloads_equal(p5rec: Any, tmp_path: Path) -> None:
    code, out, _ = p5rec("run", "tiny", "--permute", "text", "--permute", "targets,ids", "--show")
    assert code == 0
    assert yaml.safe_load(out)["name"] == "tiny-permute-ids-text-targets"
    (tmp_path / "shown.yaml").write_text(out)
    assert p5rec("run", "sft", "--config", tmp_path / "shown.yaml", "--show")[1] == out
    code, out, err = p5rec("run", "tiny", "--permute", "txt")
    assert (code, out) == (2, "")
    assert err == "p5rec: --permute: expected a known signal, got 'txt'; did you mean 'text'?\n"
    assert set(SIGNALS) == {"ids", "text", "history", "targets", "weights"}


@pytest.mark.parametrize("signal", ["ids", "text"])
def test_a_run_uses_the_permuted_data_from_end_to_end(
    p5rec: Any, mine: Mine, trained: Trained, signal: str
) -> None:
    """Everything but the permuted signal equals the run without permutation."""
    code, said, err = p5rec("run", mine.config, "--permute", signal)
    assert code == 0, err
    out = Path(f"runs/my-permute-{signal}")
    data_folders = [text.partition("data: made ")[2].split()[0] for text in (trained.output, said)]
    plain, other_data = (load_corpus(Path(folder)) for folder in data_folders)
    codes, other = (load_codes(folder / "ids/semantic") for folder in (trained.out, out))
    served = load_codes(out / "models/mine/codes")
    assert np.array_equal(served.codes, other.codes)
    report = json.loads((out / "report.json").read_text())
    assert report["manifest"]["config"]["name"] == f"my-permute-{signal}"
    assert report["notes"][0].startswith(f"Permuted ({signal}): ")
    assert np.array_equal(plain.interactions.items, other_data.interactions.items)
    assert np.array_equal(plain.split.of_event, other_data.split.of_event)
    assert plain.catalog.ids == other_data.catalog.ids
    texts = [
        list(zip(c.catalog.titles, c.catalog.values("genres"), strict=True))
        for c in (plain, other_data)
    ]
    assert sorted(texts[0]) == sorted(texts[1])
    assert (texts[0] == texts[1]) == (signal == "ids")
    assert np.array_equal(codes.codes, other.codes) == (signal == "text")
    assert sorted(map(tuple, codes.codes)) == sorted(map(tuple, other.codes))
    titled = dict(zip(other_data.catalog.ids, other_data.catalog.titles, strict=True))
    lists = pl.read_parquet(out / "lists/mine.parquet")
    assert lists["title"].to_list() == [titled[item] for item in lists["item"]]


def test_titles_that_are_ids_cannot_be_permuted(p5rec: Any, mine: Mine) -> None:
    mine.replace("my.yaml", ", explanation: {}", "")
    mine.replace("my.yaml", ", explanation: 4", "")
    code, out, err = p5rec("run", mine.config, "data.items=null", "--permute", "text")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "data.permute_text: expected an item table with titles or attributes" in err


def test_a_yaml_alone_is_run_by_the_one_recipe_there_is(
    p5rec: Any, mine: Mine, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = p5rec("run", mine.config, "--show")
    assert (code, yaml.safe_load(out)["name"]) == (0, "my")
    both = {"sft": {}, "other": {}}
    monkeypatch.setattr(running, "shipped", lambda: both)
    code, out, err = p5rec("run", mine.config, "--show")
    assert (code, out) == (2, "")
    assert f"p5rec run sft --config {mine.config} or p5rec run other --config" in err
