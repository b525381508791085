"""``p5rec run``: a recipe by name, with a config of its own or of the user's."""

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
    """Where a run's results go, and what is done with its config."""

    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report, lists and models; default: runs/<config's name>."),
    ] = None
    show: Annotated[
        bool, typer.Option("--show", help="Print the whole config, defaults included, and stop.")
    ] = False
    permute: Annotated[
        list[str] | None,
        typer.Option(
            help="Deal one signal out at random, its control: ids, text, history, answers or "
            "weights; several with commas. The run is called <name>-permute-<signals>."
        ),
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Stages made in parallel, each by a process of one thread; 1: one after another, "
            "in all threads. Default: as many as cores and memory allow.",
        ),
    ] = None
    force: Annotated[
        bool,
        typer.Option("--force", help="Write into the folder of a run of another config, too."),
    ] = False


@app.command()
@spread
def run(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe (sft), one of its configs (quickstart, tiny), a YAML of your own, or a "
            "run's folder, whose config is run again."
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

    Without a recipe, lists what is shipped. Every stage is kept in the cache and made again only
    if something it depends on has changed; an interrupted training goes on where it stopped. The
    folder of a run is brought up to date by its own config, edited or with other KEY=VALUE; the
    run of another config is not replaced without --force.
    """
    if not recipe:
        for name, configs in shipped().items():
            print(f"{name}: {', '.join(sorted(configs))}")
        return
    script, path = resolve(recipe, config)
    execute(script, path, overrides or [], options)


def main(script: str) -> None:
    """A recipe file started as a script: ``recipes/sft.py --config X [key=value ...]``."""
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
    """The recipe's script and the config to run it with."""
    from p5rec.core.paths import assets

    known = shipped()
    if recipe in known and not config:
        names = ", ".join(sorted(known[recipe]))
        raise UserError(
            f"recipe {recipe!r}: expected --config, got none; give a YAML file or one of {names}"
        )
    owner = next((name for name, configs in known.items() if recipe in configs), None)
    if recipe not in known and config:
        raise UserError(
            f"expected a recipe beside --config, got {recipe!r}; "
            f"write p5rec run {owner or next(iter(known))} --config {config}"
        )
    path = config_path(config or recipe, also=() if config else known)
    if recipe not in known and owner is None and len(known) > 1:
        ways = " or ".join(f"p5rec run {name} --config {recipe}" for name in known)
        raise UserError(f"expected the recipe beside a config, got {recipe!r} alone; {ways}")
    name = recipe if recipe in known else owner or next(iter(known))
    return assets("recipes") / f"{name}.py", path


def execute(script: Path, path: Path, overrides: Sequence[str], options: Options) -> None:
    """Runs the recipe of ``script`` with the config in ``path``."""
    from p5rec.core.artefacts import Store, atomic_write, writing
    from p5rec.core.config import bind, dump_yaml, read_tree
    from p5rec.core.launch import rank
    from p5rec.core.paths import cache_home

    from .outputs import check_folder
    from .permute import permuted, signals_of
    from .runs import check_same, made_from

    signals = signals_of(options.permute or [])
    tree, lines = read_tree(path, overrides)
    module = load(script)
    cfg: Any = bind(module.SCHEMA, {"name": _plain(path.stem), **tree}, lines, path)
    cfg = module.settle(cfg, lines)
    if not options.show:
        module.check(cfg, lines)
    cfg = bind(module.SCHEMA, permuted(cfg.dump(), signals), lines, path)
    if options.show:
        print(dump_yaml(cfg), end="")
        return
    folder = options.out or Path("runs") / cfg.name
    if not rank():  # the others write nothing
        check_folder(folder)
        if not options.force:
            check_same(folder, path, cfg)
    origin = made_from(path, folder, cfg)
    store = Store(cache_home() / "store")
    module.main(cfg, store, folder, options.jobs)
    if not store.rank:
        with writing(folder), atomic_write(folder / RECORD) as handle:
            handle.write(origin + dump_yaml(cfg))
        store.published(folder)


def _plain(stem: str) -> str:
    """What a run is called after a config's file: ``my run`` as ``my-run``."""
    return re.sub(r"^\W+|[^\w.-]+", "-", stem).lstrip(".-") or "run"
