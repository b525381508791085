"""The reference of the command line: every command with its arguments and options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from prose import plain, table
from typer.core import TyperGroup

from p5rec.cli.main import COMMANDS, app

PAGE = "reference/command-line.md"
INTRO = """# Command line

`p5rec --help` and `p5rec COMMAND --help` print the same text. The argument of a command is what it
works on. A command that works on a config takes it as its argument; the others take it by
`--config`. `KEY=VALUE` arguments override keys of the config; values are YAML. An input error is
one line with exit code 2. An interrupted command exits with code 130; the same command resumes.
`p5rec audit` exits with code 1 if it finds a leak.

| environment variable | meaning |
|---|---|
| `P5REC_HOME` | folder of the cache; default `~/.cache/p5rec` |
| `HF_HUB_OFFLINE` | `1`: download neither models nor data sets |
| `OMP_NUM_THREADS` | threads per process |
"""


def sources() -> Mapping[str, str]:
    """Path in the repository → page made from it."""
    return {"p5rec/cli/main.py": PAGE}


def pages() -> Mapping[str, str]:
    """Path below ``docs/`` → page."""
    root: Any = typer.main.get_command(app)
    context = root.context_class(root, info_name="p5rec")
    text = [INTRO]
    for name, (_, summary) in COMMANDS.items():
        text += _sections(root.get_command(context, name), f"p5rec {name}", context, summary)
    return {PAGE: "\n".join(text)}


def _sections(command: Any, path: str, above: Any, summary: str = "") -> Iterator[str]:
    """A command, then its subcommands."""
    context = command.context_class(command, info_name=path.rpartition(" ")[2], parent=above)
    level = "#" * min(4, path.count(" ") + 1)
    yield f"{level} `{path}` {{ #{path.replace(' ', '-')} }}\n"
    is_group = isinstance(command, TyperGroup)
    yield plain(_paragraphs(command.help or summary)) + "\n"
    if not is_group:
        usage = re.sub(r"[{}]", "", " ".join(command.collect_usage_pieces(context)))
        yield f"```console\n$ {path} {usage}\n```\n"
    rows = [row for param in command.get_params(context) if (row := _row(param, context))]
    if rows:
        yield table(["argument or option", "meaning"], rows)
    if is_group:
        for name in command.list_commands(context):
            yield from _sections(command.get_command(context, name), f"{path} {name}", context)


def _row(param: Any, context: Any) -> list[str] | None:
    """Names and meaning of one parameter; None: ``--help``, or a hidden one."""
    if param.name == "help" or getattr(param, "hidden", False):
        return None
    names, meaning = param.get_help_record(context)
    if param.param_type_name == "argument":
        names = names.partition(" <")[0]
    return [f"`{' '.join(names.split())}`", plain(meaning)]


def _paragraphs(text: str) -> str:
    """Paragraphs of a docstring, lines joined."""
    return "\n\n".join(" ".join(each.split()) for each in text.replace("\b", "").split("\n\n"))
