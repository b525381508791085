"""The only place where prompt text is made."""

from __future__ import annotations

from collections.abc import Sequence

from p5rec.core.types import Example

from .fields import FIELDS, Kind, Record, Value
from .template import EXAMPLES, Template, fill
from .view import squeeze

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
