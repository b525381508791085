"""The systems: papers about language models in recommenders, each with its rungs of the ladder.

The stages are those of the survey by Lin et al. (arXiv:2306.05817): where in the pipeline of a
recommender the language model works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any, Literal

from .numbers import ABSENT, signed
from .rungs import RUNGS, ladders
from .terminal import GAP, WIDTH, column

NOT_THERE = "not there yet"

Stage = Literal[
    "feature engineering",
    "feature encoder",
    "scoring/ranking function",
    "user interaction",
    "pipeline controller",
]


@dataclass(frozen=True)
class System:
    """A system.

    Attributes:
        name: its name in commands and folders.
        paper: authors, venue and arXiv number.
        stage: where in the pipeline the language model works.
        command: the command that runs it; None: it is not there yet.
    """

    name: str
    paper: str
    stage: Stage
    command: str | None = None


SYSTEMS = (
    System(
        "p5",
        "Geng et al., RecSys 2022 (arXiv:2203.13366)",
        "scoring/ranking function",
        "p5rec run families",
    ),
    System(
        "semantic-ids",
        "Rajput et al., NeurIPS 2023 (arXiv:2305.05065)",
        "scoring/ranking function",
        "p5rec run ids",
    ),
    System(
        "rating-study",
        "Kang et al., 2023 (arXiv:2305.06474)",
        "scoring/ranking function",
        "p5rec run rating",
    ),
    System(
        "kar",
        "Xi et al., RecSys 2024 (arXiv:2306.10933)",
        "feature engineering",
        "p5rec run kar",
    ),
    System(
        "ctrl",
        "Li et al., 2023 (arXiv:2306.02841)",
        "feature encoder",
        "p5rec run ctrl",
    ),
    System(
        "semantic-id-features",
        "Singh et al., RecSys 2024 (arXiv:2306.08121)",
        "feature engineering",
        "p5rec run semantic-id-features",
    ),
    System(
        "genre",
        "Liu et al., WSDM 2024 (arXiv:2305.06566)",
        "feature engineering",
        "p5rec run genre",
    ),
    System(
        "unisrec",
        "Hou et al., KDD 2022 (arXiv:2206.05941)",
        "feature encoder",
        "p5rec run unisrec",
    ),
    System(
        "u-bert",
        "Qiu et al., AAAI 2021",
        "feature encoder",
        "p5rec run u-bert data.path=domains.jsonl",
    ),
    System(
        "palr",
        "Yang et al., 2023 (arXiv:2305.07622)",
        "scoring/ranking function",
        "p5rec run palr",
    ),
    System(
        "recknowledge",
        "Cao et al., NAACL Findings 2024 (arXiv:2404.00245)",
        "scoring/ranking function",
        "p5rec run recknowledge",
    ),
    System(
        "unillmrec",
        "Zhang et al., 2024 (arXiv:2404.00702)",
        "pipeline controller",
        "p5rec run unillmrec",
    ),
    System(
        "recgpt",
        "Zhang et al., 2024 (arXiv:2404.08675)",
        "scoring/ranking function",
        "p5rec run recgpt",
    ),
    System(
        "m6-rec",
        "Cui et al., 2022 (arXiv:2205.08084)",
        "scoring/ranking function",
        "p5rec run m6-rec",
    ),
    System(
        "apa",
        "Hu et al., 2024 (arXiv:2404.10327)",
        "scoring/ranking function",
        "p5rec run apa",
    ),
    System(
        "elm",
        "Tennenholtz et al., ICLR 2024 (arXiv:2310.04475)",
        "user interaction",
        "p5rec run elm data.path=FOLDER",
    ),
    System(
        "recllm",
        "Friedman et al., 2023 (arXiv:2305.07961)",
        "pipeline controller",
        "p5rec run recllm",
    ),
)


def entries() -> list[dict[str, Any]]:
    """Every system with its ladder, as plain data; a system without results has an empty ladder."""
    rungs = ladders()
    return [
        {
            "system": system.name,
            "paper": system.paper,
            "stage": system.stage,
            "command": system.command,
            "ladder": [rung.entry() for rung in rungs.get(system.name, [])],
        }
        for system in SYSTEMS
    ]


def mark(entry: Mapping[str, Any], rung: str) -> str:
    """Whether a system passed a rung: yes; no; ``open``, where the interval of the difference
    contains 0; or ``-`` where it was not measured."""
    found = next((each for each in entry["ladder"] if each["rung"] == rung), None)
    if found is None:
        return ABSENT
    if found["passed"]:
        return "yes"
    low, high = found["low"], found["high"]
    return "open" if low is not None and high is not None and low <= 0 <= high else "no"


def figure(rung: Mapping[str, Any]) -> str:
    """Metric, value, interval and smallest detectable difference of a rung."""
    if rung["low"] is None:
        return f"{rung['metric']} {rung['value']:g}"
    text = (
        f"{rung['metric']} {signed(rung['value'])} [{signed(rung['low'])}, {signed(rung['high'])}]"
    )
    if rung["detectable"] is None:
        return text
    return f"{text}, smallest detectable difference {rung['detectable']:.4f}"


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """A line for each system: its stage, its rungs and its command."""
    columns = [
        column("system", *(entry["system"] for entry in found)),
        column("stage", *(entry["stage"] for entry in found)),
        *(column(rung, *(mark(entry, rung) for entry in found)) for rung in RUNGS),
        column("command", *(entry["command"] or NOT_THERE for entry in found)),
    ]
    return "\n".join(GAP.join(line).rstrip() for line in zip(*columns, strict=True))


def details(entry: Mapping[str, Any]) -> str:
    """One system with the claims of its rungs."""
    lines = [
        f"{entry['system']}: {entry['paper']}",
        f"stage: {entry['stage']}",
        f"command: {entry['command'] or NOT_THERE}",
    ]
    for rung in entry["ladder"]:
        name = f"{rung['rung']}, {RUNGS[rung['rung']]}"
        lines += [
            "",
            f"{name}: {'passed' if rung['passed'] else 'not passed'}",
            fill(rung["claim"], WIDTH, initial_indent=GAP, subsequent_indent=GAP),
            f"{GAP}{figure(rung)}",
            f"{GAP}{rung['command']}",
        ]
    return "\n".join(lines)
