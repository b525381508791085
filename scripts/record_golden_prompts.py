"""Re-records the golden renderings of every shipped prompt: python scripts/record_golden_prompts.py

Each template is rendered once without and once with a few-shot example, on the sample records; a
template after a history has no examples.
Review the differences before committing them.
"""

from __future__ import annotations

from pathlib import Path

from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.render import render
from p5rec.prompting.sample import sample_records

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "prompts"


def renderings(library: PromptLibrary, family: str) -> str:
    """The renderings of every template of a family."""
    lines = []
    for template in library.templates(family):
        record, *shots = sample_records(template.task)  # an open-ended task has no worked example
        bare = render(template, record)
        lines.append(f"==== {template.full_id}\n")
        if bare.system:
            lines.append(f"[system]\n{bare.system}\n")
        lines.append(f"[source]\n{bare.source}")
        if shots and not template.after_history:
            lines.append(f"[source, one example]\n{render(template, record, shots[:1]).source}")
        lines.append(f"[target]\n{bare.target}\n")
    return "\n".join(lines)


def main() -> None:
    """Writes one file per family."""
    library = PromptLibrary.load()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for family in library.families():
        (GOLDEN / f"{family}.txt").write_text(renderings(library, family), encoding="utf-8")
        print(GOLDEN / f"{family}.txt")


if __name__ == "__main__":
    main()
