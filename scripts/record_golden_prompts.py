"""Re-records the golden renderings of every shipped prompt: python scripts/record_golden_prompts.py

Each template stands once without and once with one worked example, over the sample records.
Read the difference before committing it.
"""

from __future__ import annotations

from pathlib import Path

from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.render import render
from p5rec.prompting.sample import sample_records

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "prompts"


def renderings(library: PromptLibrary, family: str) -> str:
    """Every template of a family in words."""
    parts = []
    for template in library.templates(family):
        record, shot, *_ = sample_records(template.task)
        bare, shown = render(template, record), render(template, record, [shot])
        parts.append(f"==== {template.full_id}\n")
        if bare.system:
            parts.append(f"[system]\n{bare.system}\n")
        parts.append(
            f"[source]\n{bare.source}\n[source, one example]\n{shown.source}\n"
            f"[target]\n{bare.target}\n"
        )
    return "\n".join(parts)


def main() -> None:
    """Writes a file a family."""
    library = PromptLibrary.load()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for family in library.families():
        (GOLDEN / f"{family}.txt").write_text(renderings(library, family), encoding="utf-8")
        print(GOLDEN / f"{family}.txt")


if __name__ == "__main__":
    main()
