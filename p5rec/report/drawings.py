"""Inline SVG drawings of the report page: intervals and training curves.

Lengths are shares of the width, so a drawing fits any screen. Colours are CSS classes of the page,
so they follow its light and dark themes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from p5rec.evaluate.blocks import LOWER_IS_BETTER
from p5rec.evaluate.schema import Comparison, Measure

from .html import Html, join, tag
from .numbers import number
from .training_log import LOSS, VALIDATION, Log, panel_title, panels, smoothed

MARGIN = 0.04  # free space at either end of an axis, as a share of its length
MAX_POINTS = 160  # of a curve
MAX_CURVES = 6  # of one chart, each with its own colour
WIDTH, HEIGHT = 1000, 400  # in units of the chart's view box


def span(measures: Iterable[Measure | Comparison | None]) -> tuple[float, float]:
    """The ends of an axis that covers all intervals, with a margin that does not cross 0."""
    known = [v for m in measures if m for v in (m.value, m.low, m.high) if v is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    free = MARGIN * (high - low) or 0.05
    return (low - free if low < 0 else max(0.0, low - free)), high + free


def bar(
    measure: Measure | Comparison | None,
    axis: tuple[float, float],
    *,
    strong: bool = False,
    zero: bool = False,
) -> Html:
    """An interval as a line and its value as a dot, on ``axis``; ``zero`` marks 0.

    The numbers are in the cell's text too, so the drawing is hidden from screen readers.
    """
    shapes = [tag("line", class_="axis", x1="0", x2="100%", y1="50%", y2="50%")]
    if zero and axis[0] <= 0 <= axis[1]:
        at = _share(0.0, axis)
        shapes.append(tag("line", class_="zero", x1=at, x2=at, y1="0", y2="100%"))
    if measure is not None and measure.value is not None:
        if measure.low is not None and measure.high is not None:
            ends = {"x1": _share(measure.low, axis), "x2": _share(measure.high, axis)}
            shapes.append(tag("line", class_="range", y1="50%", y2="50%", **ends))
        shapes.append(tag("circle", cx=_share(measure.value, axis), cy="50%", r="3.5"))
    return tag("svg", *shapes, class_="bar strong" if strong else "bar", aria_hidden="true")


def _share(value: float, axis: tuple[float, float]) -> str:
    return f"{100 * (value - axis[0]) / (axis[1] - axis[0]):.1f}%"


def curves(logs: Mapping[str, Log]) -> Html:
    """Charts of the loss and of one validation metric, with at most ``MAX_CURVES`` runs each."""
    keys = panels(logs.values())
    charts = []
    for key in keys:
        runs = [(name, log[key]) for name, log in logs.items() if key in log]
        values = np.concatenate([points[1] for _, points in runs])
        if (
            key == LOSS and len(values) > MAX_POINTS
        ):  # the high loss of the first steps would flatten the rest
            values = values[values <= np.quantile(values, 0.99)]
        steps = max(float(points[0].max()) for _, points in runs)
        ends = (float(values.min()), float(values.max()))
        groups = [runs[at : at + MAX_CURVES] for at in range(0, len(runs), MAX_CURVES)]
        charts += [_chart(key, group, steps, ends) for group in groups]
    return tag("div", *charts, class_="charts")


def _chart(
    key: str,
    runs: Sequence[tuple[str, np.ndarray]],
    steps: float,
    ends: tuple[float, float],
) -> Html:
    ticks = [float(t) for t in MaxNLocator(4).tick_values(*ends)]
    low, high = ticks[0], ticks[-1]
    grid, labels = [], []
    for tick in ticks:
        at = f"{100 * (high - tick) / (high - low):.1f}%"
        grid.append(tag("line", class_="grid", x1="0", x2="100%", y1=at, y2=at))
        labels.append(tag("text", f"{tick:g}", x="0", y=at, dy="-3"))
    lines, names = [], []
    for colour, (name, points) in enumerate(runs):
        trend = smoothed(points) if key == LOSS else points
        if key == LOSS:
            lines.append(_line(points, steps, (low, high), f"raw c{colour}"))
        lines.append(_line(trend, steps, (low, high), f"c{colour}"))
        mark = tag("line", class_=f"c{colour}", x1="0", x2="100%", y1="50%", y2="50%")
        sign = tag("svg", mark, class_="key", aria_hidden="true")
        names.append(tag("li", sign, tag("b", name), " ", _summary(key, trend)))
    inner = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "preserveAspectRatio": "none"}
    plot = tag("svg", *lines, width="100%", height="100%", **inner)
    title = panel_title(key)
    return tag(
        "figure",
        tag("figcaption", title),
        tag(
            "svg", *grid, plot, *labels, class_="chart", role="img", aria_label=f"{title}, by step"
        ),
        tag("p", tag("span", "0"), tag("span", f"{steps:,.0f} steps"), class_="steps"),
        tag("ul", *names, class_="keys"),
    )


def _line(points: np.ndarray, steps: float, ends: tuple[float, float], classes: str) -> Html:
    thinned = points[:, np.unique(np.linspace(0, points.shape[1] - 1, MAX_POINTS).astype(int))]
    across = WIDTH * thinned[0] / (steps or 1)
    down = HEIGHT * (ends[1] - np.clip(thinned[1], *ends)) / (ends[1] - ends[0])
    coordinates = " ".join(f"{x:.0f},{y:.1f}" for x, y in zip(across, down, strict=True))
    return tag("polyline", class_=classes, points=coordinates)


def _summary(key: str, points: np.ndarray) -> Html:
    """A curve's first and last loss, or its best validation metric, in words."""
    steps, values = points
    if key == LOSS:
        return join([f"from {values[0]:.3f} to {values[-1]:.3f}"])
    lower = key.removeprefix(VALIDATION) in LOWER_IS_BETTER
    best = int(values.argmin() if lower else values.argmax())
    return join([f"best {number(float(values[best]))} at step {steps[best]:,.0f}"])
