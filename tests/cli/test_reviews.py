"""Reviews from a user's own file to a report, with notes on repeats and text baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

TINY = [
    "ids.semantic.codebook=4",
    "methods.llm.backbone={kind: scratch, width: 16, layers: 1, heads: 2, feedforward: 32, "
    "max_positions: 512}",
    "methods.llm.train={tasks: {rating: {}, summary: {}, explanation: {}, review: {}}, steps: 4, "
    "batch: 4, precision: float32}",
    "methods.llm.decode={max_new_tokens: 4, closed: true}",
    "evaluate.prompts={rating: 9, summary: 9, explanation: 9, review: 9}",
]
FEELS = ("Lovely", "Sticky", "Plain", "Bright")


def write(path: Path) -> None:
    """12 users with 4 reviews each, one of them copied to 3 more items, one written down twice."""
    rows = []
    for user in range(12):
        for step in range(4):
            item, word = (5 * user + 2 * step) % 9, FEELS[(user + step) % 4]
            row = {
                "user": f"u{user}", "asin": f"B{item}", "rating": 5.0 - step % 3,
                "time": 1_500_000_000 + 86_400 * step, "summary": f"{word} one",
                "text": f"{word} thing number {item}, says {user}. I would buy it again.",
            }  # fmt: skip
            rows.append(row)
            if step == 3:
                rows += [row | {"asin": f"C{n}"} for n in range(3)]
            if step == 0:
                rows += [row, row | {"text": "Something else altogether."}]
    pl.DataFrame(rows).write_ndjson(path, compression="gzip")


def test_reviews_end_to_end(p5rec: Any) -> None:
    write(Path("reviews.jsonl.gz"))
    code, _, err = p5rec("run", "reviews", *TINY)
    assert code == 0, err
    report = json.loads(Path("runs/reviews/report.json").read_text())
    assert report["data"]["events"] == 48
    notes = " ".join(report["notes"])
    assert "24 rows of the log equal an earlier one in user, item and time, 12 of them" in notes
    assert "36 further rows repeat a review that the user wrote at the same time" in notes
    found: dict[str, dict[str, Any]] = {}
    for method in report["methods"]:
        found.setdefault(method["task"], {})[method["name"]] = method
    assert found.keys() == {"rating", "summary", "explanation", "review"}
    copied = {"most-frequent", "most-frequent-of-item", "nearest-review"}
    assert found["explanation"].keys() == found["review"].keys() == {"llm", "permuted", *copied}
    assert found["summary"].keys() == {"llm", "permuted", "lead-sentence", *copied}
    assert found["rating"].keys() >= {"llm (mean)", "permuted (mean)", "user-mean", "bias"}
    for task in ("summary", "explanation", "review"):
        for method in found[task].values():
            assert method["n"] == 9
            for name in ("BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L"):
                measured = method["metrics"][name]
                assert measured["low"] <= measured["value"] <= measured["high"]
            assert "distinct_sentences" in method["other_metrics"]
    assert found["review"]["most-frequent"]["other_metrics"]["distinct_sentences"] == 2 / 18
    pairs = {(c["a"], c["b"], c["task"], c["metric"]) for c in report["comparisons"]}
    assert ("llm", "nearest-review", "explanation", "ROUGE-L") in pairs
    assert ("llm", "lead-sentence", "summary", "BLEU-4") in pairs


def test_a_file_that_is_not_there_is_one_line(p5rec: Any) -> None:
    code, _, err = p5rec("run", "reviews")
    assert code == 2
    assert err.splitlines()[-1].startswith("p5rec: reviews.jsonl.gz: expected a file or folder")
