"""``p5rec run``: runs a recipe with a shipped config or the user's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from p5rec.core.errors import UserError
from p5rec.core.recipes import RECORD, config_path, load, shipped

from .options import CONFIG, changes, spread

app = typer.Typer(add_completion=False, rich_markup_mode=None)

ConfigFile = Annotated[str, typer.Option(help=f"{CONFIG}.")]


@dataclass(frozen=True)
class Options:
    """The output folder of a run, and options for its config."""

    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report, lists and models. Default: runs/<config's name>."),
    ] = None
    show: Annotated[
        bool, typer.Option("--show", help="Print the complete config, defaults included, and exit.")
    ] = False
    permute: Annotated[
        list[str] | None,
        typer.Option(
            help="Permutation control: randomly permute a signal (ids, text, history, targets or "
            "weights; several with commas), to test whether it explains a gain. The run's name is "
            "<name>-permute-<signals>."
        ),
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Stages computed in parallel, each in a process of one thread. 1: one after "
            "another, with all threads. Default: as many as cores and memory allow.",
        ),
    ] = None
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the run of another config in the output folder."),
    ] = False


@app.command()
@spread
def run(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe (sft), one of its configs (quickstart, tiny), your own YAML, or a run's "
            "folder, to run its config again."
        ),
    ] = "",
    overrides: Annotated[
        list[str] | None, changes("methods.small.train.steps=200 data.split=time")
    ] = None,
    config: ConfigFile = "",
    *,
    options: Options,
) -> None:
    """Run a recipe: from an interaction log to a report, ranked lists and models.

    Without a recipe, the command lists the shipped ones. Every stage is cached and runs again only
    if its inputs have changed; an interrupted training resumes. The same config, edited or with
    other KEY=VALUE, updates its run's folder; the run of another config is replaced with --force
    only.
    """
    if not recipe:
        for name, configs in shipped().items():
            print(f"{name}: {', '.join(sorted(configs))}")
        return
    script, path = resolve(recipe, config)
    execute(script, path, overrides or [], options)


def main(script: str) -> None:
    """Runs a recipe file as a script: ``recipes/sft.py --config X [key=value ...]``."""
    from .main import guarded

    command = typer.Typer(add_completion=False)

    @command.command()
    @spread
    def _(
        config: ConfigFile,
        options: Options,
        overrides: Annotated[list[str] | None, changes("key.sub=value")] = None,
    ) -> None:
        execute(Path(script), config_path(config), overrides or [], options)

    guarded(command)


def resolve(recipe: str, config: str) -> tuple[Path, Path]:
    """The recipe's script and the path of its config."""
    from p5rec.core.paths import assets

    known = shipped()
    if recipe in known and not config:
        names = ", ".join(sorted(known[recipe]))
        raise UserError(
            f"recipe {recipe!r}: expected --config, got none; name a YAML file or one of {names}"
        )
    owner = next((name for name, configs in known.items() if recipe in configs), None)
    if recipe not in known and config:
        raise UserError(
            f"expected a recipe with --config, got {recipe!r}; "
            f"write p5rec run {owner or next(iter(known))} --config {config}"
        )
    path = config_path(config or recipe, also=() if config else known)
    if recipe not in known and owner is None and len(known) > 1:
        ways = " or ".join(f"p5rec run {name} --config {recipe}" for name in known)
        raise UserError(f"expected the recipe of the config, got {recipe!r} alone; {ways}")
    name = recipe if recipe in known else owner or next(iter(known))
    return assets("recipes") / f"{name}.py", path


def execute(script: Path, path: Path, overrides: Sequence[str], options: Options) -> None:
    """Runs the recipe of ``script`` with the config in ``path``."""
    from p5rec.core.artefacts import Store, writing
    from p5rec.core.atomic import atomic_write
    from p5rec.core.config import bind, dump_yaml, locating, read_tree
    from p5rec.core.launch import rank
    from p5rec.core.paths import cache_home
    from p5rec.methods.plugins import load_configured

    from .outputs import check_folder
    from .permute import permuted, signals_of
    from .runs import check_same, made_from

    signals = signals_of(options.permute or [])
    tree, lines = read_tree(path, overrides)
    load_configured(tree, lines, path, needed=True)
    module = load(script)
    cfg: Any = bind(module.SCHEMA, {"name": _plain(path.stem), **tree}, lines, path)
    cfg = module.settle(cfg, lines)
    if not options.show:
        with locating(lines):
            module.check(cfg, lines)
    cfg = bind(module.SCHEMA, permuted(cfg.dump(), signals), lines, path)
    if options.show:
        print(dump_yaml(cfg), end="")
        return
    folder = options.out or Path("runs") / cfg.name
    if not rank():  # only rank 0 writes files
        check_folder(folder)
        if not options.force:
            check_same(folder, path, cfg)
    origin = made_from(path, folder, cfg)
    store = Store(cache_home() / "store")
    with locating(lines):
        module.main(cfg, store, folder, options.jobs)
    if not store.rank:
        with writing(folder), atomic_write(folder / RECORD) as handle:
            handle.write(origin + dump_yaml(cfg))
        store.note_run(folder)


def _plain(stem: str) -> str:
    """The name of a run from the name of its config's file: ``my run`` as ``my-run``."""
    return re.sub(r"^\W+|[^\w.-]+", "-", stem).lstrip(".-") or "run"
