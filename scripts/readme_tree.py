"""Writes the file tree at the end of README.md: each file with its description.

python scripts/readme_tree.py [--check]
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- tree -->\n", "<!-- /tree -->\n"
HIDDEN = (
    "tests/golden/", "docs/experiments/results/", "LICENSE", ".gitignore", "requirements.lock",
)  # fmt: skip


def sentence(path: Path) -> str:
    """The first line of a module's docstring, or of a file's leading comment or heading."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".py":
        doc = ast.get_docstring(ast.parse(text)) or ""
        return doc.split("\n\n")[0].replace("\n", " ")
    if path.suffix == ".ipynb":
        text = "".join(json.loads(text)["cells"][0]["source"])
    for line in text.splitlines()[:4]:
        if line.startswith("#") and not line.startswith("#!"):
            return line.lstrip("# ").strip()
        if line.startswith("description:"):
            return line.partition(":")[2].strip()
    return ""


def tree() -> str:
    """The tracked files, one line each."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    names = [
        name
        for name in sorted(filter(None, listed))
        if not name.startswith(HIDDEN) and not name.endswith("__init__.py") and name != "README.md"
    ]
    width = max(len(name) for name in names)
    lines = [f"{name:<{width}}  {sentence(ROOT / name)}".rstrip() for name in names]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def main() -> None:
    """Rewrites the tree; with --check, fails if it is out of date."""
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    fresh = head + BEGIN + tree() + END + tail
    if "--check" in sys.argv:
        if fresh != text:
            sys.exit("README.md: the file tree is out of date; run python scripts/readme_tree.py")
        return
    README.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
