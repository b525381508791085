"""How a trained model makes each kind of prediction: ranks items, rates, decides or writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from p5rec.core.examples import Example
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.grammar import Grammar, choice
from p5rec.models.bundle import Bundle
from p5rec.models.titles import title_tokens
from p5rec.prompting.instances import EvaluationSource
from p5rec.prompting.parse import VERDICTS
from p5rec.tasks.fields import Record
from p5rec.tasks.predictions import Choices, Predictions, RankedItems, Ratings, Texts, Verdicts
from p5rec.tasks.view import CorpusView

from .answer_grammar import grammar_of
from .config import DecodeConfig
from .prompt_predictions import encode_prompts, generate_texts, rank_for_examples
from .ratings import rate, yes_probabilities

VERDICT = Grammar.of(choice(VERDICTS))  # the texts of a prediction of yes or no
Fields = dict[str, Any]  # of a type of predictions


@dataclass(frozen=True, eq=False)
class PromptSet:
    """B prompts for a model.

    Attributes:
        bundle: the model.
        view: the corpus.
        source: the test instances with their records and keys.
        examples: B rendered prompts with their targets.
        decode: how predictions are decoded.
        seed: of sampling.
    """

    bundle: Bundle
    view: CorpusView
    source: EvaluationSource
    examples: Sequence[Example]
    decode: DecodeConfig
    seed: int

    def records(self) -> Iterable[Record]:
        """The record behind each prompt."""
        return (self.source.record(i) for i in range(len(self.examples)))


def _items(prompts: PromptSet) -> Fields:
    """Ranks all items that are new to the user."""
    items, view = prompts.view.corpus.interactions.items, prompts.view
    past = [items[view.past(r.event)] if r.event >= 0 else [] for r in prompts.records()]
    return _ranked(prompts, Allowed(deny=ItemLists.joined(past)))


def _options(prompts: PromptSet) -> Fields:
    """Ranks the options that each prompt names."""
    options = [list(record.candidates) for record in prompts.records()]
    return _ranked(prompts, Allowed(allow=ItemLists.joined(options)))


def _ranked(prompts: PromptSet, allowed: Allowed) -> Fields:
    bundle, keys = prompts.bundle, prompts.source.keys
    by_title = bundle.settings.prompts.items == "title"
    names = title_tokens(bundle.tokenizer, prompts.view.names.ids) if by_title else None
    items, scores = rank_for_examples(
        bundle, prompts.examples, prompts.decode, prompts.seed, allowed, keys, names
    )
    return {"lists": items.tolist(), "scores": np.nan_to_num(scores, neginf=-1e9).tolist()}


def _ratings(prompts: PromptSet) -> Fields:
    fields = rating_fields(
        prompts.bundle, encode_prompts(prompts.bundle, prompts.examples), prompts.decode
    )
    fields["ratings"] = [example.rating for example in prompts.examples]
    free_text = bool(fields["texts"]) and not prompts.decode.closed
    return fields | (_written(prompts) if free_text else {})


def rating_fields(bundle: Bundle, prompts: list[np.ndarray], decode: DecodeConfig) -> Fields:
    """The rating estimates at the end of B token sequences, as fields of ``Ratings``."""
    estimates, probabilities = (
        {name: values.tolist() for name, values in each.items()}
        for each in rate(bundle, prompts, decode)
    )
    texts = [f"{value:g}" for value in estimates.pop("text", [])]
    return {"texts": texts, "estimates": estimates, "probabilities": probabilities}


def _verdicts(prompts: PromptSet) -> Fields:
    if not prompts.decode.closed:
        return _written(prompts)
    probabilities = yes_probabilities(
        prompts.bundle, encode_prompts(prompts.bundle, prompts.examples), prompts.decode
    )
    texts = generate_texts(prompts.bundle, prompts.examples, prompts.decode, VERDICT)
    return {"texts": texts, "probabilities": probabilities.tolist()}


def _texts(prompts: PromptSet) -> Fields:
    return {**_written(prompts), "max_words": prompts.bundle.settings.prompts.max_words}


def _written(prompts: PromptSet) -> Fields:
    grammar = grammar_of(prompts.source.templates[0].answer)
    texts = generate_texts(prompts.bundle, prompts.examples, prompts.decode, grammar)
    return {"texts": texts}


# a type of predictions → its fields for a set of prompts
PREDICTED_FIELDS: Mapping[type[Predictions], Callable[[PromptSet], Fields]] = {
    RankedItems: _items,
    Choices: _options,
    Ratings: _ratings,
    Verdicts: _verdicts,
    Texts: _texts,
}
