"""What RecLLM stores about the items: titles, texts, and the values that a dialogue can name.

N items, V values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import read_json, write_json
from p5rec.tasks.points import record_text
from p5rec.tasks.topics import Topics
from p5rec.tasks.view import CorpusView

from ...arrays import load_arrays, save_arrays
from ...folder import ITEMS

FILE = "dialogue.json"


@dataclass(frozen=True, eq=False)
class DialogueCatalogue:
    """The items.

    Attributes:
        ids, titles, texts: ``(N,)`` external ids, titles, and records in words.
        topics: the values that a dialogue can name.
        keys: ``(N,)`` uint64, keys of the ids.
    """

    ids: Sequence[str]
    titles: Sequence[str]
    texts: Sequence[str]
    topics: Topics
    keys: np.ndarray

    @classmethod
    def save(cls, view: CorpusView, folder: Path) -> None:
        """Writes what :meth:`read` reads besides the items of the folder."""
        topics, n_items = view.topics, len(view.corpus.catalog)
        texts = [record_text(view, item) for item in range(n_items)]
        keys = view.corpus.interactions.item_keys
        save_arrays(folder, {"topic_of": topics.topic_of, "has": topics.has, "keys": keys})
        write_json(folder / FILE, {"names": topics.names, "values": topics.values, "texts": texts})

    @classmethod
    def read(cls, folder: Path) -> DialogueCatalogue:
        """The items of a complete folder."""
        arrays, items = load_arrays(folder), read_json(folder / ITEMS)
        about = read_json(folder / FILE)
        topics = Topics(
            tuple(about["names"]), tuple(about["values"]), arrays["topic_of"], arrays["has"]
        )
        return cls(items["ids"], items["titles"], about["texts"], topics, arrays["keys"])
