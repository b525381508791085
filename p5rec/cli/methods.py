"""``p5rec methods``: checks the user's own methods."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def methods() -> None:
    """Check a method of your own against the contract of all methods."""


@app.command()
def check(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="A plugin (a Python file or a module that defines methods), or a kind of method.",
        ),
    ],
) -> None:
    """Check methods against the contract that p5rec's own baselines keep.

    The command fits each method with its first settings to a small synthetic log, saves and loads
    it, and queries it. It prints a line for each rule, and exits with code 2 if one is broken. The
    method must be fitted to the data alone.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from p5rec.core.errors import UserError
    from p5rec.methods.contract import check_contract, contract_data
    from p5rec.methods.plugins import load_plugins
    from p5rec.methods.registry import METHODS

    plugins = [name for name in names if name not in METHODS]
    kinds = [*(name for name in names if name in METHODS), *load_plugins(*plugins)]
    corpus, errors = contract_data(), []
    for kind in dict.fromkeys(kinds):
        with TemporaryDirectory() as root:
            found = check_contract(METHODS.get(kind)(), corpus, Path(root))
        for rule, broken in found.items():
            print(f"{kind}: {'broken' if broken else 'holds'}: {rule}")
            errors += [f"{kind}: expected that {rule}, got: {line}" for line in broken]
    if errors:
        raise UserError(*(f"{line}; fix the method" for line in errors))
