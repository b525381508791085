"""Answers to many questions, written part by part: a kill loses one part, and memory holds one.

Parts lie in a hidden folder beside the first file until all are there; then they are joined into
the files asked for, which appear whole, and a manifest beside the first says what made them: the
same command has then nothing to do. Commands that write the same file take turns. Launched as
several processes (torchrun, accelerate), each answers its share of the parts and the first one
joins them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import torch
from torch import distributed

from p5rec.core.artefacts import (
    atomic_write,
    file_sha256,
    library_versions,
    read_json,
    sweep,
    write_json,
    writing,
)
from p5rec.core.errors import UserError
from p5rec.core.launch import processes, rank
from p5rec.core.locks import alone, say_waiting
from p5rec.core.progress import open_bar, shown

PART = 1000  # questions
KEY = "key.json"
NOT_DONE = -1  # in place of a number of rows


def write_in_parts(
    answer: Callable[[np.ndarray], pl.DataFrame],
    total: int,
    outs: Sequence[Path],
    key: Mapping[str, Any],
    *,
    unit: str,
    part: int = PART,
    told: Callable[[Sequence[Path]], Mapping[str, Any]] | None = None,
) -> int:
    """The answers to questions ``0 .. total - 1``, in that order, in each of the files ``outs``.

    Whatever a run before this one has finished under the same key is kept; under another key it is
    thrown away.

    Args:
        answer: numbers of questions ``(n,)`` → their answers as rows; a question's rows depend on
            it alone.
        total: questions, at least one.
        outs: ``.parquet``, ``.jsonl`` or ``.csv``.
        key: all that the answers depend on, as plain data.
        unit: of the progress bar.
        part: questions a part.
        told: Parquet files of all answers → further facts for the manifest.

    Returns:
        Rows written; 0 in every process but the first.

    Raises:
        UserError: the disk is full, or does not let us write there.
    """
    own, world = rank(), processes()
    folder = outs[0].with_name(f".{outs[0].name}.parts")
    manifest = manifest_of(outs[0])
    wanted = json.loads(json.dumps({**key, "questions": total, "part": part}))
    starts = list(range(0, total, part))
    files = [folder / f"{number:06}.parquet" for number in range(len(starts))]
    with writing(outs[0]), _together(world) as meet, ExitStack() as stack:
        if not own:
            for out in sorted(set(outs)):
                lock = out.with_name(f".{out.name}.lock")
                stack.enter_context(alone(lock, say_waiting(f"another run is writing {out}")))
        done = meet(NOT_DONE if own else _done(manifest, wanted, outs))
        if done != NOT_DONE:
            return 0 if own else done
        if not own:
            stack.enter_context(_tidy(folder, files))
            for path in (*outs, manifest):
                sweep(path)
            _open(folder, wanted)
        meet(0)
        mine = [
            (file, np.arange(start, min(start + part, total)))
            for start, file in list(zip(starts, files, strict=True))[own::world]
        ]
        _answer(answer, mine, unit, quiet=own > 0)
        meet(0)
        if own:
            return 0
        for out in outs:
            _join(files, out)
        rows = sum(pq.ParquetFile(file).metadata.num_rows for file in files)
        facts = {} if told is None else dict(told(files))
        made = {"rows": rows, "files": _digests(outs), "versions": library_versions()}
        write_json(manifest, {"key": wanted, **facts, **made})
        shutil.rmtree(folder)
    return rows


def _answer(
    answer: Callable[[np.ndarray], pl.DataFrame],
    parts: Sequence[tuple[Path, np.ndarray]],
    unit: str,
    *,
    quiet: bool,
) -> None:
    """The answers to the questions of each of ``parts`` in its file, if they are not there yet."""
    total = sum(len(rows) for _, rows in parts)
    with open_bar(total, "answer", unit, off=quiet) as bar, shown():
        for file, rows in parts:
            if not file.exists():
                frame = answer(rows)
                with atomic_write(file, "wb") as handle:
                    frame.write_parquet(handle)
            bar.update(len(rows))


def manifest_of(out: Path) -> Path:
    """Where the manifest of answers lies whose first file is ``out``."""
    return out.with_name(f"{out.name}.manifest.json")


def _done(manifest: Path, key: Mapping[str, Any], outs: Sequence[Path]) -> int:
    """The rows in ``outs`` if they are what ``key`` makes, whole and unchanged."""
    if not manifest.is_file() or not all(out.is_file() for out in outs):
        return NOT_DONE
    try:
        told = read_json(manifest)
    except UserError:  # a damaged manifest vouches for nothing
        return NOT_DONE
    if not isinstance(told, dict) or told.get("key") != key:
        return NOT_DONE
    return int(told["rows"]) if told.get("files") == _digests(outs) else NOT_DONE


def _digests(outs: Sequence[Path]) -> dict[str, str]:
    return {out.name: file_sha256(out) for out in outs}


@contextmanager
def _tidy(folder: Path, files: Sequence[Path]) -> Iterator[None]:
    """Leaves no folder behind if it ends before there is anything to go on from."""
    try:
        yield
    except BaseException:
        if not any(file.exists() for file in files):
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _together(world: int) -> Iterator[Callable[[int], int]]:
    """What each process calls to wait for the others and to hear the first one's number."""
    if world == 1:
        yield lambda number: number
        return
    distributed.init_process_group("gloo", timeout=timedelta(days=30))

    def meet(number: int) -> int:
        distributed.barrier()
        told = torch.tensor([number])
        distributed.broadcast(told, src=0)
        return int(told)

    try:
        yield meet
    finally:
        distributed.destroy_process_group()


def _open(folder: Path, key: Mapping[str, Any]) -> None:
    """The folder of parts under this key: as it was left, or empty."""
    place = folder / KEY
    if not place.exists() or read_json(place) != key:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(place, key)


def _join(files: Sequence[Path], out: Path) -> None:
    """The parts as one file, one part in memory at a time."""
    with atomic_write(out, "wb") as handle:
        if out.suffix == ".parquet":
            with pq.ParquetWriter(handle, pq.read_schema(files[0])) as writer:
                for file in files:
                    writer.write_table(pq.read_table(file))
            return
        for number, file in enumerate(files):
            frame = pl.read_parquet(file, glob=False)
            if out.suffix == ".csv":
                frame.write_csv(handle, include_header=number == 0)
            else:
                frame.write_ndjson(handle)
