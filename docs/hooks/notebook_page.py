"""The notebook as a page: text, code and stored outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "tutorials/tour.ipynb"
PAGE = "tutorials/tour.md"
STYLE = re.compile(r"<style.*?</style>", re.DOTALL)
INTRO = """
!!! note "A notebook"
    This page is the notebook [tour.ipynb](tour.ipynb) with its stored outputs. Download it to run
    it yourself.
"""


def sources() -> Mapping[str, str]:
    """Path in the repository → page made from it."""
    return {"docs/tutorials/tour.ipynb": PAGE}


def pages() -> Mapping[str, str]:
    """Path below ``docs/`` → page."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    first, *others = cells
    text = ["".join(first["source"]), INTRO, *map(_cell, others)]
    return {PAGE: "\n\n".join(text) + "\n"}


def _cell(cell: Mapping[str, Any]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return source
    return "\n\n".join([f"```python\n{source}\n```", *map(_output, cell["outputs"])])


def _output(output: Mapping[str, Any]) -> str:
    """The output as HTML; without HTML, as a picture; else as text."""
    data = output.get("data", {"text/plain": output.get("text", "")})
    if "text/html" in data:
        html = STYLE.sub("", "".join(data["text/html"]))
        lines = [line.strip() for line in html.split("\n") if line.strip()]
        return '<div class="output">\n' + "\n".join(lines) + "\n</div>"
    if "image/png" in data:
        return (
            f'<img alt="" class="output" src="data:image/png;base64,{data["image/png"].strip()}">'
        )
    return f"```text\n{''.join(data['text/plain'])}\n```"
