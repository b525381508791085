"""A stage that counts its calls, and the listing of a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, Store

CODE = ()
FILES = ("/lineage.npy", "/manifest.json", "/result.txt")


class CountingStage:
    """Writes a file and counts its calls."""

    def __init__(self, events: list[int] | None = None) -> None:
        self.calls = 0
        self.events = np.array(events or [], dtype=np.uint64)

    def __call__(self, folder: Path) -> Lineage:
        self.calls += 1
        (folder / "result.txt").write_text("done")
        return Lineage(self.events)


def files_of(store: Store) -> list[str]:
    paths = (p.relative_to(store.root).as_posix() for p in store.root.rglob("*"))
    return sorted(path for path in paths if not path.startswith(".running"))
