"""A stage that counts, and what a store holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, Store

CODE = ()
FILES = ("/lineage.npy", "/manifest.json", "/result.txt")


class Maker:
    """Writes a file and remembers how often it was asked to."""

    def __init__(self, events: list[int] | None = None) -> None:
        self.calls = 0
        self.events = np.array(events or [], dtype=np.uint64)

    def __call__(self, folder: Path) -> Lineage:
        self.calls += 1
        (folder / "result.txt").write_text("done")
        return Lineage(self.events)


def left(store: Store) -> list[str]:
    places = (p.relative_to(store.root).as_posix() for p in store.root.rglob("*"))
    return sorted(place for place in places if not place.startswith(".running"))
