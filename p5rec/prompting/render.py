"""The only place where prompt text is made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from p5rec.core.examples import Example
from p5rec.tasks.fields import FIELDS, Field, Kind, Record, Value
from p5rec.tasks.literal import squeeze

from .template import EXAMPLES, Template, fill

NOTHING = "nothing yet"
UNKNOWN = "not known"
TITLES_TO_CHOOSE = frozenset({"candidate_titles", "title_options"})
# kind of a list → where the title stands in an entry
TITLE: Mapping[Kind, int] = {"titles": 0, "items_titled": 1, "choices": 1}
# as shortening counts words: scripts from U+2E80 on have few spaces, and some titles have none
WORD = re.compile(r"(?:[!-\u2e7f]{1,16}|\S)\s*")


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
        lines = (entry if isinstance(entry, str) else " ".join(entry) for entry in value)
        return "\n".join(f"- {squeeze(line)}" for line in lines) or UNKNOWN
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
    the same time; then worked examples go, the first first; then texts and titles get
    shorter, as long as titles to choose from differ; then histories are empty.
    """

    template: Template
    record: Record
    examples: tuple[Record, ...]

    @cached_property
    def _most(self) -> tuple[int, int]:
        """Events of the longest history and words of the longest text that are shown."""
        events = words = 0
        for record in (self.record, *self.examples):
            for name in self.template.given:
                field, value = FIELDS[name], record.values[name]
                if field.gives == "events":
                    events = max(events, len(cast(tuple[Any, ...], value)))
                words = max(words, *map(len, map(WORD.findall, _texts(field, value))), 0)
        return events, words

    @cached_property
    def _fewest(self) -> int:
        """Words that titles to choose from need, to differ where they do; 1 at least."""
        fewest = 1
        for record in (self.record, *self.examples):
            for name in self.template.given & TITLES_TO_CHOOSE:
                titles = _texts(FIELDS[name], record.values[name])
                while len({_start(t, fewest) for t in titles}) < len({*titles}):
                    fewest += 1
        return fewest

    @cached_property
    def _shrinks(self) -> frozenset[str]:
        """Fields that are shortened: those given, and a title that the answer takes from them."""
        given = self.template.given
        return given | {"target_title"} if given & TITLES_TO_CHOOSE else given

    @property
    def steps(self) -> int:
        """How many times a little more can be left out."""
        events, words = self._most
        return events + len(self.examples) + max(words - self._fewest, 0)

    def __call__(self, step: int) -> Example:
        """After ``step`` steps."""
        events, words = self._most
        fewer = min(step, max(events - 1, 0))
        left = step - fewer
        gone = min(left, len(self.examples))
        shorter = min(left - gone, max(words - self._fewest, 0))
        kept = 0 if left - gone - shorter else events - fewer
        record, *shots = (
            self._shrunk(each, kept, words - shorter)
            for each in (self.record, *self.examples[gone:])
        )
        return _rendered(self.template, record, shots, None)

    def _shrunk(self, record: Record, events: int, words: int) -> Record:
        """The last ``events`` of its histories and the first ``words`` of its texts."""
        values = dict(record.values)
        for name in self._shrinks & values.keys():
            field, value = FIELDS[name], record.values[name]
            if field.gives == "events":
                value = cast(tuple[Any, ...], value)
                value = value[max(len(value) - events, 0) :]
            values[name] = _shortened(field, value, words)
        return replace(record, values=values)


def _texts(field: Field, value: Value) -> list[str]:
    """The texts in a value that may be shortened."""
    if isinstance(value, str):
        return [value] if field.gives else []
    if not field.gives or not isinstance(value, tuple) or field.kind not in TITLE:
        return []
    at = TITLE[field.kind]
    return [entry if isinstance(entry, str) else entry[at] for entry in value]


def _shortened(field: Field, value: Value, words: int) -> Value:
    """``value`` with the first ``words`` of each of its texts."""
    short = [_start(text, words) for text in _texts(field, value)]
    if not short or not isinstance(value, tuple):
        return short[0] if short else value
    at = TITLE[field.kind]
    entries = (
        text if isinstance(entry, str) else (*entry[:at], text, *entry[at + 1 :])
        for entry, text in zip(value, short, strict=True)
    )
    return cast(Value, tuple(entries))


def _start(text: str, words: int) -> str:
    """The first ``words`` of ``text``, as it is where it has no more."""
    pieces = WORD.findall(text)
    return text if len(pieces) <= words else "".join(pieces[:words]).rstrip()


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
