"""Every figure that wants a GPU, in one table, within a budget of minutes.

scripts/gpu_table --out FOLDER [--minutes 9] [--data FOLDER_OF_AMAZON_BEAUTY] [--tiny]

Each part (``gpu_parts.py``) is a process with a time limit. A row is in ``FOLDER/table.json`` and
``FOLDER/table.md`` as soon as it is measured. A part that fails or takes too long is a row that
says why, and the others go on. What the parts print is in ``FOLDER/logs``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any

from p5rec.core.artefacts import atomic_write, write_json

SHARES = {"machine": 0.2, "decoding": 0.25, "training": 0.35, "beauty": 1.0}  # of the time left
CLOSING = 5.0  # seconds kept for ending
HEAD = ("part", "what", "value", "unit", "note")
COMMAND = (sys.executable, str(Path(__file__).with_name("gpu_parts.py")))


class Table:
    """Rows on disk as they come.

    Args:
        out: the folder of ``table.json`` and ``table.md``.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.rows, self.started = out, list[dict[str, Any]](), time.monotonic()

    def add(self, part: str, row: dict[str, Any]) -> None:
        """Writes both files again, and prints the row."""
        at = round(time.monotonic() - self.started, 1)
        self.rows.append({"part": part, **row, "seconds": at})
        write_json(self.out / "table.json", self.rows)
        with atomic_write(self.out / "table.md") as file:
            file.write(self.text())
        print(line([f"{at:6.1f} s", part, *cells(row)]), flush=True)

    def text(self) -> str:
        """The table as Markdown."""
        rows = [line([row["part"], *cells(row)]) for row in self.rows]
        return "\n".join([line(HEAD), "|---" * len(HEAD) + "|", *rows]) + "\n"


def cells(row: dict[str, Any]) -> list[str]:
    """A row without its part, as text."""
    if "failed" in row:
        return [row["what"], "failed", "", row["failed"]]
    value = row["value"]
    shown = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    return [row["what"], shown, row["unit"], row["note"]]


def line(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def measure(table: Table, part: str, command: Sequence[str], limit: float) -> None:
    """Runs a part for at most ``limit`` seconds; its rows go into ``table``."""
    log = table.out / "logs" / f"{part}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    late = []
    with open(log, "wb") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )

        def stop() -> None:
            late.append(True)
            os.killpg(process.pid, signal.SIGKILL)

        timer = Timer(limit, stop)
        timer.start()
        try:
            assert process.stdout is not None
            for row in process.stdout:
                table.add(part, json.loads(row))
            code = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if late:
        table.add(part, {"what": part, "failed": f"stopped after {limit:.0f} s; see {log.name}"})
    elif code:
        table.add(part, {"what": part, "failed": f"{last_line(log)}; see {log.name}"})


def last_line(log: Path) -> str:
    """What a failed part said at its end."""
    lines = log.read_text(errors="replace").replace("\r", "\n").split("\n")
    return next((each.strip() for each in reversed(lines) if each.strip()), "nothing was said")


def main() -> None:
    """Reads the command line; measures every part and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-table"))
    parser.add_argument("--minutes", type=float, default=9.0, help="of the whole table")
    parser.add_argument("--data", type=Path, default=Path("amazon-beauty"))
    parser.add_argument("--tiny", action="store_true", help="small models, synthetic data")
    parser.add_argument("--parts", nargs="*", choices=SHARES, default=list(SHARES))
    options = parser.parse_args()
    table = Table(options.out)
    deadline = table.started + 60 * options.minutes - CLOSING
    with TemporaryDirectory() as work:
        for part in options.parts:
            left = deadline - time.monotonic()
            if left <= 0:
                table.add(part, {"what": part, "failed": "no time was left"})
                continue
            limit = left * SHARES[part]
            command = [*COMMAND, part, "--seconds", f"{limit:.0f}", "--data", str(options.data)]
            command += ["--work", work, *(["--tiny"] if options.tiny else [])]
            measure(table, part, command, limit)
    print(table.text(), end="")


if __name__ == "__main__":
    main()
