"""``p5rec run``: a recipe by name, with a config of its own or of the user's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from p5rec.core.errors import UserError, did_you_mean, fault

app = typer.Typer(add_completion=False)


@app.command()
def run(
    recipe: Annotated[
        str, typer.Argument(help="A recipe (sft) or one of its configs (quickstart).")
    ] = "",
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key.sub=value, on top of the config.")
    ] = None,
    config: Annotated[str, typer.Option(help="A YAML file, or the name of a shipped config.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where results go [runs/<config>].")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the whole config and stop.")] = False,
) -> None:
    """Run a recipe: from an interaction log to a report and ranked lists.

    Without a recipe, lists what is shipped.
    """
    if not recipe:
        for name, configs in shipped().items():
            print(f"{name}: {', '.join(sorted(configs))}")
        return
    script, path = _resolve(recipe, config)
    _run(script, path, overrides or [], out, show)


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
    ) -> None:
        path, name = Path(script), Path(script).stem
        _run(path, _config(name, config), overrides or [], out, False)

    guarded(command)


def _resolve(recipe: str, config: str) -> tuple[Path, Path]:
    """The recipe's script and the config to run it with."""
    from p5rec.core.paths import assets

    known = shipped()
    if recipe in known:
        if not config:
            raise UserError(
                f"recipe {recipe!r}: expected --config, got none; give a YAML file or one of "
                + ", ".join(sorted(known[recipe]))
            )
        return assets("recipes") / f"{recipe}.py", _config(recipe, config)
    for name, configs in known.items():
        if recipe in configs and not config:
            return assets("recipes") / f"{name}.py", configs[recipe]
    words = [*known, *(c for configs in known.values() for c in configs)]
    raise UserError(f"expected a recipe or a config, got {recipe!r}; {did_you_mean(recipe, words)}")


def _config(recipe: str, config: str) -> Path:
    path = Path(config)
    if path.suffix in (".yaml", ".yml"):
        return path
    known = shipped()[recipe]
    if config not in known:
        raise fault(
            f"recipe {recipe!r}", "a YAML file or a shipped config", repr(config),
            did_you_mean(config, known),
        )  # fmt: skip
    return known[config]


def _run(script: Path, path: Path, overrides: list[str], out: Path | None, show: bool) -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    from p5rec.core.artefacts import Store, atomic_write
    from p5rec.core.config import bind, dump_yaml, read_tree
    from p5rec.core.paths import cache_home

    tree, lines = read_tree(path, overrides)
    spec = spec_from_file_location(f"p5rec_recipe_{script.stem}", script)
    if spec is None or spec.loader is None:
        raise fault(script, "a recipe", "a file that cannot be read", "check the path")
    module: Any = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    cfg: Any = bind(module.SCHEMA, {"name": path.stem, **tree}, lines, path)
    if show:
        print(dump_yaml(cfg), end="")
        return
    folder = out or Path("runs") / cfg.name
    store = Store(cache_home() / "store")
    if not store.rank:
        with atomic_write(folder / "config.yaml") as handle:
            handle.write(dump_yaml(cfg))
    module.main(cfg, store, folder)
