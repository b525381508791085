"""How often the words of simulated users are read as they are meant.

    python scripts/heard_wishes.py [--model RUN/models/METHOD ...] [--json FILE]

The grammar of wishes reads, and the manager of each model as the first words of a dialogue. Every
phrasing about a value, with every value of ml-100k's topics; read right if exactly this value
is read, with its sign. Every other phrasing; read right if no value is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import write_json
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.methods.folder import read_method
from p5rec.tasks.dialogues.hearing import heard
from p5rec.tasks.dialogues.phrasings import Half, phrasings
from p5rec.tasks.dialogues.steps import State, Wishes
from p5rec.tasks.topics import Topics
from p5rec.tasks.view import unnamed_view

ABOUT_VALUES = {"want": True, "avoid": False}  # speech act → whether its value is wanted
OTHERS = ("open", "open to all", "reject")


Read = Callable[[Sequence[str]], Sequence[Wishes]]


def said(topics: Topics, half: Half) -> Iterator[tuple[str, str, str, Wishes]]:
    """Speech act, phrasing, words, and what they mean."""
    for act, wanted in ABOUT_VALUES.items():
        for phrasing in phrasings(act, half):
            for value, name in enumerate(topics.values):
                yield act, phrasing, phrasing.format(value=name), ((value, wanted),)
    for act in OTHERS:
        for phrasing in phrasings(act, half):
            yield act, phrasing, phrasing, ()


def counts(topics: Topics, half: Half, read: Read) -> dict[str, object]:
    """Readings of each speech act, right and all; of misread phrasings their number and one."""
    known = [*said(topics, half)]
    found = read([words for _, _, words, _ in known])
    totals = {act: {"right": 0, "all": 0} for act in (*ABOUT_VALUES, *OTHERS)}
    wrong: dict[str, tuple[int, str]] = {}
    for (act, phrasing, words, meant), wishes in zip(known, found, strict=True):
        right = wishes == meant
        totals[act]["right"] += right
        totals[act]["all"] += 1
        if not right:
            times, example = wrong.get(phrasing, (0, f"{words} -> {State(wishes).text(topics)}"))
            wrong[phrasing] = times + 1, example
    misread = {phrasing: {"times": n, "one": example} for phrasing, (n, example) in wrong.items()}
    return {**totals, "misread": misread}


def of_model(folder: Path) -> Read:
    """Reads words as the manager of a model does when a dialogue begins."""
    predictor: Any = read_method(folder).open_predictor(folder)

    def read(words: Sequence[str]) -> list[Wishes]:
        dialogues = [predictor.chat().dialogue for _ in words]
        for dialogue, own in zip(dialogues, words, strict=True):
            dialogue.hear(own)
        return [step.wishes or () for step in predictor.manager.steps(dialogues)]

    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model", type=Path, nargs="*", default=())
    args = parser.parse_args()
    topics = unnamed_view(build(DataConfig(source="movielens", path="ml-100k"))[0]).topics
    readers: dict[str, Read] = {"grammar": lambda words: [heard(topics, own) for own in words]}
    readers |= {folder.name: of_model(folder) for folder in args.model}
    halves: tuple[Half, ...] = ("training", "held-out")
    found = {
        name: {half: counts(topics, half, read) for half in halves}
        for name, read in readers.items()
    }
    for name, own in found.items():
        for half in halves:
            print(name, half, own[half])
    if args.json:
        write_json(args.json, found)


if __name__ == "__main__":
    main()
