"""How often the grammar of wishes reads the words of simulated users as they are meant.

    python scripts/heard_wishes.py [--json FILE]

Every phrasing about a value, with every value of ml-100k's topics; read right if exactly this value
is heard, with its sign. Every other phrasing; read right if no value is heard.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from p5rec.core.artefacts import write_json
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.tasks.dialogues.hearing import heard
from p5rec.tasks.dialogues.phrasings import Half, phrasings
from p5rec.tasks.dialogues.steps import State
from p5rec.tasks.topics import Topics
from p5rec.tasks.view import unnamed_view

ABOUT_VALUES = {"want": True, "avoid": False}  # speech act → whether its value is wanted
OTHERS = ("open", "open to all", "reject")


def readings(topics: Topics, half: Half) -> Iterator[tuple[str, str, bool, str]]:
    """Speech act, phrasing, whether it is read right, and what is heard."""
    for act, wanted in ABOUT_VALUES.items():
        for phrasing in phrasings(act, half):
            for value, name in enumerate(topics.values):
                found = heard(topics, phrasing.format(value=name))
                right = found == ((value, wanted),)
                yield act, phrasing, right, State(found).text(topics)
    for act in OTHERS:
        for phrasing in phrasings(act, half):
            found = heard(topics, phrasing)
            yield act, phrasing, not found, State(found).text(topics)


def counts(topics: Topics, half: Half) -> dict[str, object]:
    """Readings of each speech act, right and all, and the phrasings that are misread."""
    found = [*readings(topics, half)]
    wrong: dict[str, str] = {}
    for _, phrasing, right, text in found:
        if not right:
            wrong.setdefault(phrasing, text)
    acts = (*ABOUT_VALUES, *OTHERS)
    by_act = {act: [right for own, _, right, _ in found if own == act] for act in acts}
    return {
        **{act: {"right": sum(own), "all": len(own)} for act, own in by_act.items()},
        "misread": wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    topics = unnamed_view(build(DataConfig(source="movielens", path="ml-100k"))[0]).topics
    halves: tuple[Half, ...] = ("training", "held-out")
    found = {half: counts(topics, half) for half in halves}
    for half, own in found.items():
        print(half, own)
    if args.json:
        write_json(args.json, found)


if __name__ == "__main__":
    main()
