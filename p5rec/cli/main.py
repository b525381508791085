"""The front door: ``p5rec <subcommand>``. Imports nothing heavy, turns faults into one line."""

from __future__ import annotations

import errno
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from p5rec import __version__
from p5rec.core.errors import UserError

# name → (module, one line of help); a module is imported when its command is used
COMMANDS = {
    "data": ("data", "Fetch, describe and prepare data sets."),
    "audit": ("audit", "Look for the known leaks in a corpus or a run."),
    "prompts": ("prompts", "List, show, lint and render prompt templates."),
    "ids": ("ids", "Build and inspect semantic ids."),
    "run": ("run", "Run a recipe: from an interaction log to a report and ranked lists."),
    "recommend": ("recommend", "Write ranked lists, ratings or explanations with a trained model."),
    "evaluate": ("evaluate", "Measure a trained model or a file of ranked lists."),
    "report": ("report", "Show a run's report, or rebuild its pages from report.json."),
    "doctor": ("doctor", "Print versions, devices and caches."),
}


class LazyGroup(TyperGroup):
    """A command group that imports a subcommand only when it is asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, name: str) -> TyperCommand | TyperGroup | None:
        if name not in COMMANDS:
            return None
        module = import_module(f"p5rec.cli.{COMMANDS[name][0]}")
        return typer.main.get_command(module.app)

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


app = typer.Typer(cls=LazyGroup, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    """A unified generative recommender: from an interaction log to ranked lists."""
    if version:
        print(f"p5rec {__version__}")


def main() -> None:
    """Entry point of ``p5rec``."""
    guarded(app)


def guarded(command: typer.Typer) -> None:
    """Runs a command: user faults are a line each and exit code 2, an interrupt is 130."""
    try:
        command()
    except UserError as error:
        for line in error.lines:
            print(f"p5rec: {line}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        print(
            f"p5rec: {error.filename or 'output'}: expected to write, got {error.strerror}; "
            "free some space or choose another folder, then run again",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        print("p5rec: interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
