import errno
import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.core.errors import UserError
from p5rec.core.item_codes import ItemCodes
from p5rec.evaluate.schema import Measure, Report, Sample, load_report
from p5rec.report.files import write_pages, write_report


@pytest.fixture
def complete(method, report, tmp_path):
    log = tmp_path / "elsewhere" / "metrics.jsonl"
    log.parent.mkdir()
    log.write_text('{"step": 10, "loss": 3.5}\n{"step": 20, "loss": 2.5, "valid_HR@10": 0.1}\n')
    return report(
        method("popularity", {"HR@10": 0.08, "NDCG@10": 0.04}),
        method("small", {"HR@10": 0.19, "NDCG@10": 0.1}, about={"parameters": np.int64(7)}),
        curves={"small": str(log)},
        notes=["small: a compact decoder."],
    )


def test_report_json_has_the_documented_keys(complete, tmp_path):
    write_report(complete, tmp_path / "run")
    tree = json.loads((tmp_path / "run" / "report.json").read_text())
    assert {"data", "protocol", "manifest", "seconds", "methods"} <= set(tree)
    entry = tree["methods"][1]
    assert {
        "name", "task", "split", "metrics", "invalid_rate", "duplicate_rate", "n",
        "train_seconds", "infer_seconds",
    } <= set(entry)  # fmt: skip
    assert set(entry["metrics"]["HR@10"]) == {"value", "low", "high"}
    assert entry["about"] == {"parameters": 7}


def test_it_loads_back_equal_and_moves_with_its_folder(complete, tmp_path):
    codes = ItemCodes(np.array([[0, 1], [1, 1]], dtype=np.int32), (2, 4), "random")
    written = write_report(complete, tmp_path / "run", {"random": codes})
    assert load_report(tmp_path / "run") == written
    first = (tmp_path / "run" / "report.md").read_text()
    shutil.rmtree(tmp_path / "elsewhere")
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    for path in (moved / "report.md", moved / "plots/metrics.png", moved / "plots/training.png"):
        path.unlink()
    write_pages(load_report(moved), moved)
    assert (moved / "report.md").read_text() == first
    for path in written.pictures.values():
        assert f"]({path})" in first
        assert (moved / path).read_bytes().startswith(b"\x89PNG")


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(np.float32("nan"))
)
nested = leaves | st.lists(leaves) | st.dictionaries(st.text(), st.lists(leaves))
facts = st.dictionaries(st.text(), nested, max_size=4)


@given(facts, st.floats())
def test_any_facts_survive_the_file_and_nan_is_null(data, value):
    one = Measure(value=value, low=float("nan"), high=np.float64("nan"))
    entry = {
        "name": "m", "task": "t", "split": "test", "metrics": {"x": one}, "invalid_rate": 0,
        "duplicate_rate": float("nan"), "n": 1, "train_seconds": 0, "infer_seconds": 0,
    }  # fmt: skip
    protocol = {"splits": {}, "seeds": [0]}
    made = Report(data=data, protocol=protocol, manifest={}, seconds=0, methods=[entry])
    text = json.dumps(made.dump(), allow_nan=False)
    assert Report.model_validate(json.loads(text)) == made
    assert made.methods[0].duplicate_rate is None
    assert made.methods[0].metrics["x"].low is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tree: "{", "expected valid JSON"),
        (lambda tree: json.dumps([tree]), "the whole file"),
        (lambda tree: json.dumps({**tree, "surprise": 1}), "surprise: extra inputs"),
        (lambda tree: json.dumps({**tree, "methods": [{}]}), "methods.0.name: field required"),
    ],
)
def test_a_damaged_report_is_one_line(complete, tmp_path, damage, message):
    write_report(complete, tmp_path)
    path = tmp_path / "report.json"
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(UserError) as caught:
        load_report(tmp_path)
    (line,) = caught.value.lines
    assert line.startswith(f"{path}: expected")
    assert message in line


def test_a_missing_training_log_is_reported_before_any_write(complete, tmp_path):
    gone = complete.model_copy(update={"curves": {"small": str(tmp_path / "none.jsonl")}})
    with pytest.raises(UserError, match=r"none\.jsonl: expected the training log of small"):
        write_report(gone, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(complete, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="full disk") as caught:
        write_report(complete, tmp_path / "run")
    assert len(caught.value.lines) == 1
    assert [path for path in (tmp_path / "run").rglob("*") if path.is_file()] == []


def test_the_page_has_best_values_and_escaped_samples(method, report, tmp_path):
    made = report(
        method("a|b", {"RMSE": 1.2, "MAE": 0.9}, "rating", duplicate_rate=None),
        method("small", {"RMSE": 0.9, "MAE": 0.95}, "rating", duplicate_rate=None),
        samples=[
            Sample(kind="explanation", method="llm", prediction=["<script>x</script>\n# [a](b)"]),
            Sample(kind="list", method="llm", query={"user": "7"}, prediction=["One", "Two"]),
        ],
    )
    write_report(made, tmp_path)
    page = (tmp_path / "report.md").read_text()
    small, other = (next(r for r in page.splitlines() if n in r) for n in ("| small |", r"a\|b"))
    assert small.count("**") == other.count("**") == 2  # each is best in one column
    assert "**.9000**" in small
    assert page.index(small) < page.index(other)  # the lower error comes first
    assert r"> \<script\>x\</script\> # [a\](b)" in page
    assert "**llm**, user: 7\n\n1. One\n2. Two" in page
    assert "fewer than three" in page


def test_the_page_has_the_metrics_of_each_seed(method, report, tmp_path):
    entry = method("m", {"HR@10": 0.5, "MRR@10": 0.3})
    several = entry.model_copy(update={"by_seed": {"HR@10": [0.4, 0.6, 0.5], "MRR@10": [0.3] * 3}})
    made = report(several)
    rules = made.protocol.model_copy(update={"seeds": [0, 1, 2]})
    write_report(made.model_copy(update={"protocol": rules}), tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert "HR@10 by seed .4000 / .6000 / .5000" in page
    assert "means over the seeds" in page
    assert "fewer than three" not in page
    table = (tmp_path / "report.html").read_text().partition("By seed")[2].partition("</thead>")[0]
    assert [f"seed {n}" in table for n in range(4)] == [True, True, True, False]
