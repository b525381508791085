"""Sentences of the report: the protocol, the slices, and the outcome of a sample."""

from __future__ import annotations

from collections.abc import Mapping

from p5rec.evaluate.blocks import Block
from p5rec.evaluate.config import RANKED_LISTS
from p5rec.evaluate.schema import Protocol, Report, Sample
from p5rec.metrics.slices import SHORT

from .numbers import number, seconds

ROUNDING = 0.01  # relative difference of times that are not told apart
RERUN = "p5rec run sft --config config.yaml"  # a run writes its config beside its report
RULES = {
    "leave-one-out": "each user's last event is for test, the one before it for validation, the "
    "rest for training; users with fewer than 3 events are in training only",
    "user-time": "each user's first 80 % of events are for training, the next 10 % for validation, "
    "the last 10 % for test",
    "time": "the first 80 % of all events are for training, the next 10 % for validation, the last "
    "10 % for test, unless data.test_from sets the start of the test split",
    "random": "80 % of the events are for training, 10 % for validation, 10 % for test, at random; "
    "this is easier than a split by time, and meant for comparison with published tables",
    "few-shot": "leave-one-out, with a few sampled training events per user",
    "last-basket": "each user's last basket is for test, the one before it for validation, the "
    "rest for training; users with fewer than 3 baskets are in training only",
    "last-basket-item": "each user's last basket is for test, the one before it for validation, "
    "the rest for training; the target is one random item of the basket",
}

SLICES = {
    "item-frequency-q1": "rarest items",
    "item-frequency-q2": "rare",
    "item-frequency-q3": "medium",
    "item-frequency-q4": "frequent",
    "item-frequency-q5": "most frequent",
    "short-history": "short histories",
    "unseen-user": "unseen users",
    "unseen-item": "unseen items",
    "repeat": "repeats",
    "new": "new",
}
NEGATIVES = {  # of click prediction
    "labelled": "positive and negative events as labelled in the data",
    "sampled": "one sampled negative per event, an item without an event of the user",
}
CORRECT = (
    "A ranked list is a hit if the target, or an item of the target basket, is in its top ten. A "
    "choice or a yes/no prediction is correct if it equals the target. A text about an item alone "
    "is correct if it equals the target; any other text is correct if every attribute that it "
    "mentions belongs to its item. Ratings are neither correct nor wrong."
)


def sentences(protocol: Protocol) -> list[str]:
    """The rules of ``protocol`` as sentences."""
    lines = []
    for rule, tasks in _inverted(protocol.splits).items():
        meaning = f": {RULES[rule]}" if rule in RULES else ""
        lines.append(f"Split of {', '.join(tasks)}: {rule}{meaning}.")
    if protocol.candidates is not None:
        lines.append(
            f"Methods rank the full catalogue of {protocol.candidates:,} items, without sampled "
            "negatives. A hit is a match of the item, not of its code."
        )
    if protocol.ties:
        lines.append(f"Items with equal scores are in the order of {protocol.ties}.")
    if protocol.exclude_seen is not None:
        rule = "exclude" if protocol.exclude_seen else "may include"
        lines.append(f"Ranked lists {rule} the items of the user's input history.")
    if protocol.selected_on:
        lines.append(
            f"Hyper-parameters and stopping points are selected on {protocol.selected_on}."
        )
    if protocol.code_probabilities:
        lines.append(f"Probabilities of codes are normalised {protocol.code_probabilities}.")
    lines.append(
        f"Intervals are {100 * protocol.level:g} % bootstrap intervals over {protocol.resamples:,} "
        "resamples of users. Differences are paired: both methods share the resamples. "
        "Where the interval of a difference contains 0, the report says: no difference shown."
    )
    if protocol.correction:
        lines[-1] += (
            f" It says the same where the p-value, corrected by {protocol.correction}, exceeds "
            f"{1 - protocol.level:g}."
        )
    lines.append(f"Seeds: {', '.join(map(str, protocol.seeds))}.")
    if len(set(protocol.seeds)) > 1:
        lines[-1] += (
            " The metrics of randomised methods are means over the seeds, each with its own "
            "semantic ids and models (baselines keep the settings that validation selected with "
            "the first seed). The intervals of the means cover the choice of users."
        )
    if len(set(protocol.seeds)) < 3:
        lines[-1] += (
            " With fewer than three, the intervals cover the choice of users, not of the seed."
        )
    return lines


def _inverted(splits: Mapping[str, str]) -> dict[str, list[str]]:
    tasks: dict[str, list[str]] = {}
    for task, rule in splits.items():
        tasks.setdefault(rule, []).append(task)
    return tasks


