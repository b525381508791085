"""The shipped recipes and configs, and the lookup of a config by name, file or run folder."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import UserError, did_you_mean, input_error
from .paths import assets

YAML = (".yaml", ".yml")
BARE = "hybrid"  # the shipped config to start from with users, items and times alone
FOLDERS = {"sft": ("systems",)}  # recipe → further folders of its configs
RECORD = "config.yaml"  # the full config of a run, in its folder


def shipped() -> dict[str, dict[str, Path]]:
    """Recipe → name → path of each shipped config.

    Raises:
        UserError: the installation lacks its recipes.
    """
    folder = assets("recipes")
    scripts = sorted(folder.glob("*.py"))
    if not scripts:
        raise input_error(
            folder, "the shipped recipes", "none",
            "install p5rec with pip, or copy `recipes` and `prompts` beside the package",
        )  # fmt: skip
    return {
        script.stem: {
            p.stem: p for name in (script.stem, *FOLDERS.get(script.stem, ()))
            for p in sorted((folder / "configs" / name).glob("*.yaml"))
        }
        for script in scripts
    }  # fmt: skip


def config_path(name: str | Path, beside: Path = Path(), also: Iterable[str] = ()) -> Path:
    """The YAML file that ``name`` refers to.

    Args:
        name: a YAML file, the name of a shipped config, or the folder of a run.
        beside: the folder that relative paths start from.
        also: further valid names, for the hint.

    Raises:
        UserError: ``name`` is none of them.
    """
    word, path = str(name), beside / Path(name).expanduser()
    if path.suffix in YAML and not path.is_dir():
        return path
    known = {config: file for configs in shipped().values() for config, file in configs.items()}
    if word in known:
        return known[word]
    if (path / RECORD).is_file():
        return path / RECORD
    if path.is_dir():
        raise input_error(
            path, f"a run's folder, which holds {RECORD}", "a folder without",
            "name a YAML file, a run's folder or a shipped config",
        )  # fmt: skip
    raise UserError(
        f"expected a config (a YAML file, a shipped config's name or a run's folder), got "
        f"{word!r}; {did_you_mean(word, [*known, *also])}"
    )


def load(script: Path) -> Any:
    """A recipe's module: ``SCHEMA``, ``settle``, ``check`` and ``main(cfg, store, out, jobs)``."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(f"p5rec_recipe_{script.stem}", script)
    if spec is None or spec.loader is None:
        raise input_error(script, "a recipe", "a file that cannot be read", "check the path")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # to resolve annotations of the recipe's classes
    spec.loader.exec_module(module)
    return module
