"""What recipes and configs are shipped, and a config found by what a user calls it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import UserError, did_you_mean, fault
from .paths import assets

YAML = (".yaml", ".yml")
RECORD = "config.yaml"  # the whole config of a run, in its folder


def shipped() -> dict[str, dict[str, Path]]:
    """Recipe → the configs shipped for it."""
    folder = assets("recipes")
    return {
        script.stem: {p.stem: p for p in (folder / "configs" / script.stem).glob("*.yaml")}
        for script in sorted(folder.glob("*.py"))
    }


def config_path(name: str | Path, beside: Path = Path(), also: Iterable[str] = ()) -> Path:
    """The YAML that ``name`` means.

    Args:
        name: a YAML file, the name of a shipped config, or the folder of a run, whose config is
            meant.
        beside: the folder that relative paths are seen from.
        also: further words that may have been meant, for the hint.

    Raises:
        UserError: it is none of them.
    """
    word, place = str(name), beside / Path(name).expanduser()
    if place.suffix in YAML and not place.is_dir():
        return place
    known = {config: path for configs in shipped().values() for config, path in configs.items()}
    if word in known:
        return known[word]
    if (place / RECORD).is_file():
        return place / RECORD
    if place.is_dir():
        raise fault(
            place, f"a run's folder, which holds {RECORD}", "a folder without",
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
        raise fault(script, "a recipe", "a file that cannot be read", "check the path")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where its annotations are looked up
    spec.loader.exec_module(module)
    return module
