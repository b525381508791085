"""The reference of prompt files: their keys, the tasks' fields, and the shipped families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from config_pages import entries
from prose import table

from p5rec.prompting.answer import AnswerForm
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.template import FamilySpec, FewShot, TemplateSpec
from p5rec.tasks.registry import TASKS

PAGE = "reference/prompts.md"
INTRO = """# Prompt files

A prompt file is a YAML file with one family of prompt templates. `p5rec prompts list`, `show`,
`render` and `lint` read them. [Add a prompt template](../how-to/add-a-prompt-template.md) is the
guide.
"""


def sources() -> Mapping[str, str]:
    """Path in the repository → page made from it."""
    return {
        "prompts/README.md": f"{PAGE}#keys-of-a-file",
        "prompts/README.md#fields": f"{PAGE}#fields-of-each-task",
        "p5rec/prompting/answer.py": f"{PAGE}#form-of-answers",
    }


def pages() -> Mapping[str, str]:
    """Path below ``docs/`` → page."""
    return {PAGE: "\n".join([INTRO, _tasks(), _families(), _keys()])}


def _tasks() -> str:
    rows = [
        [f"`{name}`", _names(task.source_fields), _names(task.target_fields)]
        for name in TASKS
        if (task := TASKS.get(name)).source_fields
    ]  # fmt: skip
    return (
        "## Fields of each task\n\nA template of a task may use these fields in its `source` and "
        "its `target`.\n\n" + table(["task", "fields of `source`", "fields of `target`"], rows)
    )


def _names(fields: Sequence[str]) -> str:
    return " ".join(f"`{field}`" for field in fields)


def _families() -> str:
    library = PromptLibrary.load()
    rows = []
    for name in library.families():
        family = library.family(name)
        rows.append(
            [f"`{name}`", f"`{family.task}`", str(len(family.templates)), family.description]
        )
    return "## Shipped families\n\n" + table(["family", "task", "templates", "description"], rows)


def _keys() -> str:
    return "\n".join(
        [
            "## Keys of a file\n", entries(FamilySpec, ""),
            "## Keys of a template\n", entries(TemplateSpec, "templates."),
            "## Layout of worked examples\n", entries(FewShot, "few_shot."),
            "## Form of answers\n", entries(AnswerForm, "answer."),
        ]
    )  # fmt: skip
