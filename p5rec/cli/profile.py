"""``p5rec profile``: what is known about a user, to read, search, write, edit and delete."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from p5rec.core.errors import UserError
from p5rec.core.terminal import printable

app = typer.Typer(add_completion=False, rich_markup_mode=None)
SHOWN = 5  # items of a fact that are printed


@app.command()
def profile(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    user: Annotated[str, typer.Option(help="External id of the user.")],
    query: Annotated[
        str | None, typer.Option(help="Print the facts nearest to this sentence only.")
    ] = None,
    add: Annotated[
        str | None, typer.Option(help='Write a sentence: "no horror", "more comedy".')
    ] = None,
    edit: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FACT TEXT", help="Replace a fact, by its id, by a sentence."),
    ] = None,
    delete: Annotated[str | None, typer.Option(metavar="FACT", help="Delete a fact.")] = None,
) -> None:
    """Print the profile of a user, after a change if an option names one.

    Each line has the id of a fact, the fact, and the items of the events that it comes from.
    Sentences are stored beside the run, in RUN.people, and move the lists of
    `recommend(profiles=...)` and of `p5rec mcp`. `p5rec forget` deletes them with the person.
    """
    changes = [
        name for name, one in (("--add", add), ("--edit", edit), ("--delete", delete)) if one
    ]
    if len(changes) > 1:
        raise UserError(f"expected one change, got {' and '.join(changes)}; make them one by one")
    from p5rec.api.dataset import Dataset
    from p5rec.api.frames import to_polars
    from p5rec.api.profiles import COLUMNS, Profiles

    profiles = Profiles(Dataset.from_config(run), run)
    if add:
        print(printable(str(profiles.add(user, add))), file=sys.stderr)
    elif edit:
        print(printable(str(profiles.edit(user, *edit))), file=sys.stderr)
    elif delete:
        profiles.delete(user, delete)
    found = profiles.of(user) if query is None else profiles.find(user, query)
    rows = to_polars(found, "profile", COLUMNS).to_dicts()
    if not rows:
        print("no facts")
    for row in rows:
        items = ", ".join(row["items"][:SHOWN])
        more = ", ..." if len(row["items"]) > SHOWN else ""
        events = f" (items {items}{more})" if items else " (written by the person)"
        print(printable(f"{row['fact']}  {row['text']}{events}"))
