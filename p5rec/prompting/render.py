"""The only place where prompt text is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from p5rec.core.types import Example

from .fields import FIELDS, Kind, Record, Value
from .literal import squeeze
from .template import EXAMPLES, Template, fill

NOTHING = "nothing yet"
UNKNOWN = "not known"


def words(kind: Kind, value: Value) -> str:
    """A field's value as it stands in a prompt, data taken literally.

    A list is one line with commas, titles quoted; choices are a line each. An empty list reads
    "nothing yet", other missing values "not known".
    """
    if isinstance(value, float | int):
        return format(value, "g")
    if isinstance(value, str):
        return squeeze(value) or UNKNOWN
    if kind == "choices":
        return "\n".join(f"- {squeeze(str(entry))}" for entry in value) or UNKNOWN
    return ", ".join(_entry(kind, entry) for entry in value) or NOTHING


def _entry(kind: Kind, entry: str | tuple[str, str]) -> str:
    """One entry of a list: a name, an id with its title, or either with the rating it got."""
    first, second = (entry, "") if isinstance(entry, str) else entry
    if kind == "items_titled":
        return f'{squeeze(first)} "{squeeze(second)}"'
    name = f'"{squeeze(first)}"' if kind == "titles" else squeeze(first)
    return f"{name}: {second}" if second else name


def render(template: Template, record: Record, examples: Sequence[Record] = ()) -> Example:
    """The record in the template's words, after worked examples in the same words.

    Args:
        template: the wording.
        record: the row to pose, of the template's task.
        examples: records of other rows, answered in full.
    """
    return _rendered(template, record, examples, Shorter(template, record, tuple(examples)))


@dataclass(frozen=True)
class Shorter:
    """A record in the template's words, showing less (see :class:`p5rec.core.types.Less`).

    First histories lose their oldest events, down to the last one, that of the worked examples at
    the same time; then worked examples go, the first first; then texts get shorter, down to a
    word; then histories are empty.
    """

    template: Template
    record: Record
    examples: tuple[Record, ...]

    @cached_property
    def _most(self) -> tuple[int, int]:
        """Events of the longest history and words of the longest text that are shown."""
        longest = {"events": 0, "words": 0}
        for record in (self.record, *self.examples):
            for name in self.template.given:
                if gives := FIELDS[name].gives:
                    longest[gives] = max(longest[gives], len(_pieces(record.values[name])))
        return longest["events"], longest["words"]

    @property
    def steps(self) -> int:
        """How many times a little more can be left out."""
        events, words = self._most
        return events + len(self.examples) + max(words - 1, 0)

    def __call__(self, step: int) -> Example:
        """After ``step`` steps."""
        events, words = self._most
        fewer = min(step, max(events - 1, 0))
        left = step - fewer
        gone = min(left, len(self.examples))
        shorter = min(left - gone, max(words - 1, 0))
        kept = 0 if left - gone - shorter else events - fewer
        record, *shots = (
            _shrunk(each, kept, words - shorter) for each in (self.record, *self.examples[gone:])
        )
        return _rendered(self.template, record, shots, None)


def _pieces(value: Value) -> Sequence[Any]:
    """What a value gives: the words of a text, the entries of a list."""
    return value.split() if isinstance(value, str) else cast(tuple[Any, ...], value)


def _shrunk(record: Record, events: int, words: int) -> Record:
    """``record`` with the last ``events`` of its histories and the first ``words`` of its texts."""
    values = dict(record.values)
    for name, value in record.values.items():
        pieces = _pieces(value) if FIELDS[name].gives else ()
        if FIELDS[name].gives == "events":
            values[name] = tuple(pieces[max(len(pieces) - events, 0) :])
        elif len(pieces) > words:
            values[name] = " ".join(pieces[:words])
    return replace(record, values=values)


def _rendered(
    template: Template, record: Record, examples: Sequence[Record], less: Shorter | None
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
        system=fill(template.system, _all_words(template, record)),
        less=less,
    )


def to_messages(example: Example, *, answered: bool = False) -> list[dict[str, str]]:
    """The example as chat messages ``{"role", "content"}``, for a tokenizer's chat template.

    Args:
        example: what to pose.
        answered: add the target as the assistant's message.
    """
    messages = [{"role": "user", "content": example.source}]
    if example.system:
        messages.insert(0, {"role": "system", "content": example.system})
    if answered:
        messages.append({"role": "assistant", "content": example.target})
    return messages


def _sides(template: Template, record: Record, examples: str) -> tuple[str, str]:
    known = _all_words(template, record)
    return fill(template.source, known | {EXAMPLES: examples}), fill(template.target, known)


def _all_words(template: Template, record: Record) -> dict[str, str]:
    return {name: words(FIELDS[name].kind, record.values[name]) for name in template.fields}
