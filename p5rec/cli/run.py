"""``p5rec run``: a recipe by name, with a config of its own or of the user's."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from p5rec.core.errors import UserError, did_you_mean, fault

app = typer.Typer(add_completion=False, rich_markup_mode=None)

YAML = (".yaml", ".yml")
Permute = Annotated[
    list[str] | None,
    typer.Option(
        help="Deal one signal out at random, its control: ids, text, history, answers or "
        "weights; several with commas. The run is called <name>-permute-<signals>."
    ),
]


@app.command()
def run(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe (sft), one of its configs (quickstart, tiny), or a YAML of your own."
        ),
    ] = "",
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="On top of the config: methods.small.train.steps=200 data.split=time.",
        ),
    ] = None,
    config: Annotated[
        str, typer.Option(help="A YAML file of your own, or the name of a shipped config.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report, lists and models; default: runs/<config's name>."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the whole config, defaults included, and stop.")
    ] = False,
    permute: Permute = None,
) -> None:
    """Run a recipe: from an interaction log to a report, ranked lists and models.

    Without a recipe, lists what is shipped. Every stage is kept in the cache and made again only
    if something it depends on has changed; an interrupted training goes on where it stopped.
    """
    if not recipe:
        for name, configs in shipped().items():
            print(f"{name}: {', '.join(sorted(configs))}")
        return
    script, path = resolve(recipe, config)
    _run(script, path, overrides or [], out, show, permute or [])


def shipped() -> dict[str, dict[str, Path]]:
    """Recipe → the configs shipped for it."""
    from p5rec.core.paths import assets

    folder = assets("recipes")
    return {
        script.stem: {p.stem: p for p in (folder / "configs" / script.stem).glob("*.yaml")}
        for script in sorted(folder.glob("*.py"))
    }


def main(script: str) -> None:
    """A recipe file started as a script: ``recipes/sft.py --config X [key=value ...]``."""
    from .main import guarded

    command = typer.Typer(add_completion=False)

    @command.command()
    def _(
        config: Annotated[str, typer.Option(help="A YAML file or a shipped config's name.")],
        overrides: Annotated[list[str] | None, typer.Argument(help="key.sub=value")] = None,
        out: Annotated[Path | None, typer.Option(help="Where results go.")] = None,
        permute: Permute = None,
    ) -> None:
        path, name = Path(script), Path(script).stem
        _run(path, _config(name, config), overrides or [], out, False, permute or [])

    guarded(command)


def resolve(recipe: str, config: str) -> tuple[Path, Path]:
    """The recipe's script and the config to run it with."""
    from p5rec.core.paths import assets

    known = shipped()
    if Path(recipe).suffix in YAML and not config:
        if len(known) > 1:
            ways = " or ".join(f"p5rec run {name} --config {recipe}" for name in known)
            raise UserError(f"expected the recipe beside a config, got {recipe!r} alone; {ways}")
        return assets("recipes") / f"{next(iter(known))}.py", Path(recipe)
    owner = next((name for name, configs in known.items() if recipe in configs), None)
    if recipe not in known and owner is None:
        words = [*known, *(c for configs in known.values() for c in configs)]
        hint = did_you_mean(recipe, words)
        raise UserError(f"expected a recipe or a config, got {recipe!r}; {hint}")
    if recipe in known and not config:
        names = ", ".join(sorted(known[recipe]))
        raise UserError(
            f"recipe {recipe!r}: expected --config, got none; give a YAML file or one of {names}"
        )
    if recipe not in known and config:
        raise UserError(
            f"expected a recipe beside --config, got the config {recipe!r}; "
            f"write p5rec run {owner} --config {config}"
        )
    name = recipe if recipe in known else str(owner)
    return assets("recipes") / f"{name}.py", _config(name, config or recipe)


def _config(recipe: str, config: str) -> Path:
    path = Path(config)
    if path.suffix in YAML:
        return path
    known = shipped()[recipe]
    if config not in known:
        raise fault(
            f"recipe {recipe!r}", "a YAML file or a shipped config", repr(config),
            did_you_mean(config, known),
        )  # fmt: skip
    return known[config]


def _run(
    script: Path,
    path: Path,
    overrides: list[str],
    out: Path | None,
    show: bool,
    permute: list[str],
) -> None:
    from p5rec.core.artefacts import Store, atomic_write, writing
    from p5rec.core.config import bind, dump_yaml, read_tree
    from p5rec.core.paths import cache_home

    from .permute import permuted, signals_of

    signals = signals_of(permute)
    tree, lines = read_tree(path, overrides)
    module = load(script)
    cfg: Any = bind(module.SCHEMA, {"name": _plain(path.stem), **tree}, lines, path)
    cfg = bind(module.SCHEMA, permuted(cfg.dump(), signals), lines, path)
    if show:
        print(dump_yaml(cfg), end="")
        return
    folder = out or Path("runs") / cfg.name
    store = Store(cache_home() / "store")
    module.main(cfg, store, folder)
    if not store.rank:
        with writing(folder), atomic_write(folder / "config.yaml") as handle:
            handle.write(dump_yaml(cfg))
        store.published(folder)


def _plain(stem: str) -> str:
    """What a run is called after a config's file: ``my run`` as ``my-run``."""
    return re.sub(r"^\W+|[^\w.-]+", "-", stem).lstrip(".-") or "run"


def load(script: Path) -> Any:
    """A recipe's module: its ``SCHEMA`` and its ``main(cfg, store, out)``."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(f"p5rec_recipe_{script.stem}", script)
    if spec is None or spec.loader is None:
        raise fault(script, "a recipe", "a file that cannot be read", "check the path")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations of the recipe's classes are looked up there
    spec.loader.exec_module(module)
    return module
