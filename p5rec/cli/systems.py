"""``p5rec systems``: lists the systems with their rungs of the acceptance ladder."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def systems(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="One system: its claims with their intervals."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the systems of papers, and what was measured of each.

    A system has up to four rungs. G0: exact facts hold. G1: an effect planted in synthetic data is
    found, and none in null data. G2: on real data the system beats a control that lacks its
    mechanism. G3: it beats the baseline of its paper. "no": it does not. "open": the interval
    contains 0. "-": not measured.
    """
    from p5rec.core.errors import UserError, did_you_mean
    from p5rec.report import systems

    found = systems.entries()
    if name is not None:
        names = [entry["system"] for entry in found]
        if name not in names:
            raise UserError(f"expected a system, got {name!r}; {did_you_mean(name, names)}")
        found = [entry for entry in found if entry["system"] == name]
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    elif name is not None:
        print(systems.details(found[0]))
    else:
        print(systems.table(found))
