"""The format of numbers in tables: values, intervals, differences, shares and seconds."""

from __future__ import annotations

from p5rec.evaluate.schema import Comparison, Measure

ABSENT = "-"


def number(value: float | None) -> str:
    """Four decimals without a leading zero, as is usual in tables of metrics."""
    if value is None:
        return ABSENT
    text = f"{value:.4f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and text.lstrip("-")[0] == "0" else text


def bracket(measure: Measure | None) -> str:
    """The bounds of an interval, ``[.1691, .2204]``; empty where there are none."""
    if measure is None or measure.low is None:
        return ""
    return f"[{number(measure.low)}, {number(measure.high)}]"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return ABSENT if value is None else f"{value:+.4f}"


def signed_bracket(comparison: Comparison) -> str:
    """The bounds of a difference; empty where there are none."""
    if comparison.low is None or comparison.high is None:
        return ""
    return f"[{signed(comparison.low)}, {signed(comparison.high)}]"


def share(value: float | None) -> str:
    """A share in percent; only an exact zero is written 0."""
    if value is None:
        return ABSENT
    if value == 0:
        return "0"
    return "<0.01 %" if value < 1e-4 else f"{100 * value:.2f} %"


def seconds(value: float) -> str:
    """Seconds, with one decimal below 100."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def cost_cell(value: str | float | None) -> str:
    """A method's training data, or the cost of its predictions, as text."""
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
