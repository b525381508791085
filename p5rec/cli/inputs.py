"""What several commands read: a recipe's corpus through the cache, and a model that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p5rec.core.errors import UserError
from p5rec.core.recipes import RECORD, config_path

if TYPE_CHECKING:
    from p5rec.core.artefacts import Artefact, Store
    from p5rec.core.types import Corpus


def config_beside(model: Path | None, config: str | None) -> Path:
    """The config that is named, or that of the run which ``model`` lies in.

    Raises:
        UserError: neither is there.
    """
    if config:
        return config_path(config)
    found = model.absolute().parent.parent / RECORD if model else None
    if found is None or not found.is_file():
        beside = f" beside a model that lies in no run's folder ({model})" if model else ""
        raise UserError(
            f"expected --config, got none{beside}; name a YAML file, a run's folder or a shipped "
            "config"
        )
    return found


def check_tables(*paths: Path | None) -> None:
    """Whether the table files among ``paths`` are there and of a kind that is read.

    Raises:
        UserError: a line for each that is not.
    """
    from p5rec.core.errors import all_of
    from p5rec.data.files import existing, kind

    named = [path for path in paths if path is not None]
    all_of(*(partial(lambda path: kind(existing(path)), path) for path in named))


def check_model(model: Path | None, ids: Path | None = None) -> None:
    """Whether ``model`` holds a fitted method and ``ids`` codes, as far as their manifests tell.

    Raises:
        UserError: a line for each that does not.
    """
    from p5rec.core.errors import all_of
    from p5rec.ids.files import read_manifest
    from p5rec.methods.folder import check_fitted

    all_of(
        *([partial(check_fitted, model)] if model else []),
        *([partial(read_manifest, ids)] if ids else []),
    )


def read_recipe(
    config: str | Path, overrides: Sequence[str] = (), *, evaluable: bool = True
) -> tuple[Any, Corpus]:
    """A recipe's ``data`` and ``seed``, and the prepared data, made now unless it is cached."""
    return read_prepared(config, overrides, evaluable=evaluable)[:2]


def read_prepared(
    config: str | Path, overrides: Sequence[str] = (), *, evaluable: bool = True, **sections: Any
) -> tuple[Any, Corpus, Artefact, Store]:
    """The same with further sections of the recipe, the data's artefact, and the store.

    Args:
        evaluable: refuse data of which nobody can be evaluated.
    """
    from p5rec.core.artefacts import Store
    from p5rec.core.paths import cache_home
    from p5rec.data.prepare import load_corpus, prepare_data

    read = read_sections(config, overrides, **sections)
    store = Store(cache_home() / "store", say=lambda _: None)
    data = prepare_data(read.data, store, evaluable=evaluable)
    return read, load_corpus(data.path), data, store


def read_sections(config: str | Path, overrides: Sequence[str] = (), **sections: Any) -> Any:
    """A recipe's ``data``, ``seed`` and further sections; its files are there."""
    from p5rec.core.config import bind, compose, read_tree
    from p5rec.data.config import DataConfig
    from p5rec.data.prepare import check_files

    schema = compose("Read", data=DataConfig, seed=(int, 0), **sections)
    path = config_path(config)
    tree, lines = read_tree(path, overrides)
    own = {name: tree[name] for name in schema.model_fields if name in tree}
    read: Any = bind(schema, own, lines, path)
    check_files(read.data)
    return read
