"""What several commands read: a corpus through the cache, ids out of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p5rec.core.artefacts import Store
from p5rec.core.config import bind, compose, read_tree
from p5rec.core.errors import UserError, did_you_mean, fault
from p5rec.core.paths import cache_home
from p5rec.core.types import Corpus
from p5rec.data.config import DataConfig
from p5rec.data.prepare import input_digests, load_corpus, prepare


def corpus_of(config: Path, overrides: Sequence[str] = ()) -> Corpus:
    """The prepared data of a recipe's ``data:`` section, made now unless it is in the cache."""
    tree, lines = read_tree(config, overrides)
    section = {"data": tree["data"]} if "data" in tree else {}
    data: Any = bind(compose("Data", data=DataConfig), section, lines, config)
    artefact = Store(cache_home() / "store", say=lambda _: None).stage(
        "data",
        lambda folder: prepare(data.data, folder),
        config=data.data.dump(),
        code=("core", "data"),
        inputs=input_digests(data.data),
    )
    return load_corpus(artefact.path)


def rows_of(names: Sequence[str], known: Sequence[str], where: Any, kind: str) -> np.ndarray:
    """Row numbers of external ids.

    Raises:
        UserError: some are unknown; it names the first, with its line.
    """
    rows = {name: row for row, name in enumerate(known)}
    for number, name in enumerate(names):
        if name not in rows:
            hint = did_you_mean(name, list(known)[:1000])
            raise fault(where, f"a known {kind}", repr(name), hint, line=number + 1)
    return np.array([rows[name] for name in names], dtype=np.int32)


def read_pairs(path: Path | None) -> pl.DataFrame:
    """A CSV of user,item pairs, as text."""
    if path is None or not path.is_file():
        raise fault(path or "--pairs", "a CSV file", "nothing there", "check the path")
    try:
        table = pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise fault(path, "a CSV file", str(error).splitlines()[0], "mend the file") from None
    if missing := {"user", "item"} - set(table.columns):
        raise UserError(
            f"{path}: expected columns user and item, got {', '.join(table.columns)}; "
            f"add {', '.join(sorted(missing))}"
        )
    return table.select("user", "item")