def setting(block: Block, protocol: Protocol) -> str:
    """The evaluation protocol of a block, in one clause."""
    rule = protocol.splits.get(block.task)
    lines = [f"{rule} split"] if rule else []
    if any(name.startswith("HR@") for method in block.methods for name in method.metrics):
        if protocol.candidates is not None:
            lines.append(f"all {protocol.candidates:,} items ranked")
        if protocol.exclude_seen is not None:
            lines.append("seen items " + ("excluded" if protocol.exclude_seen else "allowed"))
    lines += [NEGATIVES[each] for each in NEGATIVES if _have(block, each)]
    return ", ".join(lines)


def _have(block: Block, negatives: str) -> bool:
    return any(method.about.get("negatives") == negatives for method in block.methods)


def outdone(report: Report) -> str:
    """A warning that another method is better than the run's own, the first of its comparisons.

    Empty where no uncorrected comparison is worse, or where the other method is better in one
    metric and worse in another.
    """
    own = [c for c in report.comparisons if c.split == "test" and c.a == report.comparisons[0].a]
    won = {(c.b, c.task) for c in own if c.uncorrected_verdict == "better"}
    lost = [c for c in own if c.uncorrected_verdict == "worse" and (c.b, c.task) not in won]
    if not lost:
        return ""
    metric = lost[0].metric  # metrics come in order of importance
    most = max((c for c in lost if c.metric == metric), key=lambda c: abs(c.value or 0))
    value = {
        m.name: m.metrics[metric].value
        for m in report.methods
        if (m.task, m.split) == (most.task, most.split) and metric in m.metrics
    }
    return (
        f"On this data {most.b} is better than {most.a}: {metric} "
        f"{number(value.get(most.b))} against {number(value.get(most.a))}. Take {most.b}."
    )


def legend(report: Report) -> str:
    """The meaning of the brackets, the star, and what follows a method's name in parentheses."""
    protocol, methods = report.protocol, report.methods
    lines = [
        f"[low, high] is the {100 * protocol.level:g} % interval over {protocol.resamples:,} "
        "bootstrap resamples of users; * marks the best of its column."
    ]
    if any(method.name.endswith(f" ({RANKED_LISTS})") for method in methods):
        lines.append(
            f"({RANKED_LISTS}): the method's ranked lists, which need no prompt, on the test "
            "instances of the task; the row without it ranks for the task's prompts."
        )
    if any("family" in method.about for method in methods):
        lines.append(
            "A prompt family in parentheses tells the rows of a method with several families of "
            "the task apart."
        )
    return " ".join(lines)


def training_processes(report: Report) -> str:
    """The number of processes that trained each model; empty where it is not recorded."""
    trained: Mapping[str, int] = report.manifest.get("training_processes") or {}
    return ", ".join(f"{name} {count}" for name, count in trained.items())


def run_time(report: Report) -> str:
    """The run time of a run, and the sum over its stages where some of them ran in parallel."""
    total, clock = report.seconds, report.clock_seconds
    if clock is None or clock > (1 - ROUNDING) * total:
        return f"{seconds(total)} s"
    return f"{seconds(clock)} s on the clock ({seconds(total)} s summed over the parallel stages)"


def about_slices(report: Report) -> list[str]:
    """The definitions of the slices in a report."""
    names = {name for method in report.methods for name in method.slices}
    unsupported = {name for method in report.methods for name, own in method.slices.items()
                   if own.metrics == "unsupported"}  # fmt: skip
    lines = [
        "Item frequency: five groups by training events, each with about a fifth of the events. "
        f"Short histories: users with at most {SHORT} training events. Unseen items: targets "
        "without a training event."
    ]
    if "unseen-user" in names:
        lines.append("Unseen users: users without a training event.")
    if unsupported:
        lines.append("Unsupported: the method represents items by their training events alone. In "
                     "the overall metrics these targets count as misses.")  # fmt: skip
    if "repeat" in names:
        lines.append("Repeats: targets with an earlier event of the user; new: all others. For "
                     "baskets, each slice counts its own targets alone.")  # fmt: skip
        if report.protocol.exclude_seen:
            lines.append("The lists exclude the items of the history, so all repeats are "
                         "misses.")  # fmt: skip
    return lines


def outcome(sample: Sample) -> str:
    """The rank of a sample's target, or whether the prediction is correct; else empty."""
    if sample.depth is not None and sample.rank is not None:
        return f"rank {sample.rank} of {sample.depth}"
    if sample.depth is not None:
        return f"not in the top {sample.depth}"
    return "" if sample.correct is None else "correct" if sample.correct else "wrong"
