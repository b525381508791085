"""The data stage: a corpus on disk, and back as memory-mapped arrays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import pyarrow as pa

from p5rec.core.artefacts import (
    Artefact,
    Lineage,
    Store,
    digest,
    file_sha256,
    read_json,
    write_json,
    writing,
)
from p5rec.core.errors import all_of, input_error
from p5rec.core.features import Behaviours, Categories, Users
from p5rec.core.types import Catalog, Corpus, Interactions, Split

from .build import build, check_evaluable
from .config import DataConfig
from .event_columns import BEHAVIOUR, CONTEXT, LABEL
from .fetch import WHEELS
from .files import existing, shards
from .items import item_file
from .rawlog import TEXTS, Source
from .reading import forgotten_in
from .registry import SOURCES
from .tombstones import Tombstones
from .users import user_file

SUMMARY = "summary.json"
COLUMNS = "columns.json"
PROFILE = "profile"
ARRAYS = ("user", "item", "time", "rating", "basket", "split", PROFILE, LABEL, BEHAVIOUR)


def input_digests(config: DataConfig) -> dict[str, str]:
    """SHA-256 of every input file, by its role (``events``, ``items``, ``users``).

    Shards of a folder are named ``events/part-0.csv``.

    Raises:
        UserError: a file is missing.
    """
    source: Source = SOURCES.get(config.source)
    digests: dict[str, str] = {}
    for role, path in source.files(config).items():
        if path.is_dir():
            digests |= {f"{role}/{file.name}": file_sha256(file) for file in shards(path)}
        else:
            digests[role] = file_sha256(path)
    return digests


def check_files(config: DataConfig) -> None:
    """Checks that the input files exist, without reading them; it fetches nothing.

    Raises:
        UserError: a line for each file that is missing.
    """
    if config.parts:
        all_of(*(partial(check_files, part) for part in config.leaves.values()))
        return
    source: Source = SOURCES.get(config.source)
    fetched = config.path in WHEELS
    all_of(
        *(() if fetched else (partial(source.files, config),)),
        partial(item_file, config),
        partial(user_file, config),
    )


def prepare_data(config: DataConfig, store: Store, *, evaluable: bool = True) -> Artefact:
    """The data stage: the corpus, read, checked, sorted and split.

    An input file inside ``store`` counts as the stage that wrote it, so that stage stays in use.

    Raises:
        UserError: see :func:`build`.
    """
    inputs: dict[str, Artefact | str] = {**input_digests(config)}
    for role, path in SOURCES.get(config.source).files(config).items():
        if (artefact := store.artefact_of(path)) is not None:
            inputs[role] = artefact
    data = store.stage(
        "data",
        partial(prepare, config, evaluable=evaluable),
        config=config.dump() | _forgotten(config, store, inputs),
        code=(prepare, *map(SOURCES.target, _sources(config))),
        inputs=inputs,
    )
    if evaluable:  # the cached stage may come from a command that does not evaluate
        check_evaluable(read_json(data.path / SUMMARY), Path(config.path or config.source))
    return data


def _forgotten(
    config: DataConfig, store: Store, inputs: Mapping[str, Artefact | str]
) -> dict[str, str]:
    """The part of the data stage's config that names forgotten events; empty if there are none.

    A stage of its own, so files are not read for it again while they and the tombstones stay.
    """
    marks = Tombstones.read().marks
    if not len(marks):
        return {}

    def find(out: Path) -> Lineage:
        write_json(out / SUMMARY, forgotten_in(config))
        return Lineage.none()

    found = store.quiet().stage(
        "forgotten",
        find,
        config={**config.dump(), "tombstones": digest(marks.tolist())},
        code=(forgotten_in, *map(SOURCES.target, _sources(config))),
        inputs=inputs,
    )
    digest_of_marks: str = read_json(found.path / SUMMARY)
    return {"forgotten": digest_of_marks} if digest_of_marks else {}


def _sources(config: DataConfig) -> list[str]:
    return [config.source, *sorted({part.source for part in config.parts.values()})]


def prepare(config: DataConfig, out: Path, *, evaluable: bool = True) -> Lineage:
    """Writes the corpus into the folder ``out``: three ``datasets`` data sets, the keys of
    users and items, the values of categorical columns, and a summary.

    Returns:
        An empty lineage: preparation defines the events and fits nothing to them.

    Raises:
        UserError: see :func:`build`; then nothing is written.
    """
    _write(*build(config, evaluable=evaluable), out)
    return Lineage.none()


def prepare_folder(config: DataConfig, out: Path) -> None:
    """:func:`prepare` into a new folder, atomically.

    Raises:
        UserError: ``out`` exists or is not writable, or see :func:`prepare`.
    """
    if out.exists():
        raise input_error(out, "a new folder", "one that exists", "name another or remove it")
    corpus, summary = build(config)
    work = out.with_name(f".{out.name}.{token_hex(4)}.work")
    with writing(out):
        try:
            work.mkdir(parents=True)
            _write(corpus, summary, work)
            os.replace(work, out)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def load_corpus(path: Path) -> Corpus:
    """The corpus in a prepared folder; its arrays are views of the memory-mapped files.

    Raises:
        UserError: the folder has no prepared data.
    """
    if not (existing(path) / SUMMARY).is_file():
        raise input_error(
            path, "prepared data", f"no {SUMMARY}", "create it with `p5rec data prepare`"
        )
    summary = read_json(path / SUMMARY)
    events, items, users = (_load(path / name) for name in ("events", "items", "users"))
    views = {name: _view(events, name) for name in ARRAYS if name in events.column_names}
    columns = read_json(path / COLUMNS)
    numbers = {name: _view(events, CONTEXT + name) for name in columns["context"]}
    interactions = Interactions(
        users=views["user"],
        items=views["item"],
        times=views["time"],
        ratings=views.get("rating"),
        user_keys=_load_keys(path / "user_keys.npy"),
        item_keys=_load_keys(path / "item_keys.npy"),
        texts={name: events.column(name) for name in TEXTS if name in events.column_names},
        baskets=views.get("basket"),
        context={
            name: numbers[name] if values is None else Categories(numbers[name], tuple(values))
            for name, values in columns["context"].items()
        },
        labels=views.get(LABEL),
        behaviours=_behaviours(views.get(BEHAVIOUR), columns["behaviours"]),
        dated=columns["dated"],
    )
    split = Split(
        summary["split"]["name"],
        views["split"],
        summary["split"]["seed"],
        profile=views[PROFILE].view(bool) if PROFILE in views else None,
    )
    return Corpus(interactions, Catalog(items), Users(users), split)


def _view(events: pa.Table, name: str) -> np.ndarray:
    view: np.ndarray = np.from_dlpack(events.column(name).chunk(0))  # to_numpy imports pandas
    return view


def _behaviours(codes: np.ndarray | None, fields: dict[str, Any] | None) -> Behaviours | None:
    if codes is None or fields is None:
        return None
    return Behaviours(codes, **{name: tuple(values) for name, values in fields.items()})


def _write(corpus: Corpus, summary: dict[str, Any], out: Path) -> None:
    log = corpus.interactions
    columns: dict[str, Any] = {"user": log.users, "item": log.items, "time": log.times}
    if log.ratings is not None:
        columns["rating"] = log.ratings
    if log.baskets is not None:
        columns["basket"] = log.baskets
    columns |= {**log.texts, "split": corpus.split.of_event}
    if corpus.split.profile is not None:
        columns[PROFILE] = corpus.split.profile.astype(np.int8)
    for name, column in log.context.items():
        columns[CONTEXT + name] = column.codes if isinstance(column, Categories) else column
    if log.labels is not None:
        columns[LABEL] = log.labels
    if log.behaviours is not None:
        columns[BEHAVIOUR] = log.behaviours.codes
    _save(pa.table(columns), out / "events")
    _save(corpus.catalog.table, out / "items")
    _save(corpus.users.table, out / "users")
    write_json(out / COLUMNS, _column_values(log))
    np.save(out / "user_keys.npy", log.user_keys)
    np.save(out / "item_keys.npy", log.item_keys)
    write_json(out / SUMMARY, summary)


def _column_values(log: Interactions) -> dict[str, Any]:
    """The values behind the codes of context columns (None for numbers) and of behaviours, and
    whether times are moments."""
    behaviours = log.behaviours
    return {
        "context": {
            name: list(column.values) if isinstance(column, Categories) else None
            for name, column in log.context.items()
        },
        "behaviours": behaviours
        and {
            "names": behaviours.names,
            "targets": behaviours.targets,
            "weights": behaviours.weights,
        },
        "dated": log.dated,
    }


def _save(table: pa.Table, folder: Path) -> None:
    """Saves a ``datasets`` data set as one record batch.

    ``save_to_disk`` writes batches of a thousand rows, and a column of several batches cannot be
    memory-mapped as one array. So the data file is rewritten as a single batch.
    """
    import datasets

    combined = table.combine_chunks()
    bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        datasets.Dataset(combined).save_to_disk(folder, num_shards=1)
    finally:
        if not bars:
            datasets.enable_progress_bars()
    (file,) = folder.glob("*.arrow")
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, combined.schema) as writer:
        writer.write_table(combined)


def _load(folder: Path) -> pa.Table:
    """The table that :func:`_save` wrote, memory-mapped; ``datasets`` is slow to import."""
    try:
        (file,) = folder.glob("*.arrow")
        table: pa.Table = pa.ipc.open_stream(pa.memory_map(str(file))).read_all()
    except (OSError, ValueError, pa.ArrowException) as error:
        got = next(iter(str(error).splitlines()), "a damaged file")
        raise input_error(folder, "a data set", got, "prepare the data again") from None
    return table


def _load_keys(path: Path) -> np.ndarray:
    try:
        keys: np.ndarray = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        got = next(iter(str(error).splitlines()), "a damaged file")
        raise input_error(path, "keys of users or items", got, "prepare the data again") from None
    return keys
