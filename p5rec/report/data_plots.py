"""A picture of a data set: events per user, popularity of items, and events over time."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import PercentFormatter

from p5rec.core.types import Interactions

from .plots import SOFT, STRONG, STYLE, Picture, layout

BINS, PERIODS = 24, 60  # bins of the histogram of users; of the time axis
MAX_TICKS = 7  # on an axis of counts


def data_figure(log: Interactions, *, ordinal: bool) -> Picture:
    """Draws events per user, the cumulative share of popular items, and events over time.

    Args:
        log: the events.
        ordinal: times are mere positions, so the panel of events over time is left out.
    """
    with matplotlib.rc_context(STYLE):
        panels = 2 if ordinal else 3
        figure = Picture(figsize=(3.6 * panels, 2.9), layout=layout())
        grid = figure.subplots(1, panels)
        _of_users(grid[0], np.diff(log.offsets))
        _of_items(grid[1], np.bincount(log.items, minlength=log.n_items))
        if not ordinal:
            _over_time(grid[2], log.times)
    return figure


def _of_users(axes: Any, counts: np.ndarray) -> None:
    counts = counts[counts > 0]
    edges = np.unique(np.geomspace(counts.min(), counts.max() + 1, BINS).round())
    median = float(np.median(counts))
    axes.hist(counts, bins=edges, color=SOFT)
    axes.axvline(median, color=STRONG, linewidth=1.2)
    axes.set_xscale("log")
    ticks = [step * 10**power for power in range(9) for step in (1, 2, 5)]
    ticks = [tick for tick in ticks if edges[0] <= tick <= edges[-1]]
    if len(ticks) > MAX_TICKS:
        ticks = [tick for tick in ticks if str(tick)[0] == "1"]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_title("Events per user")
    axes.set_xlabel(f"events (median {median:,.0f})")
    axes.set_ylabel("users")


def _of_items(axes: Any, counts: np.ndarray) -> None:
    popular = np.sort(counts)[::-1]
    share = np.cumsum(popular) / max(1, popular.sum())
    at = np.arange(1, len(share) + 1) / len(share)
    tenth = float(share[max(1, round(len(share) / 10)) - 1])
    axes.fill_between(at, share, color=SOFT, linewidth=0)
    axes.plot(at, share, color=STRONG, linewidth=1.2)
    axes.set_title("Share of popular items")
    axes.set_xlabel(f"items by popularity (top 10 %: {tenth:.0%})")
    axes.set_ylabel("share of all events")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))


def _over_time(axes: Any, times: np.ndarray) -> None:
    moments = times.astype("datetime64[s]")
    counts, edges = np.histogram(times, bins=PERIODS)
    axes.stairs(counts, edges.astype("datetime64[s]"), fill=True, color=SOFT)
    locator = AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlim(moments.min(), moments.max())
    axes.set_title("Events over time")
    axes.set_ylabel("events")
