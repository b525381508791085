"""The segments of all texts, and their stored states.

R segments, N items, U users, B requests, S tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from p5rec.backbones.control_tokens import literal_for
from p5rec.backbones.load import Backbone, load_backbone
from p5rec.backbones.precision import dtype_of
from p5rec.backbones.split_decoder import segment_states, split_decoder
from p5rec.backbones.split_encoder import TokenStates
from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.rng import others
from p5rec.core.types import Corpus, Histories
from p5rec.prompting.template import fill
from p5rec.tasks.item_facts import Known
from p5rec.tasks.view import CorpusView, unnamed_view

from ...arrays import load_arrays, save_arrays
from ...click.features import UserIndex
from ...needs import Inputs
from .settings import M6Settings, SegmentTexts

ABOUT = "about.json"
UNKNOWN = "not known"


@dataclass(frozen=True, eq=False)
class Segments:
    """R segments and what they are about.

    Attributes:
        states: of their tokens, below the upper blocks.
        behaviours: ``(N, 3)`` int64 the segment of each item as an event with unknown, negative and
            positive label.
        items: ``(N,)`` int64 the segment of each item in question.
        users: ``(U + 1,)`` int64 the segment of each user; the last is of an unknown user.
        user_keys: ``(U,)`` uint64.
        end: the segment with the end token alone.
    """

    states: TokenStates
    behaviours: np.ndarray
    items: np.ndarray
    users: np.ndarray
    user_keys: np.ndarray
    end: int

    @property
    def width(self) -> int:
        """D."""
        return int(self.states.states.shape[1])

    def permuted(self, item_keys: np.ndarray, seed: int) -> Segments:
        """Each item with the texts of another, drawn by the ``item_keys (N,)``."""
        other = others(item_keys, seed, "permuted segments")
        return Segments(
            self.states, self.behaviours[other], self.items[other], self.users, self.user_keys,
            self.end,
        )  # fmt: skip

    def prefixes(self, histories: Histories, most: int) -> tuple[np.ndarray, np.ndarray]:
        """The segments of the users and events of B requests ``(n,)``, and offsets ``(B + 1,)``.

        Args:
            histories: the requests.
            most: latest events that are read.
        """
        read = histories.tail(most) if most else histories.head(0)
        labels = np.zeros(len(read.items), np.int64) if read.labels is None else read.labels + 1
        users = UserIndex(self.user_keys).rows(read)
        offsets = read.offsets + np.arange(len(read) + 1)
        segments = np.empty(offsets[-1], np.int64)
        first = offsets[:-1]
        events = np.ones(len(segments), bool)
        events[first] = False
        segments[first], segments[events] = self.users[users], self.behaviours[read.items, labels]
        return segments, offsets

    def arrays(self) -> dict[str, np.ndarray]:
        """As arrays, for :meth:`of`."""
        return {
            "states": self.states.states,
            "offsets": self.states.offsets,
            "behaviours": self.behaviours,
            "items": self.items,
            "users": self.users,
            "user_keys": self.user_keys,
            "end": np.array([self.end]),
        }

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> Segments:
        """The segments behind :meth:`arrays`."""
        behaviours, items, users, keys = (
            arrays[name] for name in ("behaviours", "items", "users", "user_keys")
        )
        states = TokenStates(arrays["states"], arrays["offsets"])
        return cls(states, behaviours, items, users, keys, int(arrays["end"][0]))


def write_segments(
    method: M6Settings, seed: int, corpus: Corpus, inputs: Inputs, folder: Path
) -> Lineage:
    """Writes the states of all segments of ``corpus``: of texts about users and items alone.

    Args:
        method: the settings.
        seed: of random weights.
        corpus: the data.
        inputs: none.
        folder: receives the states.
    """
    start = perf_counter()
    backbone = plain_backbone(method, seed)
    embedding = backbone.causal.get_input_embeddings()
    lower, _ = split_decoder(backbone.causal.eval(), method.cached_layers)
    numbers: dict[tuple[str, bool], int] = {}  # text, and whether the end token follows
    tokenizer = backbone.vocabulary.tokenizer
    own = _numbered(unnamed_view(corpus, literal_for(tokenizer)), method.texts, numbers)
    ids = tokens(tokenizer, [text for text, _ in numbers], method.texts.max_tokens)
    end = [tokenizer.eos_token_id]
    ids = [[*each, *(end if last else ())] for each, (_, last) in zip(ids, numbers, strict=True)]
    ids.append(end)
    states = segment_states(ids, embedding, lower, dtype=dtype_of(method.precision))
    keys = corpus.interactions.user_keys
    segments = Segments(states, **own, user_keys=keys, end=len(numbers))
    save_arrays(folder, segments.arrays())
    about = {"segments": len(states), "tokens": len(states.states)}
    write_json(folder / ABOUT, {**about, "seconds": round(perf_counter() - start, 1)})
    return Lineage.none()


def read_segments(folder: Path) -> Segments:
    """The segments that :func:`write_segments` wrote."""
    return Segments.of(load_arrays(folder))


def tokens(tokenizer: Any, texts: Sequence[str], most: int) -> list[list[int]]:
    """At most ``most`` tokens of each text, in which data are escaped; without special ones."""
    options = {"add_special_tokens": False, "truncation": True, "max_length": most}
    ids: list[list[int]] = tokenizer(list(texts), **options)["input_ids"]
    return ids


def plain_backbone(method: M6Settings, seed: int) -> Backbone:
    """The backbone without adapters; ``seed`` draws random weights.

    Raises:
        UserError: see :func:`p5rec.backbones.load.load_backbone`.
    """
    config = method.backbone.model_copy(update={"lora": None})
    return load_backbone(config, (), seed, download=True)


def _numbered(
    view: CorpusView, texts: SegmentTexts, numbers: dict[tuple[str, bool], int]
) -> dict[str, np.ndarray]:
    """The numbers of the texts of users and items, by attribute of :class:`Segments`; ``numbers``
    receives the texts."""

    def number(text: str, words: dict[str, str], *, last: bool = False) -> int:
        return numbers.setdefault((fill(text, words), last), len(numbers))

    about = [
        {"title": title, "attributes": _in_words(known)}
        for title, known in zip(view.names.titles, view.attributes, strict=True)
    ]
    users = [{"user_attributes": _in_words(known)} for known in view.user_attributes]
    users.append({"user_attributes": UNKNOWN})
    of_labels = texts.chosen, texts.disliked, texts.liked
    behaviours = [[number(text, words) for text in of_labels] for words in about]
    return {
        "behaviours": np.array(behaviours, dtype=np.int64),
        "items": np.array([number(texts.item, words, last=True) for words in about], np.int64),
        "users": np.array([number(texts.user, words) for words in users], np.int64),
    }


def _in_words(known: Known) -> str:
    """Attributes as ``name value, value; name value``."""
    pairs = (f"{name.replace('_', ' ')} {', '.join(values)}" for name, values in known)
    return "; ".join(pairs) or UNKNOWN
