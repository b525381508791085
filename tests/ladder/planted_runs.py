"""Runs of a recipe on synthetic data with a planted effect, and on null data."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import enter, output_of, report

from p5rec.metrics.intervals import Interval


def difference(recipe: str, kind: str, metric: str, folder: Path) -> Interval:
    """The difference of the two methods that a recipe compares.

    Args:
        recipe: the YAML of a config, with ``KIND`` in place of ``data.synthetic.kind``.
        kind: the synthetic dataset.
        metric: the metric of the comparison, which has one task.
        folder: a new folder.
    """
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, recipe.replace("KIND", f'"{kind}"'), patch)
        output_of("run", "my.yaml")
        comparisons = report("runs/my")["comparisons"]
    (found,) = (each for each in comparisons if each["metric"] == metric)
    return Interval(found["value"], found["low"], found["high"])
