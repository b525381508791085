"""Renders prompt text from records and templates; no other module writes prompt text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from p5rec.core.examples import POINT, Example
from p5rec.tasks.fields import FIELDS, Field, Kind, Record, Value
from p5rec.tasks.literal import squeeze

from .template import EXAMPLES, Template, fill, slots

NOTHING = "nothing yet"
UNKNOWN = "not known"
CANDIDATE_TITLES = frozenset({"candidate_titles", "title_options"})
# kind of a list → index of the title in an entry
TITLE: Mapping[Kind, int] = {"titles": 0, "items_titled": 1, "choices": 1}
# the unit of truncation: scripts from U+2E80 on have few spaces, and some titles have none
WORD = re.compile(r"(?:[!-\u2e7f]{1,16}|\S)\s*")


def words(kind: Kind, value: Value) -> str:
    """Renders a field's value; data are taken literally.

    A list is one comma-separated line with quoted titles. Choices take one line each. An empty
    list reads "nothing yet", any other missing value "not known". A vector is read where
    :data:`p5rec.core.examples.POINT` stands.
    """
    if kind == "point":
        return POINT
    if isinstance(value, float | int):
        return format(value, "g")
    if isinstance(value, str):
        return squeeze(value) or UNKNOWN
    if kind == "choices":
        lines = (entry if isinstance(entry, str) else " ".join(entry) for entry in value)
        return "\n".join(f"- {squeeze(line)}" for line in lines) or UNKNOWN
    return ", ".join(_entry(kind, entry) for entry in value) or NOTHING


def _entry(kind: Kind, entry: str | tuple[str, str]) -> str:
    """One entry of a list: a name, an id with its title, or either with its rating."""
    first, second = (entry, "") if isinstance(entry, str) else entry
    if kind == "items_titled":
        return f'{squeeze(first)} "{squeeze(second)}"'
    name = f'"{squeeze(first)}"' if kind == "titles" else squeeze(first)
    return f"{name}: {second}" if second else name


def render(template: Template, record: Record, examples: Sequence[Record] = ()) -> Example:
    """Renders a record with a template, after worked examples in the same template.

    Args:
        template: the prompt template.
        record: a record of the template's task.
        examples: records of worked examples, rendered with their targets.
    """
    return _render(template, record, examples, Truncation(template, record, tuple(examples)))


@dataclass(frozen=True)
class Truncation:
    """Shorter renderings of a record (see :class:`p5rec.core.examples.Shortener`).

    Truncation removes content in this order:

    1. the oldest events of all histories, until one event is left;
    2. worked examples, the first one first;
    3. words of texts and titles, as long as candidate titles stay different;
    4. the last event of the histories.
    """

    template: Template
    record: Record
    examples: tuple[Record, ...]

    @cached_property
    def _most(self) -> tuple[int, int]:
        """Events of the longest history and words of the longest text."""
        events = words = 0
        for record in (self.record, *self.examples):
            for name in self.template.source_fields:
                field, value = FIELDS[name], record.values[name]
                if field.truncate == "events":
                    events = max(events, len(cast(tuple[Any, ...], value)))
                words = max(words, *map(len, map(WORD.findall, _texts(field, value))), 0)
        return events, words

    @cached_property
    def _fewest(self) -> int:
        """The fewest words, 1 or more, that keep different candidate titles different."""
        fewest = 1
        for record in (self.record, *self.examples):
            for name in self.template.source_fields & CANDIDATE_TITLES:
                titles = _texts(FIELDS[name], record.values[name])
                while len({_first_words(t, fewest) for t in titles}) < len({*titles}):
                    fewest += 1
        return fewest

    @cached_property
    def _truncatable(self) -> frozenset[str]:
        """The truncatable fields: source fields, and a target title taken from candidates."""
        source_fields = self.template.source_fields
        if source_fields & CANDIDATE_TITLES:
            return source_fields | {"target_title"}
        return source_fields

    @property
    def steps(self) -> int:
        """The number of truncation steps."""
        events, words = self._most
        return events + len(self.examples) + max(words - self._fewest, 0)

    def __call__(self, step: int) -> Example:
        """The rendering after ``step`` truncation steps."""
        events, words = self._most
        cut_events = min(step, max(events - 1, 0))
        step -= cut_events
        cut_examples = min(step, len(self.examples))
        step -= cut_examples
        cut_words = min(step, max(words - self._fewest, 0))
        step -= cut_words
        last_events = 0 if step else events - cut_events
        record, *shots = (
            self._truncate(each, last_events, words - cut_words)
            for each in (self.record, *self.examples[cut_examples:])
        )
        return _render(self.template, record, shots, None)

    def _truncate(self, record: Record, events: int, words: int) -> Record:
        """Keeps the last ``events`` of histories and the first ``words`` of texts."""
        values = dict(record.values)
        for name in self._truncatable & values.keys():
            field, value = FIELDS[name], record.values[name]
            if field.truncate == "events":
                value = cast(tuple[Any, ...], value)
                value = value[max(len(value) - events, 0) :]
            values[name] = _truncate_texts(field, value, words)
        return replace(record, values=values)


def _texts(field: Field, value: Value) -> list[str]:
    """The truncatable texts in a value."""
    if isinstance(value, str):
        return [value] if field.truncate else []
    if not field.truncate or not isinstance(value, tuple) or field.kind not in TITLE:
        return []
    at = TITLE[field.kind]
    return [entry if isinstance(entry, str) else entry[at] for entry in value]


def _truncate_texts(field: Field, value: Value, words: int) -> Value:
    """Truncates each text in ``value`` to its first ``words`` words."""
    short = [_first_words(text, words) for text in _texts(field, value)]
    if not short or not isinstance(value, tuple):
        return short[0] if short else value
    at = TITLE[field.kind]
    entries = (
        text if isinstance(entry, str) else (*entry[:at], text, *entry[at + 1 :])
        for entry, text in zip(value, short, strict=True)
    )
    return cast(Value, tuple(entries))


def _first_words(text: str, words: int) -> str:
    """The first ``words`` words of ``text``; a shorter text stays unchanged."""
    pieces = WORD.findall(text)
    return text if len(pieces) <= words else "".join(pieces[:words]).rstrip()


def _render(
    template: Template, record: Record, examples: Sequence[Record], shorten: Truncation | None
) -> Example:
    shots = []
    for example in examples:
        source, target = _sides(template, example, "")
        shots.append(fill(template.few_shot.example, {"source": source, "target": target}))
    block = template.few_shot.join.join(shots) + template.few_shot.end if shots else ""
    source, target = _sides(template, record, block)
    return Example(
        source=source,
        target=target,
        task=template.task,
        prompt_id=template.full_id,
        rating=record.rating,
        user=record.user,
        item=record.item,
        event=record.event,
        system=fill(template.system, _render_fields(template, record)),
        points=_points(template, record, examples),
        shorten=shorten,
    )


def _points(template: Template, record: Record, examples: Sequence[Record]) -> np.ndarray | None:
    """``(V, d)`` the vectors of a prompt in the order of its text; None: it has none."""
    order = [name for _, name in slots(template.source) if name is not None]
    own = [name for name in order if name in record.points]
    vectors: list[np.ndarray] = []
    for name in order:
        if name == EXAMPLES:
            vectors += [example.points[each] for example in examples for each in own]
        elif name in own:
            vectors.append(record.points[name])
    return np.stack(vectors).astype(np.float32) if vectors else None


def to_messages(example: Example, *, with_target: bool = False) -> list[dict[str, str]]:
    """The example as chat messages ``{"role", "content"}``, for a tokenizer's chat template.

    Args:
        example: the rendered prompt.
        with_target: append the target as the assistant's message.
    """
    messages = [{"role": "user", "content": example.source}]
    if example.system:
        messages.insert(0, {"role": "system", "content": example.system})
    if with_target:
        messages.append({"role": "assistant", "content": example.target})
    return messages


def _sides(template: Template, record: Record, examples: str) -> tuple[str, str]:
    known = _render_fields(template, record)
    return fill(template.source, known | {EXAMPLES: examples}), fill(template.target, known)


def _render_fields(template: Template, record: Record) -> dict[str, str]:
    return {name: words(FIELDS[name].kind, record.values[name]) for name in template.fields}
