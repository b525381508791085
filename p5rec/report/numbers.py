"""Figures as tables show them: values, intervals, differences, shares and seconds."""

from __future__ import annotations

from p5rec.evaluate.schema import Comparison, Measure

ABSENT = "-"


def number(value: float | None) -> str:
    """Four decimals without a leading zero, as tables of this field are written."""
    if value is None:
        return ABSENT
    text = f"{value:.4f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and text.lstrip("-")[0] == "0" else text


def bracket(measure: Measure | None) -> str:
    """The bounds of an interval, ``[.1691, .2204]``; nothing where there are none."""
    if measure is None or measure.low is None:
        return ""
    return f"[{number(measure.low)}, {number(measure.high)}]"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return ABSENT if value is None else f"{value:+.4f}"


def signed_bracket(comparison: Comparison) -> str:
    """The bounds of a difference; nothing where there are none."""
    if comparison.low is None or comparison.high is None:
        return ""
    return f"[{signed(comparison.low)}, {signed(comparison.high)}]"


def share(value: float | None) -> str:
    """A share in percent. Only a true zero is written 0."""
    if value is None:
        return ABSENT
    if value == 0:
        return "0"
    return "<0.01 %" if value < 1e-4 else f"{100 * value:.2f} %"


def seconds(value: float) -> str:
    """Seconds, with a decimal while it matters."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def footing_cell(value: str | float | None) -> str:
    """What a method learned from, or what its answers cost, in words."""
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
