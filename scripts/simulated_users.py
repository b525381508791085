"""How real and how varied simulated users are, and whether their intents show in their words.

    python scripts/simulated_users.py FOLDER_OF_REDIAL [--json FILE]

Users of ml-100k talk with the manager of random questions. People are the initiators of dialogues
in ReDial. Realism is the AUC of a classifier that tells both apart by the words of a message: .5 is
perfect. The intent is recovered from all words of a user by a classifier, AUC one against the rest.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from redial_retrieval import MENTION, read
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from p5rec.core.artefacts import write_json
from p5rec.core.rng import derive_rng
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.tasks.dialogue import DIALOGUE, popular_order
from p5rec.tasks.dialogues.dialogue import AttributeSearch, Dialogue
from p5rec.tasks.dialogues.phrasings import Half
from p5rec.tasks.dialogues.play import play
from p5rec.tasks.dialogues.policies import RuledManager
from p5rec.tasks.dialogues.users import simulated
from p5rec.tasks.view import unnamed_view

USERS = 400  # simulated users, and dialogues of people, at most


def simulated_words(half: Half) -> tuple[list[list[str]], list[str]]:
    """The sentences of each simulated user, and the intents."""
    view = unnamed_view(build(DataConfig(source="movielens", path="ml-100k"))[0])
    items, words, intents = view.corpus.interactions.items, [], []
    for row in DIALOGUE.rows(view, "test")[:USERS].tolist():
        rng, wish = derive_rng(row, half), (int(items[row]), view.names.titles[items[row]])
        user = simulated("honest", wish, view.topics, rng, half)
        dialogue = Dialogue(view.topics, popular_order(view), rng=rng)
        play([dialogue], [user], RuledManager("random"), AttributeSearch(view.topics))
        words.append([line[6:] for line in dialogue.log if line.startswith("user: ")])
        intents.append(user.wish.intent)
    return words, intents


def human_words(redial: Path) -> list[list[str]]:
    """The messages of the initiator of each dialogue."""
    return [
        [MENTION.sub("it", message["text"]) for message in each["messages"]
         if message["senderWorkerId"] == each["initiatorWorkerId"]]
        for each in read(redial / "train.jsonl.gz")[:USERS]
    ]  # fmt: skip


def auc(texts: Sequence[str], labels: np.ndarray) -> float:
    """Area under the curve of a classifier of words, on held-out fifths."""
    model = make_pipeline(CountVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    scores = cross_val_predict(model, texts, labels, cv=5, method="decision_function")
    return float(roc_auc_score(labels, scores))


def variety(messages: Sequence[str]) -> dict[str, float]:
    """Distinct messages, words a message, and distinct pairs of words, as shares."""
    tokens = [re.findall(r"\w+", text.lower()) for text in messages]
    pairs = [pair for own in tokens for pair in pairwise(own)]
    return {
        "messages": len(messages),
        "distinct messages": len({*messages}) / len(messages),
        "words a message": float(np.mean([len(own) for own in tokens])),
        "distinct pairs": len({*pairs}) / max(1, len(pairs)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("redial", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    words, intents = simulated_words("held-out")
    people = human_words(options.redial)
    ours, theirs = ([text for own in each for text in own] for each in (words, people))
    n = min(len(ours), len(theirs))
    kind = np.repeat([0, 1], n)
    found: dict[str, Any] = {
        "realism, AUC": auc(ours[:n] + theirs[:n], kind),
        "intent, AUC": {
            intent: auc([" ".join(own) for own in words], np.array(intents) == intent)
            for intent in sorted({*intents})
        },
        "simulated": variety(ours[:n]),
        "people": variety(theirs[:n]),
    }
    for name, value in found.items():
        print(name, value)
    if options.json is not None:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
