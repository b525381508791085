"""How often the intervals hold the truth, and how often a difference is claimed that is not there.

python scripts/bench_intervals.py [--json out.json] [--quick]

Users are drawn from populations whose truth is known, with values like ours: hits, NDCG, squared
errors of one to many ratings a user, and differences of methods that agree on most users. Each
repetition is a test set; its interval comes from ``p5rec.metrics.intervals`` as in a report.

First, the share of intervals that hold the truth, with the Wilson interval of that share, the
misses to each side, and for values the share that plain percentiles would hold. Second, ten methods
against a baseline that nine of them equal: how often something false is claimed in a comparison and
in a whole table, and how often the tenth is found, each comparison by itself and corrected. Third,
intervals of a mean over three seeds, where runs differ more than by what their users do. Three
minutes on one core, slower beside other work.
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
from p5rec.metrics.intervals import LEVEL, Interval, Statistic, bootstrap, mean_of, paired
from p5rec.metrics.together import holm

REPETITIONS, BLOCK = 1000, 50  # test sets, and how many share their resamples
USERS = (200, 943, 5000)
AGREE = 0.6  # share of users on whom two methods say the same
SPREAD = 0.35  # of the users' errors, the deviation of a factor's logarithm
METHODS = 10
RUNS, SHIFTS = 3, (0.0, 0.005, 0.01)  # seeds, and how far their HR@10 of .2 deviates
ODDS = 1 / np.arange(1, 11)  # of places 1 to 10, where there is a hit
GAINS = np.append(1 / np.log2(np.arange(2, 12)), 0)  # NDCG@10 at each place, and at none

Rng = np.random.Generator
Values = Callable[[Rng, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Setting:
    """``sample(rng, users, M)`` is a method on M test sets, or two; ``truth`` is what they show."""

    name: str
    truth: float
    sample: Callable[[Rng, int, int], Sequence[Statistic]]


def hits(p: float) -> Values:
    """HR@10: 1 for a share ``p`` of the users."""
    return lambda rng, shape: (rng.random(shape) < p).astype(np.float64)


def ndcg(p: float) -> Values:
    """NDCG@10: 0 for most users, of the others early places the likelier."""
    ends = np.cumsum(p * ODDS / ODDS.sum())
    return lambda rng, shape: GAINS[np.searchsorted(ends, rng.random(shape), side="right")]


def mean_ndcg(p: float) -> float:
    """The truth behind :func:`ndcg`."""
    return float(p * (GAINS[:10] * ODDS).sum() / ODDS.sum())


def alike(rng: Rng, theirs: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """A method's values: those of another on the users on whom they agree, else its own."""
    return np.where(rng.random(fresh.shape) < AGREE, theirs, fresh)


def one(name: str, truth: float, values: Values) -> Setting:
    """The mean of one method."""
    return Setting(name, truth, lambda rng, n, m: [mean_of(values(rng, (n, m)))])


def two(name: str, gap: float, ours: Values, theirs: Values) -> Setting:
    """The difference of two methods' means."""

    def sample(rng: Rng, n: int, m: int) -> list[Statistic]:
        base = theirs(rng, (n, m))
        return [mean_of(alike(rng, base, ours(rng, (n, m)))), mean_of(base)]

    return Setting(name, gap, sample)


def rmse(methods: int) -> Callable[[Rng, int, int], list[Statistic]]:
    """RMSE over all ratings: users have one to many, and some are harder to tell."""

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
    """RMSE out of each user's sum of squares and number of ratings, both ``(B, M)``."""
    return lambda weights: np.sqrt((weights @ sums) / (weights @ ratings))


SETTINGS = (
    one("HR@10 of .1", 0.1, hits(0.1)),
    one("HR@10 of .02", 0.02, hits(0.02)),
    one("NDCG@10, HR@10 of .1", mean_ndcg(0.1), ndcg(0.1)),
    one("NDCG@10, HR@10 of .02", mean_ndcg(0.02), ndcg(0.02)),
    Setting("RMSE", float(np.exp(SPREAD**2)), rmse(1)),
    two("HR@10 of .1, difference 0", 0, hits(0.1), hits(0.1)),
    two("HR@10 of .1, difference .02", 0.02, hits(0.1 + 0.02 / (1 - AGREE)), hits(0.1)),
    two("HR@10 of .02, difference 0", 0, hits(0.02), hits(0.02)),
    two("NDCG@10, HR@10 of .1, difference 0", 0, ndcg(0.1), ndcg(0.1)),
    two("NDCG@10, HR@10 of .02, difference 0", 0, ndcg(0.02), ndcg(0.02)),
    Setting("RMSE, difference 0", 0, rmse(2)),
)


