"""Coverage of the intervals, and the rate of false claims of differences.

python scripts/bench_intervals.py [--json out.json] [--quick]

Users are sampled from populations with a known true value and typical metrics: hits, NDCG, squared
errors of one to many ratings per user, and differences of methods that agree on most users. Each
repetition is a test set; its interval comes from ``p5rec.metrics.intervals`` as in a report.

First: the share of intervals that cover the true value, with its Wilson interval, the misses on
each side, and the coverage of plain percentile intervals. Second: ten methods against a baseline,
nine of them equal to it: the rate of false claims per comparison and per table, and the power for
the tenth method, each uncorrected and corrected. Third: intervals of a mean over three seeds with
seed effects beyond user effects. Three minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from p5rec.core.artefacts import write_json
from p5rec.core.rng import derive_rng
from p5rec.metrics.intervals import (
    LEVEL,
    Interval,
    Statistic,
    bootstrap,
    mean_of,
    of_instances,
    paired,
)
from p5rec.metrics.multiple_testing import holm

REPETITIONS, BLOCK = 1000, 50  # test sets, and how many share their resamples
USERS = (200, 943, 5000)
AGREE = 0.6  # share of users on whom two methods agree
SPREAD = 0.35  # standard deviation of the logarithm of the users' error scales
METHODS = 10
RUNS, SHIFTS = 3, (0.0, 0.005, 0.01)  # seeds, and the standard deviation of their HR@10 of .2
ODDS = 1 / np.arange(1, 11)  # of ranks 1 to 10, given a hit
GAINS = np.append(1 / np.log2(np.arange(2, 12)), 0)  # NDCG@10 at each rank, and without a hit

Rng = np.random.Generator
Values = Callable[[Rng, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Setting:
    """``sample(rng, users, M)`` gives one or two methods on M test sets; ``truth`` is their true
    value or difference."""

    name: str
    truth: float
    sample: Callable[[Rng, int, int], Sequence[Statistic]]


def hits(p: float) -> Values:
    """HR@10: 1 for a share ``p`` of the users."""
    return lambda rng, shape: (rng.random(shape) < p).astype(np.float64)


def ndcg(p: float) -> Values:
    """NDCG@10: 0 for most users; for the others, earlier ranks are likelier."""
    ends = np.cumsum(p * ODDS / ODDS.sum())
    return lambda rng, shape: GAINS[np.searchsorted(ends, rng.random(shape), side="right")]


def mean_ndcg(p: float) -> float:
    """The true mean of :func:`ndcg`."""
    return float(p * (GAINS[:10] * ODDS).sum() / ODDS.sum())


def agreeing(rng: Rng, theirs: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Values of a method that agrees with another one on some users and differs on the rest."""
    return np.where(rng.random(fresh.shape) < AGREE, theirs, fresh)


def value_of(name: str, truth: float, values: Values) -> Setting:
    """The mean of one method."""
    return Setting(name, truth, lambda rng, n, m: [mean_of(values(rng, (n, m)))])


def difference_of(name: str, gap: float, ours: Values, theirs: Values) -> Setting:
    """The difference of two methods' means."""

    def sample(rng: Rng, n: int, m: int) -> list[Statistic]:
        base = theirs(rng, (n, m))
        return [mean_of(agreeing(rng, base, ours(rng, (n, m)))), mean_of(base)]

    return Setting(name, gap, sample)


def rmse(methods: int) -> Callable[[Rng, int, int], list[Statistic]]:
    """RMSE over all ratings: users have one to many, and error scales differ."""

    def sample(rng: Rng, n: int, m: int) -> list[Statistic]:
        ratings = 1 + rng.poisson(rng.gamma(1, 4, (n, m)))
        scale = np.exp(rng.normal(0, SPREAD, (n, m)))
        sums = np.zeros((methods, n, m))
        for nth in range(ratings.max()):
            shared = rng.normal(size=(n, m)) * AGREE**0.5
            errors = shared + rng.normal(size=(methods, n, m)) * (1 - AGREE) ** 0.5
            sums += np.square(errors * scale) * (nth < ratings)
        return [root(own, ratings) for own in sums]

    return sample


def root(sums: np.ndarray, ratings: np.ndarray) -> Statistic:
    """RMSE from each user's sum of squares and number of ratings, both ``(B, M)``."""
    return of_instances(lambda weights: np.sqrt((weights @ sums) / (weights @ ratings)))


SETTINGS = (
    value_of("HR@10 of .1", 0.1, hits(0.1)),
    value_of("HR@10 of .02", 0.02, hits(0.02)),
    value_of("NDCG@10, HR@10 of .1", mean_ndcg(0.1), ndcg(0.1)),
    value_of("NDCG@10, HR@10 of .02", mean_ndcg(0.02), ndcg(0.02)),
    Setting("RMSE", float(np.exp(SPREAD**2)), rmse(1)),
    difference_of("HR@10 of .1, difference 0", 0, hits(0.1), hits(0.1)),
    difference_of("HR@10 of .1, difference .02", 0.02, hits(0.1 + 0.02 / (1 - AGREE)), hits(0.1)),
    difference_of("HR@10 of .02, difference 0", 0, hits(0.02), hits(0.02)),
    difference_of("NDCG@10, HR@10 of .1, difference 0", 0, ndcg(0.1), ndcg(0.1)),
    difference_of("NDCG@10, HR@10 of .02, difference 0", 0, ndcg(0.02), ndcg(0.02)),
    Setting("RMSE, difference 0", 0, rmse(2)),
)


