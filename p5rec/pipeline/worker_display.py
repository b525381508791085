"""The output of several workers on one terminal: their lines, and below them a bar for each."""

from __future__ import annotations

import shutil
import sys
from typing import IO

from tqdm import tqdm


class WorkerDisplay:
    """Prints the lines of workers, and on a terminal the progress of each."""

    def __init__(self) -> None:
        self.bars: dict[int, tqdm] = {}

    def update_bar(self, worker: int, text: str) -> None:
        """Replaces the text of a worker's bar; without a terminal it draws nothing."""
        if not sys.stderr.isatty():
            return
        if worker not in self.bars:
            self.bars[worker] = tqdm(
                total=0, bar_format="{desc}", position=worker, leave=False, file=sys.stderr
            )
        width = shutil.get_terminal_size().columns - 1
        self.bars[worker].set_description_str(f"[{worker + 1}] {text}"[:width])

    def print_line(self, text: str, stream: IO[str] | None = None) -> None:
        """Prints a line above the bars, by default to stdout."""
        stream = stream or sys.stdout
        tqdm.write(text, file=stream)
        stream.flush()

    def close(self) -> None:
        """Removes the bars."""
        for bar in reversed(self.bars.values()):
            bar.close()
        self.bars.clear()
