"""A user's own log, item table and recipe, small enough to run in a second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

USERS, ITEMS, EACH = 40, 24, 7
RECIPE = """\
data:
  source: table
  path: {folder}/log.csv
  items:
    path: {folder}/items.csv
    columns: {{attributes: {{genres: {{column: genres, separator: "|"}}}}}}
ids:
  semantic: {{levels: 2, codebook: 6, vectors: {{text: null, cooccurrence: {{dim: 4}}}}}}
baselines: [popularity]
methods:
  mine:
    backbone: {{kind: scratch, width: 16, layers: 1, heads: 2, feedforward: 32, dropout: 0.0}}
    train:
      tasks: {{next-item: {{}}, rating: {{}}, explanation: {{}}}}
      steps: 4
      batch: 4
      precision: float32
      log_every: 1
    decode: {{beams: 20, max_new_tokens: 8}}
evaluate:
  k: 10
  prompts: {{rating: 10, explanation: 4}}
  samples: 2
  compare: [[mine, popularity]]
"""


@dataclass(frozen=True)
class Mine:
    """A user's folder.

    Attributes:
        folder: holds ``log.csv``, ``items.csv`` and ``my.yaml``.
        config: the recipe.
    """

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "my.yaml"

    def replace(self, file: str, old: str, new: str) -> None:
        """Replaces the only occurrence of ``old`` in a file."""
        text = (self.folder / file).read_text()
        assert text.count(old) == 1, f"{old!r} is in {file} {text.count(old)} times"
        (self.folder / file).write_text(text.replace(old, new))


@dataclass(frozen=True)
class Trained(Mine):
    """The folder after ``p5rec run``; tests must not change it.

    Attributes:
        out: the run's folder.
        output: the standard output of the run.
    """

    out: Path
    output: str

    @property
    def model(self) -> Path:
        return self.out / "models" / "mine"


def write_mine(folder: Path) -> Mine:
    """40 users with 7 of 24 items each; every item has genres, every event a rating."""
    rows = ["user,item,time,rating"]
    for user in range(USERS):
        for step in range(EACH):
            item = (7 * user + 5 * step) % ITEMS
            rows.append(f"u{user},i{item},{1_000_000 + step * 60},{1 + (item + user) % 5}")
    genres = ("Drama", "Noir|Drama", "Epic")
    items = ["item,title,genres", *(f"i{n},Title {n},{genres[n % 3]}" for n in range(ITEMS))]
    (folder / "log.csv").write_text("\n".join(rows) + "\n")
    (folder / "items.csv").write_text("\n".join(items) + "\n")
    (folder / "my.yaml").write_text(RECIPE.format(folder=folder))
    return Mine(folder)


def files(*folders: Path) -> set[Path]:
    """Every file in the folders, which a failing command must not add to."""
    return {path for folder in folders for path in folder.rglob("*") if path.is_file()}