def coverage(setting: Setting, users: int, repetitions: int) -> dict[str, Any]:
    """The share of test sets whose interval covers the true value, and the misses on each side."""
    results: list[Interval] = []
    plain: list[Interval] = []
    rows = np.arange(users)
    for block in range(0, repetitions, BLOCK):
        rng = derive_rng(0, "sets", setting.name, users, block)
        method, *other = setting.sample(rng, users, BLOCK)
        if other:
            results += paired(method, *other, rows, seed=block)
        else:
            results += bootstrap(method, rows, seed=block)
            plain += paired(method, ZERO, rows, seed=block)
    result = {"setting": setting.name, "users": users, **covered(results, setting.truth)}
    return {**result, "plain": covered(plain, setting.truth)["share"]} if plain else result


def zeros(weights: np.ndarray) -> np.ndarray:
    """A value of 0 for each resample."""
    return np.zeros((len(weights), 1))


# a method of value 0: differences to it are values, their intervals plain percentiles
ZERO = of_instances(zeros)


def covered(results: Sequence[Interval], truth: float) -> dict[str, float]:
    """Shares of intervals around (with an interval), above and below the true value."""
    bounds = np.array([(value_of.low, value_of.high) for value_of in results])
    above, below = bounds[:, 0] > truth + 1e-9, bounds[:, 1] < truth - 1e-9
    return {**share(~(above | below)), "above": above.mean(), "below": below.mean()}


def share(rows: np.ndarray) -> dict[str, float]:
    """A share and its Wilson interval."""
    interval = binomtest(int(rows.sum()), rows.size).proportion_ci(LEVEL, method="wilson")
    return {"share": rows.mean(), "low": interval.low, "high": interval.high}


def claims(name: str, users: int, theirs: Values, best: Values, repetitions: int) -> dict[str, Any]:
    """The claims about ten methods in one table, nine of them no better than the baseline."""
    tables = []
    for block in range(0, repetitions, BLOCK):
        rng = derive_rng(0, "tables", name, users, block)
        base = np.repeat(theirs(rng, (users, BLOCK)), METHODS, axis=1)  # a table's methods adjoin
        fresh = theirs(rng, base.shape)
        fresh[:, ::METHODS] = best(rng, (users, BLOCK))
        ours = mean_of(agreeing(rng, base, fresh))
        results = paired(ours, mean_of(base), np.arange(users), seed=block)
        tables += np.array([gap.p for gap in results]).reshape(BLOCK, METHODS).tolist()
    uncorrected = np.array(tables)
    result = {"setting": name, "users": users}
    for way, p in (
        ("alone", uncorrected),
        ("corrected", np.array([holm(row) for row in uncorrected])),
    ):
        claimed = p <= 1 - LEVEL
        result[f"{way}, a false claim in a comparison"] = share(claimed[:, 1:])
        result[f"{way}, a false claim in a table"] = share(claimed[:, 1:].any(axis=1))
        result[f"{way}, the better one found"] = share(claimed[:, 0])
    return result


def seeds(shift: float, users: int, repetitions: int) -> dict[str, Any]:
    """Coverage of the interval of a mean over runs, for the mean over all users and all runs."""
    results: list[Interval] = []
    for block in range(0, repetitions, BLOCK):
        rng = derive_rng(0, "seeds", str(shift), users, block)
        easy = rng.beta(1, 4, (users, BLOCK))
        runs = easy * (1 + rng.normal(0, shift, (RUNS, 1, BLOCK)) / 0.2)
        values = (rng.random(runs.shape) < runs).mean(axis=0)
        results += bootstrap(mean_of(values), np.arange(users), seed=block)
    return {"runs": RUNS, "deviation": shift, "users": users, **covered(results, 0.2)}


def percent(results: dict[str, float]) -> str:
    """A share with its interval."""
    return (
        f"{100 * results['share']:5.1f} [{100 * results['low']:.1f}, {100 * results['high']:.1f}]"
    )


def main() -> None:
    """Measures, prints, and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    repetitions, sizes = (100, USERS[:1]) if options.quick else (REPETITIONS, USERS)
    started = time.perf_counter()
    print(
        f"{repetitions} repetitions; in percent: intervals that hold the truth, above it, below it"
    )
    intervals = []
    for users in sizes:
        for setting in SETTINGS:
            intervals.append(row := coverage(setting, users, repetitions))
            misses = f"   {100 * row['above']:.1f} {100 * row['below']:.1f}"
            plain = f"   plain {100 * row['plain']:.1f}" if "plain" in row else ""
            print(f"{users:>5,} {setting.name:<36}{percent(row)}{misses}{plain}", flush=True)
    tables = [
        claims("HR@10 of .02, one better by .04", sizes[0], hits(0.02), hits(0.12), repetitions),
        claims("HR@10 of .1, one better by .03", sizes[len(sizes) // 2], hits(0.1), hits(0.175),
               repetitions),
        claims("NDCG@10, HR@10 of .1, one better by .019", sizes[len(sizes) // 2], ndcg(0.1),
               ndcg(0.175), repetitions),
    ]  # fmt: skip
    for row in tables:
        print(f"\n{row['users']:>5,} {row['setting']}; {METHODS} methods")
        for what in list(row)[2:]:
            print(f"      {what:<48}{percent(row[what])}", flush=True)
    print(f"\nmean over {RUNS} seeds, HR@10 of .2, all users and all seeds to be held")
    runs = [seeds(shift, sizes[len(sizes) // 2], repetitions) for shift in SHIFTS]
    for row in runs:
        print(f"{row['users']:>5,} runs deviate by {row['deviation']:<19}{percent(row)}")
    seconds = time.perf_counter() - started
    print(f"\n{seconds:.0f} s")
    if options.json:
        figures = {"repetitions": repetitions, "seconds": round(seconds), "intervals": intervals,
                "claims": tables, "seeds": runs}  # fmt: skip
        write_json(options.json, figures)


if __name__ == "__main__":
    main()
