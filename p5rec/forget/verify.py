"""Verifying a receipt: signature, tombstones, hashes, and the same stages from an empty cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from p5rec.core.artefacts import digest, file_sha256
from p5rec.core.content import content_hash
from p5rec.core.errors import UserError
from p5rec.core.paths import cache_home
from p5rec.core.recipes import RECORD
from p5rec.data.tombstones import FOLDER, MARKS, SALT, Tombstones, forget_folder
from p5rec.methods.plugins import imported as imported

from .receipt import Output, Receipt, own_public_key
from .requests import marks_of
from .stages import Stages

KEPT = ("answers", "fetched")  # of a cache: what no event was read for, or no key tells of
STORE = "store"


@dataclass(frozen=True)
class Check:
    """One check of a receipt.

    Attributes:
        what: its subject.
        passed: None if it could not be made.
        detail: figures, or the reason.
    """

    what: str
    passed: bool | None
    detail: str


def verify(receipt: Receipt, public_key: str | None) -> Iterator[Check]:
    """The checks of a receipt against this cache and its runs.

    Args:
        receipt: the receipt.
        public_key: the key that must have signed it, hexadecimal; None: that of this cache.
    """
    yield _signature(receipt, public_key or own_public_key())
    yield _tombstones(receipt)
    root = cache_home() / STORE
    stages = Stages.read(root).by_key
    known = [one for one in receipt.artefacts if one.new in stages]
    changed = [one for one in known if content_hash(stages[one.new].path) != one.new_hash]
    pruned = sum(1 for one in receipt.artefacts if one.new) - len(known)
    yield Check(
        "stages have the hashes of the receipt", not changed,
        f"{len(known)} read, {pruned} no longer in the cache, {len(changed)} differ",
    )  # fmt: skip
    saw = [one.old for one in receipt.artefacts if one.state in ("computed again", "deleted")]
    there = [key for key in saw if key in stages]
    yield Check("stages that saw the events are gone", not there, f"{len(there)} are in the cache")
    untouched = [one for one in receipt.artefacts if one.state == "untouched"]
    differ = sum(one.old_hash != one.new_hash for one in untouched)
    yield Check(
        "untouched stages did not change", not differ, f"{len(untouched)}, {differ} of them differ"
    )
    for output in receipt.outputs:
        yield _output(output)


def rederive(receipt: Receipt) -> Iterator[Check]:
    """Runs each config of a receipt in a new process with an empty cache, and compares hashes.

    The readers of that process know the tombstones. Each stage that a run uses must have the hash
    of one in the receipt, and the run's folder its own.
    """
    wanted = {(one.stage, one.new_hash) for one in receipt.artefacts if one.new}
    for output in receipt.outputs:
        with TemporaryDirectory(prefix="p5rec-verify-") as work:
            home, out = Path(work) / "home", Path(work) / "run"
            _new_home(home)
            _run(Path(output.folder) / RECORD, out, home)
            used = Stages.read(home / STORE).of_run(out)
            made = {(stage.kind, content_hash(stage.path)) for stage in used.values()}
            missing = made - wanted
            names = ", ".join(sorted({kind for kind, _ in missing})) or "none"
            yield Check(
                f"{output.folder}: stages from an empty cache have the hashes of the receipt",
                not missing, f"{len(made)} computed, {len(missing)} differ: {names}",
            )  # fmt: skip


def _signature(receipt: Receipt, public_key: str | None) -> Check:
    signature = receipt.signature
    if not receipt.has_valid_signature() or signature is None:
        return Check("signature", False, "not that of this content")
    if public_key is None:
        return Check("signature", None, "valid, but this cache has no key: name the signer's")
    same = signature.public_key == public_key
    return Check("signature", same, "valid" if same else "valid, but of another key")


def _tombstones(receipt: Receipt) -> Check:
    what, request, file = "tombstones are in force", receipt.request, marks_of(receipt.request.id)
    if not file.is_file():
        return Check(what, None, f"{file.name} is no longer there")
    own = np.load(file, allow_pickle=False)
    if digest(own.tolist()) != request.marks:
        return Check(what, False, f"{file.name} is that of another request")
    there = int(np.isin(own, Tombstones.read().marks).sum())
    return Check(what, there == len(own), f"{there} of {len(own)} are in the cache")


def _output(output: Output) -> Check:
    folder = Path(output.folder)
    what = f"{folder} is that of the receipt"
    if not (folder / RECORD).is_file():
        return Check(what, None, "no longer there")
    same = content_hash(folder) == output.new_hash
    config = file_sha256(folder / RECORD) == output.config
    return Check(what, same and config, "same content" if same else "another content")


def _new_home(home: Path) -> None:
    """A cache without stages, with the tombstones and the fetched files of this one."""
    (home / FOLDER).mkdir(parents=True)
    for name in (SALT, MARKS):
        shutil.copy2(forget_folder() / name, home / FOLDER / name)
    for name in KEPT:
        if (cache_home() / name).exists():
            (home / name).symlink_to((cache_home() / name).resolve())


def _run(config: Path, out: Path, home: Path) -> None:
    """Runs a config in a new process, on one thread.

    Raises:
        UserError: it fails.
    """
    code = "from p5rec.cli.main import main; main()"
    plugins = [word for source in imported() for word in ("--plugin", source)]
    run = ["run", str(config), "--out", str(out), "--jobs", "1"]
    words = [sys.executable, "-c", code, *plugins, *run]
    environment = {**os.environ, "P5REC_HOME": str(home), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        line = next(iter(reversed(done.stderr.strip().splitlines())), "no message")
        raise UserError(f"{config}: expected a run from an empty cache, got an error: {line}")
