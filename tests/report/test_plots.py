import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from p5rec.core.errors import UserError
from p5rec.core.item_codes import ItemCodes
from p5rec.report import plots


@pytest.fixture
def saved(monkeypatch):
    """The saved figures, for inspection."""
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure))
    return figures


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_bars_are_sorted_and_labelled_with_intervals(method, report, saved, tmp_path):
    made = report(
        method("worse", {"HR@10": 0.1, "NDCG@10": 0.06}),
        method("better", {"HR@10": 0.2, "NDCG@10": 0.05}),
        method("only", {"RMSE": 1.0}, "rating"),
    )
    plots.metric_bars(made, tmp_path / "x.png")
    first, second, third, hidden = saved[0].axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["better", "worse"]
    assert words(first) == [".2000", ".1000"]
    ends = first.collections[0].get_segments()
    np.testing.assert_allclose([end[:, 0] for end in ends], [[0.19, 0.21], [0.09, 0.11]])
    strong = [bar.get_facecolor() for bar in second.patches]
    assert strong[1] == matplotlib.colors.to_rgba(plots.STRONG)  # "worse" is best in NDCG
    assert "lower is better" in third.get_title(loc="left")
    assert not hidden.get_visible()


def test_curves_show_loss_and_validation(saved, tmp_path):
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    a.write_text(
        '{"step": 10, "loss": 3.0}\n{"step": 20, "loss": NaN}\n{"step": 30, "loss": 2.0}\n'
        '{"step": 30, "valid_MRR": 0.5, "valid_HR@10": 0.1}\n{"step": 30, "train_runtime": 9}\n'
    )
    b.write_text('{"step": 10, "loss": 2.0}\n')
    plots.training_curves({"a": a, "b": b}, tmp_path / "x.png")
    loss, validation = saved[0].axes
    assert loss.lines[0].get_xydata().tolist() == [[10, 3], [30, 2]]
    assert validation.lines[0].get_xydata().tolist() == [[30, 0.1]]
    assert sorted(words(loss)) == ["a", "b"]
    low, high = sorted(text.xy[1] for text in loss.texts)
    assert high - low >= plots.LABEL_GAP - 1e-9  # both end at 2, and their names do not overlap


@pytest.mark.parametrize("line", ["{", "[1]", '{"loss": 1}', '{"step": "x"}', "\x00"])
def test_a_damaged_training_log_is_named_with_its_line(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 1}\n' + line + "\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl:2: expected a JSON object with a step"):
        plots.training_curves({"a": path}, tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_usage_counts_items_per_code(saved, tmp_path):
    codes = ItemCodes(np.array([[0, 3], [2, 3], [2, 1], [2, 0]], dtype=np.int32), (4, 8), "x")
    short = ItemCodes(codes.codes[:, :1], (4,), "y")
    plots.code_usage({"x": codes, "y": short}, tmp_path / "x.png")
    first, second, _, hidden = saved[0].axes
    assert first.get_title(loc="left") == "a: 2 of 4 used, 50 %"
    assert second.get_title(loc="left") == "b: 3 of 8 used, 38 %"
    assert first.patches[0].get_data().values.tolist() == [3, 1, 0, 0]
    assert first.lines[0].get_ydata()[0] == 1.0  # even use
    assert not hidden.get_visible()


def test_files_are_pngs_and_no_setting_leaks(method, report, tmp_path):
    before = dict(matplotlib.rcParams)
    plots.metric_bars(report(method("$m_1$", {"HR@10": 0.1})), tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_showing_a_report_loads_neither_torch_nor_pyplot():
    code = (
        "import sys, p5rec.report.files, p5rec.report.terminal;"
        "sys.exit('torch' in sys.modules or 'matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("results", [(0.0,), (1.0,), (1.0, 1.0, 1.0, 1.0), (0.1, 0.3, 0.2, 0.4)])
def test_information_in_codes_and_results_can_be_drawn(results, tmp_path):
    names = dict(zip("abcd", results, strict=False))
    plots.agreement(names, names, "x", tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000
