"""The front door: ``p5rec <subcommand>``. Imports nothing heavy, turns faults into one line."""

from __future__ import annotations

import errno
import gc
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from p5rec import __version__
from p5rec.core.errors import UserError, disk_full
from p5rec.core.terminal import printable, safe_output

INTERRUPTED = 130
YOUNG = 50_000  # new objects before cyclic garbage is looked for; imports make a million that stay
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)

# name → (module, one line of help); a module is imported when its command is used
COMMANDS = {
    "data": ("data", "Fetch, describe and prepare data sets."),
    "audit": ("audit", "Look for the known leaks in a corpus or a run."),
    "prompts": ("prompts", "List, show, lint and render prompt templates."),
    "ids": ("ids", "Build and inspect semantic ids."),
    "plan": ("plan", "Say what a training will take: weights, rows, memory, time."),
    "run": ("run", "Run a recipe: from an interaction log to a report and ranked lists."),
    "compare": ("compare", "Zero-shot, few-shot and fine-tuned beside the baselines."),
    "refit": ("refit", "Fit what validation chose to all events, for production."),
    "update": ("update", "Let a model go on over a log that has grown."),
    "recommend": (
        "recommend",
        "Write lists, ratings, clicks or explanations with a trained model.",
    ),
    "export": ("export", "Write a trained model as a plain folder that transformers opens."),
    "evaluate": ("evaluate", "Measure a trained model or a file of ranked lists."),
    "report": ("report", "Show a run's report, rebuild its pages, or compare two runs."),
    "cache": ("cache", "List the finished stages in the cache, and delete some."),
    "doctor": ("doctor", "Print versions, devices and caches."),
}


class LazyGroup(TyperGroup):
    """A command group that imports a subcommand only when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, name: str) -> Any:
        if name not in COMMANDS:
            return None
        module = import_module(f"p5rec.cli.{COMMANDS[name][0]}")
        return typer.main.get_command(module.app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


app = typer.Typer(
    cls=LazyGroup, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """A unified generative recommender: from an interaction log to ranked lists.

    Bad input is told in one line and exits with code 2, an interrupt with code 130. Fetched data,
    converted models and finished stages are kept in ~/.cache/p5rec; P5REC_HOME moves them.
    """
    if version:
        print(f"p5rec {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Entry point of ``p5rec``."""
    gc.set_threshold(YOUNG)
    guarded(app)


def guarded(command: typer.Typer) -> None:
    """Runs a command: user faults are a line each and exit code 2, an interrupt is 130."""
    try:
        with safe_output():
            command()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # typer swallows the interrupt itself
            _say("interrupted; run the same command again to go on")
        raise
    except UserError as error:
        for line in error.lines:
            _say(line)
        sys.exit(error.exit_code)
    except Exception as error:
        reason = _unwritable(error)
        if reason is None:
            raise
        place = getattr(error, "filename", None) or "output"
        _say(
            f"{place}: expected to read or write it, got {reason}; free some space or mend the "
            "permissions, then run again"
        )
        sys.exit(UserError.exit_code)


def _unwritable(error: Exception) -> str | None:
    """Why the disk refused us, None where ``error`` is something else."""
    if isinstance(error, OSError) and error.errno in REFUSED:
        return error.strerror
    return "a full disk" if disk_full(error) else None


def _say(line: str) -> None:
    print(f"p5rec: {printable(line)}", file=sys.stderr)
