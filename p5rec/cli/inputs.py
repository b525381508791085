"""Inputs of several commands: a recipe's config, its data through the cache, and a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p5rec.core.errors import UserError
from p5rec.core.recipes import RECORD, config_path

if TYPE_CHECKING:
    from p5rec.core.artefacts import Artefact, Store
    from p5rec.core.types import Corpus


def config_beside(model: Path | None, config: str | None) -> Path:
    """The named config, or that of the run of ``model``.

    Raises:
        UserError: there is neither.
    """
    if config:
        return config_path(config)
    record = model.absolute().parent.parent / RECORD if model else None
    if record is None or not record.is_file():
        where = f" with a model outside of a run's folder ({model})" if model else ""
        raise UserError(
            f"expected --config, got none{where}; name a YAML file, a run's folder or a shipped "
            "config"
        )
    return record


def chosen_section(known: Collection[str], name: str, section: str) -> str:
    """The section that ``--name`` names; the only one without a name.

    Raises:
        UserError: there is no such section, or there are several and no name.
    """
    if name in known:
        return name
    if not name and len(known) == 1:
        return next(iter(known))
    got = repr(name) if name else "none"
    todo = f"name one of {', '.join(known)}" if known else f"add a section {section}"
    raise UserError(f"--name: expected one of the recipe's {section}, got {got}; {todo}")


def check_tables(*paths: Path | None) -> None:
    """Checks that the table files among ``paths`` exist and have a known format.

    Raises:
        UserError: one line for each invalid file.
    """
    from p5rec.core.errors import all_of
    from p5rec.data.files import existing, kind

    named = [path for path in paths if path is not None]
    all_of(*(partial(lambda path: kind(existing(path)), path) for path in named))


def check_model(model: Path | None, ids: Path | None = None) -> None:
    """Checks the manifests of a fitted method in ``model`` and of codes in ``ids``.

    Raises:
        UserError: one line for each invalid folder.
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
    """A recipe's ``data`` and ``seed``, and the prepared data, from the cache where possible."""
    return read_prepared(config, overrides, evaluable=evaluable)[:2]


def read_prepared(
    config: str | Path, overrides: Sequence[str] = (), *, evaluable: bool = True, **sections: Any
) -> tuple[Any, Corpus, Artefact, Store]:
    """Sections of a recipe, the prepared data with its artefact, and the store.

    Args:
        config: the recipe's config.
        overrides: ``key=value`` overrides.
        evaluable: refuse data without a test user.
        **sections: further sections, name → (type, default).
    """
    from p5rec.core.artefacts import Store
    from p5rec.core.paths import cache_home
    from p5rec.data.prepare import load_corpus, prepare_data

    read = read_sections(config, overrides, **sections)
    store = Store(cache_home() / "store", notify=lambda _: None)
    data = prepare_data(read.data, store, evaluable=evaluable)
    return read, load_corpus(data.path), data, store


def read_sections(config: str | Path, overrides: Sequence[str] = (), **sections: Any) -> Any:
    """A recipe's ``data``, ``seed`` and further sections, with a check of its files.

    The plugins that the recipe names are imported.
    """
    from p5rec.core.config import bind, compose, read_tree
    from p5rec.data.config import DataConfig
    from p5rec.data.prepare import check_files
    from p5rec.methods.plugins import load_configured

    schema = compose("Read", data=DataConfig, seed=(int, 0), **sections)
    path = config_path(config)
    tree, lines = read_tree(path, overrides)
    load_configured(tree, lines, path, needed="methods" in sections)
    own = {name: tree[name] for name in schema.model_fields if name in tree}
    read: Any = bind(schema, own, lines, path)
    check_files(read.data)
    return read
