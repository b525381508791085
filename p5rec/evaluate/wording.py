"""The protocol in words."""

from __future__ import annotations

from collections.abc import Mapping

from .blocks import Block
from .schema import Protocol

RULES = {
    "leave-one-out": "each user's last event tests, the one before it validates, the rest train; "
    "users with fewer than 3 events train only",
    "user-time": "each user's first 80 % of events train, the next 10 % validate, the last 10 % "
    "test",
    "time": "the first 80 % of all events train, the next 10 % validate, the last 10 % test",
    "few-shot": "leave-one-out, with a few drawn training events a user",
}


def sentences(protocol: Protocol) -> list[str]:
    """Every rule of ``protocol`` in a sentence or two."""
    said = []
    for rule, tasks in _inverted(protocol.splits).items():
        meaning = f": {RULES[rule]}" if rule in RULES else ""
        said.append(f"Split of {' and '.join(tasks)} by {rule}{meaning}.")
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
            " Trained methods are means over them, ids made and models trained anew for each; the "
            "intervals are those of the means over other users."
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
    return ", ".join(said)


def legend(protocol: Protocol) -> str:
    """What the brackets and the star say."""
    return (
        f"[low, high] is the {100 * protocol.level:g} % interval over {protocol.resamples:,} "
        "bootstrap resamples of users; * is the best of its column."
    )