def coverage(setting: Setting, users: int, repetitions: int) -> dict[str, Any]:
    """The share of test sets whose interval holds the truth, and where the others lie."""
    found: list[Interval] = []
    plain: list[Interval] = []
    rows = np.arange(users)
    for block in range(0, repetitions, BLOCK):
        rng = derive_rng(0, "sets", setting.name, users, block)
        method, *other = setting.sample(rng, users, BLOCK)
        if other:
            found += paired(method, *other, rows, seed=block)
        else:
            found += bootstrap(method, rows, seed=block)
            plain += paired(method, nothing, rows, seed=block)
    said = {"setting": setting.name, "users": users, **held(found, setting.truth)}
    return {**said, "plain": held(plain, setting.truth)["share"]} if plain else said


def nothing(weights: np.ndarray) -> np.ndarray:
    """A method of value 0: differences to it are values, their intervals plain percentiles."""
    return np.zeros((len(weights), 1))


def held(found: Sequence[Interval], truth: float) -> dict[str, float]:
    """Shares of intervals around, above and below the truth, the first with its own interval."""
    bounds = np.array([(one.low, one.high) for one in found])
    above, below = bounds[:, 0] > truth + 1e-9, bounds[:, 1] < truth - 1e-9
    return {**share(~(above | below)), "above": above.mean(), "below": below.mean()}


def share(rows: np.ndarray) -> dict[str, float]:
    """A share and its Wilson interval."""
    interval = binomtest(int(rows.sum()), rows.size).proportion_ci(LEVEL, method="wilson")
    return {"share": rows.mean(), "low": interval.low, "high": interval.high}


def claims(name: str, users: int, theirs: Values, best: Values, repetitions: int) -> dict[str, Any]:
    """What is claimed of ten methods on one table, nine of them no better than the baseline."""
    tables = []
    for block in range(0, repetitions, BLOCK):
        rng = derive_rng(0, "tables", name, users, block)
        base = np.repeat(theirs(rng, (users, BLOCK)), METHODS, axis=1)  # a table's methods adjoin
        fresh = theirs(rng, base.shape)
        fresh[:, ::METHODS] = best(rng, (users, BLOCK))
        ours = mean_of(alike(rng, base, fresh))
        found = paired(ours, mean_of(base), np.arange(users), seed=block)
        tables += np.array([gap.p for gap in found]).reshape(BLOCK, METHODS).tolist()
    alone = np.array(tables)
    said = {"setting": name, "users": users}
    for way, p in (("alone", alone), ("corrected", np.array([holm(row) for row in alone]))):
        claimed = p <= 1 - LEVEL
        said[f"{way}, a false claim in a comparison"] = share(claimed[:, 1:])
        said[f"{way}, a false claim in a table"] = share(claimed[:, 1:].any(axis=1))
        said[f"{way}, the better one found"] = share(claimed[:, 0])
    return said


def seeds(shift: float, users: int, repetitions: int) -> dict[str, Any]:
    """The interval of a mean over runs against the mean over all users and all runs there are."""
    found: list[Interval] = []
    for block in range(0, repetitions, BLOCK):
        rng = derive_rng(0, "seeds", str(shift), users, block)
        easy = rng.beta(1, 4, (users, BLOCK))
        runs = easy * (1 + rng.normal(0, shift, (RUNS, 1, BLOCK)) / 0.2)
        values = (rng.random(runs.shape) < runs).mean(axis=0)
        found += bootstrap(mean_of(values), np.arange(users), seed=block)
    return {"runs": RUNS, "deviation": shift, "users": users, **held(found, 0.2)}


def percent(found: dict[str, float]) -> str:
    """A share with its interval."""
    return f"{100 * found['share']:5.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def main() -> None:
    """Measures, prints, and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    repetitions, sizes = (100, USERS[:1]) if given.quick else (REPETITIONS, USERS)
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
    if given.json:
        told = {"repetitions": repetitions, "seconds": round(seconds), "intervals": intervals,
                "claims": tables, "seeds": runs}  # fmt: skip
        write_json(given.json, told)


if __name__ == "__main__":
    main()
