"""``p5rec compare``: all methods on the same users, in one table."""

from __future__ import annotations

import json
from typing import Any

from my_folder import Mine

METHODS = """\
  zero: &asked
    backbone: {kind: scratch, width: 16, layers: 1, heads: 2, feedforward: 32, dropout: 0.0}
    prompts: {items: title, max_history: 2}
    train: {steps: 0, tasks: {sequential-next: {}, sequential-candidates: {}, rating: {}}}
    decode: {k: 10, beams: 20, closed: true}
  two-shot: {like: zero, prompts: {shots: 2}}
  titles: {like: zero, train: {steps: 2, batch: 4, precision: float32}}
  mine-half: {like: mine, train: {users: 0.5}}
evaluate:
  k: 10
  prompts: {rating: 10, sequential-next: 10, sequential-candidates: 5}
  compare: [[titles, zero], [mine, popularity], [mine, titles]]
"""


def test_all_methods_are_in_one_table(p5rec: Any, mine: Mine) -> None:
    text = mine.config.read_text()
    mine.config.write_text(text[: text.index("evaluate:")] + METHODS)
    out = mine.folder / "out"
    code, _, err = p5rec("compare", mine.config, "--out", out)
    assert code == 0, err
    found = json.loads((out / "report.json").read_text())
    tables: dict[str, dict[str, Any]] = {}
    for entry in found["methods"]:
        tables.setdefault(entry["task"], {})[entry["name"]] = entry
    listed = tables["sequential-next"]
    assert set(listed) == {"zero", "two-shot", "titles", "mine", "mine-half", "popularity"}
    assert {entry["n"] for entry in listed.values()} == {10}
    trained_on = {name: entry["about"].get("trained_on") for name, entry in listed.items()}
    assert trained_on["zero"] == "nothing"
    assert trained_on["two-shot"] == "2 examples"
    assert trained_on["mine-half"] == "those of 0.5 of the users"
    tokens = {n: e["other_metrics"].get("tokens_per_prompt") for n, e in listed.items()}
    assert tokens["two-shot"] > 2 * tokens["zero"]
    assert tokens["popularity"] is None
    assert all(entry["invalid_rate"] == entry["duplicate_rate"] == 0 for entry in listed.values())
    pairs = {(c["a"], c["b"]) for c in found["comparisons"] if c["task"] == "sequential-next"}
    assert pairs == {("titles", "zero"), ("mine", "popularity"), ("mine", "titles")}
    assert (out / "plots/data.png").is_file()
    assert "trained on" in (out / "report.md").read_text()
    # every family has the same users
    assert tables["rating"]["zero (words)"]["n"] == 10
