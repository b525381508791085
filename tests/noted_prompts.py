"""A prompt family that shows an earlier text about the user."""

from __future__ import annotations

from pathlib import Path

NOTED = """\
family: noted
task: describe-user
description: A user with an earlier text.
target_type: text
fields: {notes: text, description: text}
few_shot: {example: "{source} {target}"}
templates:
  - id: short
    version: 1
    source: "{examples}Known: {notes}"
    target: "{description}"
"""


def write_noted(folder: Path) -> Path:
    """Writes the family ``noted`` into ``folder``."""
    folder.mkdir(exist_ok=True)
    (folder / "noted.yaml").write_text(NOTED)
    return folder
