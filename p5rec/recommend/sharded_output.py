"""Output of many requests, computed in shards: an interrupted run loses one shard at most.

Shards lie in a hidden folder beside the first output file until all are complete. Then they are
merged into the output files, each of which is replaced atomically. A manifest beside the first file
records their inputs, so that the same command has nothing to do. Commands that write the same file
take turns. With several processes (torchrun, accelerate), each computes its share of the shards and
the first process merges them. Memory holds one shard.
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
    file_sha256,
    library_versions,
    read_json,
    write_json,
    writing,
)
from p5rec.core.atomic import atomic_write, sweep
from p5rec.core.errors import UserError
from p5rec.core.launch import processes, rank
from p5rec.core.locks import exclusive_lock, print_waiting
from p5rec.core.progress import open_bar, progress_bars

SHARD_SIZE = 1000  # requests
KEY = "key.json"
NOT_DONE = -1  # instead of a number of rows


def write_in_shards(
    compute: Callable[[np.ndarray], pl.DataFrame],
    total: int,
    outs: Sequence[Path],
    key: Mapping[str, Any],
    *,
    unit: str,
    shard_size: int = SHARD_SIZE,
    summarize: Callable[[Sequence[Path]], Mapping[str, Any]] | None = None,
) -> int:
    """Writes the output of requests ``0 .. total - 1``, in that order, to each of ``outs``.

    Complete shards of an earlier run with the same key are reused; those with another key are
    deleted.

    Args:
        compute: request numbers ``(n,)`` → their rows; a request's rows depend on it alone.
        total: requests, at least one.
        outs: ``.parquet``, ``.jsonl`` or ``.csv``.
        key: everything that the output depends on, as plain data.
        unit: of the progress bar.
        shard_size: requests per shard.
        summarize: the shards' Parquet files → further facts for the manifest.

    Returns:
        Rows written; 0 in every process but the first.

    Raises:
        UserError: the disk is full, or the path is not writable.
    """
    process, n_processes = rank(), processes()
    folder = outs[0].with_name(f".{outs[0].name}.shards")
    manifest = manifest_path(outs[0])
    full_key = json.loads(json.dumps({**key, "requests": total, "shard_size": shard_size}))
    starts = list(range(0, total, shard_size))
    files = [folder / f"{number:06}.parquet" for number in range(len(starts))]
    with writing(outs[0]), _process_group(n_processes) as broadcast, ExitStack() as stack:
        if not process:
            for out in sorted(set(outs)):
                lock = out.with_name(f".{out.name}.lock")
                stack.enter_context(
                    exclusive_lock(lock, print_waiting(f"another run is writing {out}"))
                )
        done = broadcast(NOT_DONE if process else _rows_done(manifest, full_key, outs))
        if done != NOT_DONE:
            return 0 if process else done
        if not process:
            stack.enter_context(_remove_if_empty(folder, files))
            for path in (*outs, manifest):
                sweep(path)
            _open(folder, full_key)
        broadcast(0)
        shards = [
            (file, np.arange(start, min(start + shard_size, total)))
            for start, file in list(zip(starts, files, strict=True))[process::n_processes]
        ]
        _compute(compute, shards, unit, quiet=process > 0)
        broadcast(0)
        if process:
            return 0
        for out in outs:
            _merge(files, out)
        rows = sum(pq.ParquetFile(file).metadata.num_rows for file in files)
        facts = {} if summarize is None else dict(summarize(files))
        facts |= {"rows": rows, "files": _digests(outs), "versions": library_versions()}
        write_json(manifest, {"key": full_key, **facts})
        shutil.rmtree(folder)
    return rows


def _compute(
    compute: Callable[[np.ndarray], pl.DataFrame],
    shards: Sequence[tuple[Path, np.ndarray]],
    unit: str,
    *,
    quiet: bool,
) -> None:
    """Computes the shards that are not in their files yet."""
    total = sum(len(requests) for _, requests in shards)
    with open_bar(total, "predict", unit, off=quiet) as bar, progress_bars():
        for file, requests in shards:
            if not file.exists():
                frame = compute(requests)
                with atomic_write(file, "wb") as handle:
                    frame.write_parquet(handle)
            bar.update(len(requests))


def manifest_path(out: Path) -> Path:
    """The manifest of the outputs whose first file is ``out``."""
    return out.with_name(f"{out.name}.manifest.json")


def _rows_done(manifest: Path, key: Mapping[str, Any], outs: Sequence[Path]) -> int:
    """The number of rows in ``outs`` if they are complete, unchanged and have this key."""
    if not manifest.is_file() or not all(out.is_file() for out in outs):
        return NOT_DONE
    try:
        recorded = read_json(manifest)
    except UserError:  # a damaged manifest proves nothing
        return NOT_DONE
    if not isinstance(recorded, dict) or recorded.get("key") != key:
        return NOT_DONE
    return int(recorded["rows"]) if recorded.get("files") == _digests(outs) else NOT_DONE


def _digests(outs: Sequence[Path]) -> dict[str, str]:
    return {out.name: file_sha256(out) for out in outs}


@contextmanager
def _remove_if_empty(folder: Path, files: Sequence[Path]) -> Iterator[None]:
    """Deletes the folder of shards if an error occurs before the first shard is complete."""
    try:
        yield
    except BaseException:
        if not any(file.exists() for file in files):
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _process_group(n_processes: int) -> Iterator[Callable[[int], int]]:
    """Yields a function that waits for all processes and returns the first process' number."""
    if n_processes == 1:
        yield lambda number: number
        return
    distributed.init_process_group("gloo", timeout=timedelta(days=30))

    def broadcast(number: int) -> int:
        distributed.barrier()
        first = torch.tensor([number])
        distributed.broadcast(first, src=0)
        return int(first)

    try:
        yield broadcast
    finally:
        distributed.destroy_process_group()


def _open(folder: Path, key: Mapping[str, Any]) -> None:
    """Opens the folder of shards; deletes shards with another key."""
    path = folder / KEY
    if not path.exists() or read_json(path) != key:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(path, key)


def _merge(files: Sequence[Path], out: Path) -> None:
    """Writes the shards to one file, with one shard in memory at a time."""
    with atomic_write(out, "wb") as handle:
        if out.suffix == ".parquet":
            with pq.ParquetWriter(handle, pq.read_schema(files[0])) as writer:
                for file in files:  # pq.read_table imports pandas
                    writer.write_table(pq.ParquetFile(file).read())
            return
        for number, file in enumerate(files):
            frame = pl.read_parquet(file, glob=False)
            if out.suffix == ".csv":
                frame.write_csv(handle, include_header=number == 0)
            else:
                frame.write_ndjson(handle)
