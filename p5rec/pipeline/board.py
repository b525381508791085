"""What workers say, on one terminal: their lines one after another, below them a bar for each."""

from __future__ import annotations

import shutil
import sys
from typing import IO

from tqdm import tqdm


class Board:
    """The lines of several workers, and on a terminal what each of them does now."""

    def __init__(self) -> None:
        self.bars: dict[int, tqdm] = {}

    def show(self, worker: int, text: str) -> None:
        """Replaces the bar of a worker; nothing is drawn where no terminal is."""
        if not sys.stderr.isatty():
            return
        if worker not in self.bars:
            self.bars[worker] = tqdm(
                total=0, bar_format="{desc}", position=worker, leave=False, file=sys.stderr
            )
        width = shutil.get_terminal_size().columns - 1
        self.bars[worker].set_description_str(f"[{worker + 1}] {text}"[:width])

    def say(self, text: str, stream: IO[str] | None = None) -> None:
        """Prints a line above the bars, on stdout unless a stream is named."""
        stream = stream or sys.stdout
        tqdm.write(text, file=stream)
        stream.flush()

    def close(self) -> None:
        """Takes the bars away."""
        for bar in reversed(self.bars.values()):
            bar.close()
        self.bars.clear()
