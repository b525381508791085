"""``p5rec prompts``: lists, shows, lints, locks and renders prompt templates, without data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p5rec.core.errors import UserError, input_error

from .options import CONFIG

if TYPE_CHECKING:
    from p5rec.prompting.library import PromptLibrary

app = typer.Typer(
    help="List, show, lint, lock and render prompt templates.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--folder", metavar="FOLDER", help="A further folder of prompt files; repeatable."
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option("--config", help=f"{CONFIG}, for the further folders of its methods."),
]
Folder = Annotated[Path | None, typer.Argument(help="The shipped prompts by default.")]
Name = Annotated[str, typer.Argument(help="A template's id, from `p5rec prompts list`.")]


@app.command("list")
def list_(
    family: Annotated[str | None, typer.Option(help="One family only, such as rating.")] = None,
    folder: Folders = None,
    config: ConfigFile = None,
) -> None:
    """List the templates, one on each line.

    With further folders, only their templates are listed; --family also finds a shipped family.
    """
    library = _library(folder, config)
    if family and family not in library.specs:
        todo = "name the folder of a family of your own by --folder"
        raise UserError(f"--family: {library.unknown(family)} ({todo})")
    families = [family] if family else library.own or library.families()
    rows = [("ID", "VERSION", "TRAINING", "TARGET", "FIELDS")]
    rows += [
        (
            t.id,
            str(t.version),
            "held-out" if t.held_out else "seen",
            t.target_type,
            " ".join(sorted(t.source_fields)),
        )
        for name in families
        for t in library.templates(name)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


@app.command()
def show(name: Name, folder: Folders = None, config: ConfigFile = None) -> None:
    """Print the texts of a template and the meaning of its fields."""
    from p5rec.tasks.fields import FIELDS

    library = _library(folder, config)
    template = library.get(name)
    print(f"{template.full_id}  ({library.locations[template.full_id]})")
    print(f"task {template.task}, target type {template.target_type}, hash {template.hash}")
    print("held out of training" if template.held_out else "seen in training")
    if template.system:
        print(f"\nsystem:\n{template.system}")
    print(f"\nsource:\n{template.source}\n\ntarget:\n{template.target}\n\nfields:")
    for field in sorted(template.fields):
        print(f"  {field} ({FIELDS[field].kind}): {FIELDS[field].about}")


@app.command()
def lint(folder: Folder = None) -> None:
    """Check a folder's prompt files and its lock file."""
    from p5rec.core.paths import assets
    from p5rec.prompting import lock

    where = folder or assets("prompts")
    library = lock.lint(where)
    print(
        f"OK: {len(library.templates())} templates in {len(library.families())} families, {where}"
    )


@app.command("lock")
def lock_(folder: Folder = None) -> None:
    """Add new templates and new versions to the lock file.

    A text that changed without a new version is refused.
    """
    from p5rec.core.paths import assets
    from p5rec.prompting import lock

    where = folder or assets("prompts")
    added = lock.write(where)
    print(f"{where / lock.NAME}: " + (f"added {', '.join(added)}" if added else "up to date"))


@app.command()
def render(
    name: Name,
    config: ConfigFile = None,
    folder: Folders = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Override a field's value; ';' separates the entries of a list.",
        ),
    ] = None,
    shots: Annotated[int, typer.Option(min=0, max=3, help="Number of worked examples.")] = 0,
    chat: Annotated[bool, typer.Option("--chat", help="Print chat messages, as JSON.")] = False,
) -> None:
    """Render a template with a small built-in record."""
    from p5rec.prompting.render import render as to_example
    from p5rec.prompting.render import to_messages
    from p5rec.prompting.sample import override, sample_records

    template = _library(folder, config).get(name)
    typed = {}
    for setting in settings or []:
        field, sign, value = setting.partition("=")
        if not sign:
            raise UserError(f"--set: expected field=value, got {setting!r}; name the field")
        typed[field] = value
    record, *others = sample_records(template.task)
    example = to_example(template, override(template, record, typed), others[:shots])
    if chat:
        print(json.dumps(to_messages(example, with_target=True), indent=2, ensure_ascii=False))
        return
    if example.system:
        print(f"[system]\n{example.system}\n")
    print(f"[source]\n{example.source}\n\n[target]\n{example.target}")


def _library(folders: list[Path] | None, config: str | None) -> PromptLibrary:
    from p5rec.prompting.library import PromptLibrary

    return PromptLibrary.load(extra=[*(folders or []), *(_named(config) if config else [])])


def _named(name: str) -> list[Path]:
    """The further prompt folders of a recipe's methods, relative to the working directory."""
    from p5rec.core.config import bind, compose, read_tree
    from p5rec.core.recipes import config_path
    from p5rec.prompting.source import PromptsConfig

    config = config_path(name)
    tree, lines = read_tree(config)
    schema = compose("Methods", prompts=(PromptsConfig, PromptsConfig()))
    methods = tree.get("methods") or {}
    if not isinstance(methods, dict):
        raise input_error(lines[("methods",)], "a mapping", repr(methods), "write `name: {...}`")
    folders: dict[str, None] = {}
    for key, method in methods.items():
        has_prompts = isinstance(method, dict) and "prompts" in method
        own = {"prompts": method["prompts"]} if has_prompts else {}
        inner = {at[2:]: line for at, line in lines.items() if at[:2] == ("methods", key)}
        read: Any = bind(schema, own, inner, config)
        folders |= dict.fromkeys(read.prompts.folders)
    return [Path(folder) for folder in folders]
