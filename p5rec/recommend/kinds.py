"""How a trained model is asked for each kind of prediction: ranked, rated, weighed or written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from p5rec.core.examples import Example
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.grammar import Grammar, choice
from p5rec.models.checkpoint import Bundle
from p5rec.models.titles import name_rows
from p5rec.prompting.evaluation import EvaluationSource
from p5rec.prompting.parse import VERDICTS
from p5rec.tasks.fields import Record
from p5rec.tasks.predictions import Choices, Predictions, RankedItems, Ratings, Texts, Verdicts
from p5rec.tasks.view import CorpusView

from .answers import encode_all, rank_answers, write
from .config import DecodeConfig
from .ratings import chance_of_yes, rate

VERDICT = Grammar.of(choice(VERDICTS))  # all that an answer of yes or no can be
Fields = dict[str, Any]  # of a type of predictions


@dataclass(frozen=True, eq=False)
class Posed:
    """B prompted questions to a model.

    Attributes:
        bundle: the model.
        view: the corpus.
        source: the questions with their records and keys.
        examples: the same in words, B.
        decode: how answers are searched for.
        seed: of what is drawn.
    """

    bundle: Bundle
    view: CorpusView
    source: EvaluationSource
    examples: Sequence[Example]
    decode: DecodeConfig
    seed: int

    def records(self) -> Iterable[Record]:
        """What the questions were made of."""
        return (self.source.record(i) for i in range(len(self.examples)))


def _items(posed: Posed) -> Fields:
    """Out of all items that are new to the user."""
    items, view = posed.view.corpus.interactions.items, posed.view
    past = [items[view.past(r.event)] if r.event >= 0 else [] for r in posed.records()]
    return _ranked(posed, Allowed(never=ItemLists.joined(past)))


def _options(posed: Posed) -> Fields:
    """Out of the options that each question shows."""
    options = [list(record.candidates) for record in posed.records()]
    return _ranked(posed, Allowed(only=ItemLists.joined(options)))


def _ranked(posed: Posed, allowed: Allowed) -> Fields:
    bundle, keys = posed.bundle, posed.source.keys
    in_words = bundle.settings.prompts.items == "title"
    names = name_rows(bundle.tokenizer, posed.view.names.ids) if in_words else None
    items, scores = rank_answers(
        bundle, posed.examples, posed.decode, posed.seed, allowed, keys, names
    )
    return {"lists": items.tolist(), "scores": np.nan_to_num(scores, neginf=-1e9).tolist()}


def _ratings(posed: Posed) -> Fields:
    found = rating_fields(posed.bundle, encode_all(posed.bundle, posed.examples), posed.decode)
    found["ratings"] = [example.rating for example in posed.examples]
    free = bool(found["texts"]) and not posed.decode.closed
    return found | (_written(posed) if free else {})


def rating_fields(bundle: Bundle, prompts: list[np.ndarray], decode: DecodeConfig) -> Fields:
    """What a model says of the ratings at the end of B token sequences, as ``Ratings`` has it."""
    rated = rate(bundle, prompts, decode)
    readings, chances = ({name: said.tolist() for name, said in each.items()} for each in rated)
    texts = [f"{said:g}" for said in readings.pop("text", [])]
    return {"texts": texts, "readings": readings, "chances": chances}


def _verdicts(posed: Posed) -> Fields:
    if not posed.decode.closed:
        return _written(posed)
    chances = chance_of_yes(posed.bundle, encode_all(posed.bundle, posed.examples), posed.decode)
    written = write(posed.bundle, posed.examples, posed.decode, VERDICT)
    return {"texts": written, "chances": chances.tolist()}


def _texts(posed: Posed) -> Fields:
    return {**_written(posed), "max_words": posed.bundle.settings.prompts.max_words}


def _written(posed: Posed) -> Fields:
    return {"texts": write(posed.bundle, posed.examples, posed.decode)}


# a type of predictions → its fields, out of what a model says
ANSWERED: Mapping[type[Predictions], Callable[[Posed], Fields]] = {
    RankedItems: _items,
    Choices: _options,
    Ratings: _ratings,
    Verdicts: _verdicts,
    Texts: _texts,
}
