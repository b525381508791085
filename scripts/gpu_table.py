"""Measures everything that needs a GPU within a time budget; writes one table.

scripts/gpu_table --out FOLDER [--minutes 9] [--data FOLDER_OF_AMAZON_BEAUTY] [--tiny]

Each experiment of ``gpu_experiments.py`` is a process with a time limit. Each row is written to
``FOLDER/table.json`` and ``FOLDER/table.md`` as soon as it is measured. If an experiment fails or
exceeds its limit, a row states the reason and the next experiment starts. ``FOLDER/logs`` holds
the output of the experiments.
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

from p5rec.core.artefacts import write_json
from p5rec.core.atomic import atomic_write

SHARES = {
    "machine": 0.2,
    "decoding": 0.25,
    "training": 0.35,
    "beauty": 1.0,
}  # of the remaining time
CLOSING = 5.0  # seconds reserved for the end
HEAD = ("experiment", "what", "value", "unit", "note")
COMMAND = (sys.executable, str(Path(__file__).with_name("gpu_experiments.py")))


class Table:
    """A table on disk that grows row by row.

    Args:
        out: the folder of ``table.json`` and ``table.md``.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.rows, self.started = out, list[dict[str, Any]](), time.monotonic()

    def add(self, experiment: str, row: dict[str, Any]) -> None:
        """Adds a row to both files and prints it."""
        at = round(time.monotonic() - self.started, 1)
        self.rows.append({"experiment": experiment, **row, "seconds": at})
        write_json(self.out / "table.json", self.rows)
        with atomic_write(self.out / "table.md") as file:
            file.write(self.text())
        print(line([f"{at:6.1f} s", experiment, *cells(row)]), flush=True)

    def text(self) -> str:
        """The table as Markdown."""
        rows = [line([row["experiment"], *cells(row)]) for row in self.rows]
        return "\n".join([line(HEAD), "|---" * len(HEAD) + "|", *rows]) + "\n"


def cells(row: dict[str, Any]) -> list[str]:
    """The cells of a row, except its experiment, as text."""
    if "failed" in row:
        return [row["what"], "failed", "", row["failed"]]
    value = row["value"]
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    return [row["what"], text, row["unit"], row["note"]]


def line(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def measure(table: Table, experiment: str, command: Sequence[str], limit: float) -> None:
    """Runs an experiment for at most ``limit`` seconds; adds its rows to ``table``."""
    log = table.out / "logs" / f"{experiment}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    timeouts = []
    with open(log, "wb") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )

        def stop() -> None:
            timeouts.append(limit)
            os.killpg(process.pid, signal.SIGKILL)

        timer = Timer(limit, stop)
        timer.start()
        try:
            assert process.stdout is not None
            for row in process.stdout:
                table.add(experiment, json.loads(row))
            code = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if timeouts:
        table.add(
            experiment,
            {"what": experiment, "failed": f"stopped after {limit:.0f} s; see {log.name}"},
        )
    elif code:
        table.add(experiment, {"what": experiment, "failed": f"{last_line(log)}; see {log.name}"})


def last_line(log: Path) -> str:
    """The last line that a failed experiment printed."""
    lines = log.read_text(errors="replace").replace("\r", "\n").split("\n")
    return next((each.strip() for each in reversed(lines) if each.strip()), "no output")


def main() -> None:
    """Parses the command line; runs the experiments and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-table"))
    parser.add_argument("--minutes", type=float, default=9.0, help="time limit of the whole table")
    parser.add_argument("--data", type=Path, default=Path("amazon-beauty"))
    parser.add_argument("--tiny", action="store_true", help="small models, synthetic data")
    parser.add_argument("--experiments", nargs="*", choices=SHARES, default=list(SHARES))
    options = parser.parse_args()
    table = Table(options.out)
    deadline = table.started + 60 * options.minutes - CLOSING
    with TemporaryDirectory() as work:
        for experiment in options.experiments:
            left = deadline - time.monotonic()
            if left <= 0:
                table.add(experiment, {"what": experiment, "failed": "no time left"})
                continue
            limit = left * SHARES[experiment]
            command = [
                *COMMAND,
                experiment,
                "--seconds",
                f"{limit:.0f}",
                "--data",
                str(options.data),
            ]
            command += ["--work", work, *(["--tiny"] if options.tiny else [])]
            measure(table, experiment, command, limit)
    print(table.text(), end="")


if __name__ == "__main__":
    main()
