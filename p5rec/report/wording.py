"""The protocol in words."""

from __future__ import annotations

from collections.abc import Mapping

from p5rec.evaluate.blocks import Block
from p5rec.evaluate.schema import Protocol, Report, Sample
from p5rec.metrics.slices import SHORT

from .numbers import number

RERUN = "p5rec run sft --config config.yaml"  # a run leaves its config beside its report
RULES = {
    "leave-one-out": "each user's last event tests, the one before it validates, the rest train; "
    "users with fewer than 3 events train only",
    "user-time": "each user's first 80 % of events train, the next 10 % validate, the last 10 % "
    "test",
    "time": "the first 80 % of all events train, the next 10 % validate, the last 10 % test, "
    "unless data.test_from says where the test begins",
    "few-shot": "leave-one-out, with a few drawn training events a user",
    "last-basket": "each user's last basket tests, the one before it validates, the rest train; "
    "users with fewer than 3 baskets train only",
    "last-basket-item": "each user's last basket tests, the one before it validates, the rest "
    "train; one drawn item of a basket is asked for",
}

SLICES = {
    "item-frequency-q1": "rarest items",
    "item-frequency-q2": "rare",
    "item-frequency-q3": "middling",
    "item-frequency-q4": "frequent",
    "item-frequency-q5": "most frequent",
    "short-history": "short histories",
    "unseen-item": "unseen items",
    "repeat": "repeats",
    "new": "new",
}
NEGATIVES = {  # of clicks
    "labelled": "events that the data label, positive and negative",
    "drawn": "each event beside an item drawn from those its user has not met",
}
JUDGED = (
    "A list is a hit where the item that came next, or one of the next basket, is among its first "
    "ten. A choice or a verdict "
    "is right where it names the right one, a text about an item alone where it is the expected "
    "one, any other text where every attribute that it names stands in its item's record. Ratings "
    "are more or less near."
)


def sentences(protocol: Protocol) -> list[str]:
    """Every rule of ``protocol`` in a sentence or two."""
    said = []
    for rule, tasks in _inverted(protocol.splits).items():
        meaning = f": {RULES[rule]}" if rule in RULES else ""
        said.append(f"Split of {', '.join(tasks)} by {rule}{meaning}.")
    if protocol.candidates is not None:
        said.append(
            f"Ranking is over the whole catalogue, {protocol.candidates:,} items, without sampled "
            "negatives. A hit is counted on the item, never on its code."
        )
    if protocol.ties:
        said.append(f"Equal scores are put in order by {protocol.ties}.")
    if protocol.exclude_seen is not None:
        kept = "were left out of" if protocol.exclude_seen else "could appear in"
        said.append(f"Items of a user's input history {kept} that user's list.")
    if protocol.chosen_on:
        said.append(f"Hyper-parameters and stopping points were chosen on {protocol.chosen_on}.")
    if protocol.code_probabilities:
        said.append(f"Probabilities of codes are normalised {protocol.code_probabilities}.")
    said.append(
        f"Intervals are of the {100 * protocol.level:g} % level, from {protocol.resamples:,} "
        "bootstrap resamples of users. Differences are paired: both methods are resampled alike. "
        "A difference whose interval contains 0 is written as no difference shown."
    )
    if protocol.correction:
        said[-1] += (
            f" So is one whose p-value, corrected by {protocol.correction}, exceeds "
            f"{1 - protocol.level:g}."
        )
    said.append(f"Seeds: {', '.join(map(str, protocol.seeds))}.")
    if len(set(protocol.seeds)) > 1:
        said[-1] += (
            " Methods that hang on draws are means over them, ids made and models trained anew for "
            "each (baselines by the settings that validation chose under the first); the intervals "
            "are those of the means over other users."
        )
    if len(set(protocol.seeds)) < 3:
        said[-1] += " Fewer than three: the intervals cover the choice of users, not of the seed."
    return said


def _inverted(splits: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for task, rule in splits.items():
        found.setdefault(rule, []).append(task)
    return found


def setting(block: Block, protocol: Protocol) -> str:
    """How a block's cases were chosen, in one clause."""
    rule = protocol.splits.get(block.task)
    said = [f"{rule} split"] if rule else []
    if any(name.startswith("HR@") for method in block.methods for name in method.metrics):
        if protocol.candidates is not None:
            said.append(f"all {protocol.candidates:,} items ranked")
        if protocol.exclude_seen is not None:
            said.append("seen items " + ("left out" if protocol.exclude_seen else "allowed"))
    said += [NEGATIVES[each] for each in NEGATIVES if _have(block, each)]
    return ", ".join(said)


def _have(block: Block, negatives: str) -> bool:
    return any(method.about.get("negatives") == negatives for method in block.methods)


def outdone(report: Report) -> str:
    """That another method is better than the one that a run is about, the first of its comparisons:
    a line to be read before any other. Empty where none is shown to be, each by itself, or where
    it is in one metric and the opposite in another."""
    own = [c for c in report.comparisons if c.split == "test" and c.a == report.comparisons[0].a]
    won = {(c.b, c.task) for c in own if c.alone == "better"}
    lost = [c for c in own if c.alone == "worse" and (c.b, c.task) not in won]
    if not lost:
        return ""
    metric = lost[0].metric  # metrics come in the order of what they weigh
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


def legend(protocol: Protocol) -> str:
    """What the brackets and the star say."""
    return (
        f"[low, high] is the {100 * protocol.level:g} % interval over {protocol.resamples:,} "
        "bootstrap resamples of users; * is the best of its column."
    )


def about_slices(report: Report) -> list[str]:
    """How the slices are cut, and what a reader must know of them."""
    names = {name for method in report.methods for name in method.slices}
    cut = {name for method in report.methods for name, part in method.slices.items()
           if part.metrics == "cannot"}  # fmt: skip
    said = [
        "Items by their training events, each of five parts with about a fifth of the events. "
        f"Short histories: users with at most {SHORT} training events. Unseen items: targets "
        "without a training event."
    ]
    if cut:
        said.append("Cannot: the method knows items by their training events alone; in the whole "
                    "such targets count as misses.")  # fmt: skip
    if "repeat" in names:
        said.append("Repeats: targets that the user had before; new: the others. Of a basket each "
                    "slice counts the targets in it alone.")  # fmt: skip
        if report.protocol.exclude_seen:
            said.append("Items of the history were left out of the lists, so repeats are misses "
                        "by construction.")  # fmt: skip
    return said


def outcome(sample: Sample) -> str:
    """Whether a sample's answer is right, in words; empty where that cannot be said."""
    if sample.depth is not None and sample.rank is not None:
        return f"place {sample.rank} of {sample.depth}"
    if sample.depth is not None:
        return f"not among the first {sample.depth}"
    return "" if sample.right is None else "right" if sample.right else "wrong"
