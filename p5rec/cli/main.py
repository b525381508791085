"""``p5rec <subcommand>``: imports each command lazily and prints input errors in one line."""

from __future__ import annotations

import errno
import gc
import re
import sys
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from p5rec import __version__
from p5rec.core.errors import UserError, disk_full
from p5rec.core.terminal import printable, safe_output

INTERRUPTED = 130
GC_THRESHOLD = 50_000  # new objects per garbage collection; imports create a million objects
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)

# name → (module, one line of help); a module is imported when its command is used
COMMANDS = {
    "data": ("data", "Fetch, describe and prepare data sets."),
    "audit": ("audit", "Check a log, a recipe or a run for known leaks."),
    "prompts": ("prompts", "List, show, lint and render prompt templates."),
    "ids": ("ids", "Build and inspect semantic ids."),
    "texts": ("texts", "Write texts about items and users, and store their vectors."),
    "plan": ("plan", "Estimate a training: parameters, examples, memory and time."),
    "run": ("run", "Run a recipe: from an interaction log to a report and ranked lists."),
    "compare": ("compare", "Compare zero-shot, few-shot and fine-tuned models with baselines."),
    "refit": ("refit", "Fit a validated method to all events, for production."),
    "update": ("update", "Update a model with the new events of a log."),
    "forget": ("forget", "Forget people or events exactly, with a receipt."),
    "recommend": (
        "recommend",
        "Write ranked lists, ratings, clicks or explanations of a trained model.",
    ),
    "describe": ("describe", "Describe points of a model's space in words."),
    "profile": ("profile", "Show, write and edit what is known about a user."),
    "mcp": ("mcp", "Serve a model to agents by the Model Context Protocol."),
    "chat": ("chat", "Talk with a conversational recommender."),
    "export": ("export", "Write a trained model as a plain transformers model."),
    "evaluate": ("evaluate", "Evaluate a trained model or a file of ranked lists."),
    "methods": ("methods", "Check a method of your own against the contract of all methods."),
    "report": ("report", "Show a run's report, rebuild its pages, or compare two runs."),
    "systems": ("systems", "List the systems, and what was measured of each."),
    "cache": ("cache", "List the finished stages in the cache, and delete some."),
    "doctor": ("doctor", "Print versions, devices and the cache."),
}


class LazyGroup(TyperGroup):
    """A command group that imports a subcommand only when it is used."""

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
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="A Python file or module of yours that defines methods; it is imported before the "
            "command. Repeatable.",
        ),
    ] = None,
) -> None:
    """A unified generative recommender: from an interaction log to ranked lists.

    Input errors are one line each, with exit code 2; an interrupt has exit code 130. Fetched data,
    converted models and finished stages are cached in ~/.cache/p5rec, or in P5REC_HOME.
    """
    if version:
        print(f"p5rec {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
    elif plugin:
        from p5rec.methods.plugins import load_plugins

        load_plugins(*plugin)


def main() -> None:
    """Entry point of ``p5rec``."""
    gc.set_threshold(GC_THRESHOLD)
    guarded(app)


def guarded(command: typer.Typer) -> None:
    """Runs a command: user errors are one line each and exit code 2, an interrupt is 130."""
    try:
        with safe_output():
            code = command(standalone_mode=False)
    except TyperException as error:
        _refuse(error)
    except UserError as error:
        for line in error.lines:
            _say(line)
        sys.exit(error.exit_code)
    except Exception as error:
        reason = _unwritable(error)
        if reason is None:
            raise
        path = getattr(error, "filename", None) or "output"
        _say(
            f"{path}: expected to read or write it, got {reason}; free some space or fix the "
            "permissions, then run again"
        )
        sys.exit(UserError.exit_code)
    if code == INTERRUPTED:  # typer handles the interrupt itself
        _say("interrupted; run the same command again to resume")
    sys.exit(code)


def _refuse(error: TyperException) -> NoReturn:
    """Prints an error of the arguments in one line, with the usage of the command, and exits."""
    context: Any = getattr(error, "ctx", None)
    message = error.format_message()
    if context is None:
        _say(message)
    elif message == context.get_help():  # a group without a command
        print(message, file=sys.stderr)
    else:
        path = context.command_path
        usage = re.sub(r"[{}]", "", " ".join(context.command.collect_usage_pieces(context)))
        said = re.sub(r"\.?$", ";", message[:1].lower() + message[1:], count=1).replace("?;", "?")
        _say(f"{said} write `{path} {usage}`, see `{path} --help`")
    sys.exit(UserError.exit_code)


def _unwritable(error: Exception) -> str | None:
    """The reason why a file could not be written; None for other errors."""
    if isinstance(error, OSError) and error.errno in REFUSED:
        return error.strerror
    return "a full disk" if disk_full(error) else None


def _say(line: str) -> None:
    print(f"p5rec: {printable(line)}", file=sys.stderr)
