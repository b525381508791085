"""Reasons of a recommendation, bound to statements that are true.

The statements about an item are all sentences of a few forms about liked items and wishes that
share a value with it. The language model chooses among them: the grammar of its text has no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from p5rec.core.examples import Example
from p5rec.decode.grammar import Grammar, choice
from p5rec.models.inputs import fit_prompt
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.render import render
from p5rec.recommend.generation import generate
from p5rec.tasks.dialogues.dialogue import Dialogue
from p5rec.tasks.explain import SHARED
from p5rec.tasks.fields import Record, Value

from .parts import Talker
from .settings import REASONS

WISHED = '"{title}" is {traits}, as you wished.'
TEMPLATE = f"{REASONS}.because"
NAMED, LIKED = 3, 5  # values of a sentence, and liked items that sentences are about, at most


@dataclass(frozen=True)
class Reason:
    """A reason.

    Attributes:
        text: a sentence; "": there is none.
        liked: id of the liked item that it names; "": none.
        values: the attribute values that it names.
    """

    text: str = ""
    liked: str = ""
    values: tuple[str, ...] = ()


def statements(
    predictor: Talker, dialogue: Dialogue, history: np.ndarray, item: int
) -> list[Reason]:
    """All true statements about why ``item`` suits the user; those about wishes first.

    Args:
        history: ``(n,)`` liked items, oldest first.
    """
    catalogue, topics = predictor.catalogue, predictor.catalogue.topics
    title, own, found = catalogue.titles[item], topics.has[item], list[Reason]()
    wished = tuple(topics.values[n] for n in dialogue.state.wanted if own[n])[:NAMED]
    if wished:
        found.append(Reason(WISHED.format(title=title, traits=_list(wished)), "", wished))
    for liked in dict.fromkeys(history[::-1].tolist()):
        shared = tuple(topics.values[n] for n in np.flatnonzero(own & topics.has[liked]))[:NAMED]
        if not shared or len({each.liked for each in found} - {""}) == LIKED:
            continue
        named = f'"{catalogue.titles[liked]}"'
        found += [
            Reason(
                form.format(title=f'"{title}"', liked=named, traits=_list(shared)),
                catalogue.ids[liked],
                shared,
            )
            for form in SHARED
        ]
    return found


def reasons_for(
    predictor: Talker, dialogue: Dialogue, history: np.ndarray, items: Sequence[int]
) -> list[Reason]:
    """A reason for each of ``items``; one without text where no statement is true, or for a model
    that was not trained on reasons."""
    known = [statements(predictor, dialogue, history, item) for item in items]
    if REASONS not in predictor.bundle.settings.tasks:
        return [Reason()] * len(items)
    asked = [n for n, each in enumerate(known) if each]
    by_text: list[Mapping[str, Reason]] = [{r.text: r for r in known[n]} for n in asked]
    bundle, limit = predictor.bundle, predictor.bundle.settings.max_tokens
    prompts = [fit_prompt(bundle.tokenizer, _prompt(predictor, history, items[n]), limit).ids
               for n in asked]  # fmt: skip
    longest = max((len(text.encode()) for each in by_text for text in each), default=0)
    written = generate(
        bundle,
        prompts,
        [Grammar.of(choice(each)) for each in by_text],
        max_new_tokens=longest + 1,
        batch_tokens=predictor.method.batch_tokens,
    )
    found = [Reason()] * len(items)
    for n, each, text in zip(asked, by_text, written, strict=True):
        found[n] = each[text.text]
    return found


def _prompt(predictor: Talker, history: np.ndarray, item: int) -> Example:
    catalogue, literal = predictor.catalogue, predictor.bundle.literal
    template = PromptLibrary.from_dump(predictor.bundle.prompts).get(TEMPLATE)
    liked = tuple(literal(catalogue.titles[n]) for n in history[-LIKED:].tolist())
    values: dict[str, Value] = {
        **dict.fromkeys(template.fields, ""),
        "title": literal(catalogue.titles[item]),
        "attributes": literal(catalogue.texts[item]),
        "liked_titles": liked,
    }
    return render(template, Record(REASONS, values))


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
