"""What each case contributed to each figure, kept beside the report: any two runs can be paired.

``per_user.parquet`` has a row a case of each method's run: ``task``, ``split``, ``method``,
``run`` (0, or the number of the seed's run), ``user`` and ``item`` (external ids; null where a
case is no user's), and a column a value, null where a task has no such value: ``HR@10`` and the
like, ``accuracy``, ``ROUGE-1``; of ratings ``prediction``, clipped to the scale, and ``rating``; of
clicks ``chance`` and ``happened``.
Rows stand in the order of the test; BLEU and groundedness are of a whole set of texts and have
no value a case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.artefacts import atomic_write
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus
from p5rec.metrics import probability as stated
from p5rec.metrics import rating as rated
from p5rec.metrics.intervals import Statistic, mean_of

from .measured import Measured
from .schema import Method

FILE = "per_user.parquet"
# columns of which metrics are made that are no mean over cases → those metrics, and how
MADE_OF: Mapping[
    tuple[str, str], tuple[tuple[str, ...], Callable[[np.ndarray, np.ndarray], Statistic]]
] = {
    ("prediction", "rating"): (rated.NAMES, rated.statistic),
    ("chance", "happened"): (stated.NAMES, stated.statistic),
}
KEYS = ("task", "split", "method", "run", "user", "item")


def write_cases(measured: Sequence[Measured], corpus: Corpus, folder: Path) -> None:
    """Keeps the cases of all methods in ``folder``."""
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


def read_cases(folder: Path) -> pl.DataFrame | None:
    """The cases kept in a run's folder; None where none were kept.

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
        raise input_error(path, "the cases of a run", got, "remove it or run again") from None


def measured_of(method: Method, cases: pl.DataFrame) -> tuple[Measured, pl.DataFrame] | None:
    """A method as it was measured, out of the cases that were kept, and whose they are.

    Args:
        method: its entry in the report.
        cases: of its run.

    Returns:
        What can be compared: the entry with the metrics that have values a case; and the ``user``
        and ``item`` of each. None where the method has no cases.
    """
    here = cases.filter(
        pl.col("task") == method.task,
        pl.col("split") == method.split,
        pl.col("method") == method.name,
    )
    known = {*method.metrics, *chain(*MADE_OF)}
    values = [c.name for c in here if c.name in known and c.null_count() < len(here)]
    if not values:
        return None
    runs = here.partition_by("run", maintain_order=True)
    each = [_statistic(run, values) for run in runs]
    names = next((made for of, (made, _) in MADE_OF.items() if {*of} <= {*values}), values)
    whose = runs[0].select("user", "item")
    found = Measured(
        method.model_copy(update={"metrics": {name: method.metrics[name] for name in names}}),
        _units(whose["user"]),
        {name: runs[0][name].to_numpy() for name in values},
        lambda weights: np.mean([of(weights) for of in each], axis=0),
        np.full(len(whose), -1),
    )
    return found, whose


def _units(users: pl.Series) -> np.ndarray:
    """``(B,)`` users by number, in the order in which they come, which the bootstrap draws by."""
    nobody = users.is_null().to_numpy()
    _, first, unit = np.unique(users.fill_null("").to_numpy(), return_index=True,
                               return_inverse=True)  # fmt: skip
    return np.where(nobody, -1 - np.arange(len(users)), first[unit])


def _statistic(run: pl.DataFrame, values: Sequence[str]) -> Statistic:
    for columns, (_, statistic) in MADE_OF.items():
        if {*columns} <= {*values}:
            one, other = (run[name].to_numpy() for name in columns)
            return statistic(one, other)
    return mean_of(run.select(values).to_numpy())
