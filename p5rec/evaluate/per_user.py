"""The metrics of every test instance, saved beside the report so that two runs can be paired.

``per_user.parquet`` has one row for each test instance of each method's run. Its columns are
``task``, ``split``, ``method``, ``run`` (0, or the index of the seed), ``user`` and ``item``
(external ids; ``user`` is null where an instance belongs to no user), and one column for each
value, null where a task does not have it: metrics such as ``HR@10``, ``accuracy`` or ``ROUGE-1``;
for ratings ``prediction``, clipped to the scale, and ``rating``; for clicks ``probability`` and
``label``. Rows keep the order of the test instances. BLEU and groundedness are metrics of a
whole set of texts and have no column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.atomic import atomic_write
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus
from p5rec.metrics import probability as stated
from p5rec.metrics import rating as rated
from p5rec.metrics.intervals import Statistic, combined, mean_of

from .measured import Measured, mean_values
from .schema import Method

FILE = "per_user.parquet"
# columns → the metrics that are computed from them and the users, as they are no mean over
# instances; and the function of the two columns and the users ``(B,)``
VALUE_COLUMNS: Mapping[
    tuple[str, str],
    tuple[tuple[str, ...], Callable[[np.ndarray, np.ndarray, np.ndarray], Statistic]],
] = {
    ("prediction", "rating"): (rated.NAMES, lambda own, ratings, _: rated.statistic(own, ratings)),
    ("probability", "label"): (stated.NAMES, stated.statistic),
}
KEYS = ("task", "split", "method", "run", "user", "item")


def write_per_user(measured: Sequence[Measured], corpus: Corpus, folder: Path) -> None:
    """Writes the test instances of all methods to ``folder``."""
    users = np.array([*corpus.user_ids, None], dtype=object)
    items = np.array([*corpus.catalog.ids, None], dtype=object)
    frames = []
    for entry in measured:
        for number, run in enumerate(entry.runs or (entry,)):
            keys = {
                "task": entry.method.task,
                "split": entry.method.split,
                "method": entry.method.name,
                "run": number,
                "user": pl.Series(users[np.maximum(run.users, -1)].tolist(), dtype=pl.String),
                "item": pl.Series(items[run.items].tolist(), dtype=pl.String),
            }
            values = {name: pl.Series(v.astype(float)) for name, v in run.values.items()}
            frames.append(pl.DataFrame({**values, **keys}).select(*KEYS, *values))
    with atomic_write(folder / FILE, "wb") as handle:
        pl.concat(frames, how="diagonal").write_parquet(handle, compression="zstd")


def read_per_user(folder: Path) -> pl.DataFrame | None:
    """The test instances saved in a run's folder; None if there are none.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        table = pl.read_parquet(path, glob=False)
        return table.select(*KEYS, pl.exclude(*KEYS))
    except (pl.exceptions.PolarsError, OSError) as error:
        got = str(error).splitlines()[0]
        raise input_error(
            path, "the test instances of a run", got, "remove it or run again"
        ) from None


def measured_of(method: Method, instances: pl.DataFrame) -> tuple[Measured, pl.DataFrame] | None:
    """A method's measurement, restored from the saved test instances of its run.

    Args:
        method: its entry in the report.
        instances: the saved instances of all methods of the run.

    Returns:
        The entry with those of its metrics that have a value for each instance, and the ``user``
        and ``item`` of each instance. None where no instance of the method was saved.
    """
    own = instances.filter(
        pl.col("task") == method.task,
        pl.col("split") == method.split,
        pl.col("method") == method.name,
    )
    known = {*method.metrics, *chain(*VALUE_COLUMNS)}
    values = [c.name for c in own if c.name in known and c.null_count() < len(own)]
    if not values:
        return None
    runs = own.partition_by("run", maintain_order=True)
    computed = (names for of, (names, _) in VALUE_COLUMNS.items() if {*of} <= {*values})
    names, keys = next(computed, values), runs[0].select("user", "item")
    users = _units(keys["user"])
    measured = Measured(
        method.model_copy(update={"metrics": {name: method.metrics[name] for name in names}}),
        users,
        {name: runs[0][name].to_numpy() for name in values},
        combined([_statistic(run, values, users) for run in runs], mean_values),
        np.full(len(keys), -1),
    )
    return measured, keys


def _units(users: pl.Series) -> np.ndarray:
    """``(B,)`` the sampling units of the bootstrap: users numbered in order of appearance."""
    without = users.is_null().to_numpy()
    _, first, unit = np.unique(users.fill_null("").to_numpy(), return_index=True,
                               return_inverse=True)  # fmt: skip
    return np.where(without, -1 - np.arange(len(users)), first[unit])


def _statistic(run: pl.DataFrame, values: Sequence[str], users: np.ndarray) -> Statistic:
    for columns, (_, statistic) in VALUE_COLUMNS.items():
        if {*columns} <= {*values}:
            one, other = (run[name].to_numpy() for name in columns)
            return statistic(one, other, users)
    return mean_of(run.select(values).to_numpy())
