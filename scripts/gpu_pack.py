"""Packs the wheels, models and data that ``gpu_table`` needs on a machine without a network.

scripts/gpu_table --pack FOLDER --data FOLDER_OF_AMAZON_BEAUTY [--python 3.12] [--megabytes 44]

The machine must have Python, a CUDA build of torch, numpy, scipy, pandas, pyarrow, scikit-learn
and matplotlib. The archive holds wheels of the other libraries in the versions of
``requirements.lock``, SmolLM2, MovieLens 100k and Amazon Beauty. It is split into files
``piece-NN``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from p5rec.data.fetch import fetch

ROOT = Path(__file__).parents[1]
PACKED = (
    "accelerate", "annotated-doc", "annotated-types", "anyio", "click", "datasets", "dill",
    "filelock", "fsspec", "gguf", "hf-xet", "httpcore2", "httpx2", "huggingface_hub", "idna",
    "multiprocess", "peft", "polars", "polars-runtime-32", "pydantic", "pydantic_core", "regex",
    "safetensors", "tokenizers", "tqdm", "transformers", "trl", "truststore", "typer",
    "typing-inspection", "typing_extensions",
)  # fmt: skip
FETCHED = ("smollm2", "ml-100k")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def pinned() -> list[str]:
    """The requirements of the packed libraries, ``name==version``."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    versions = dict(each.split("==") for each in lines if "==" in each and "#" not in each)
    return [f"{name}=={versions[name]}" for name in PACKED]


def wheels(folder: Path, python: str) -> None:
    """Downloads the wheels for a Python version on x86-64 Linux."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
         "--python-version", python, "--implementation", "cp", *platforms, "-d", folder, *pinned()],
        check=True,
    )  # fmt: skip


def main() -> None:
    """Parses the command line; writes the pieces."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--python", default="3.12")
    parser.add_argument("--megabytes", type=int, default=44, help="maximum size of a piece")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for old in options.out.glob("piece-*"):
        old.unlink()
    size = options.megabytes << 20
    with TemporaryDirectory(dir=options.out) as work:
        archive = Path(work) / "archive.tar"
        wheels(Path(work) / "wheels", options.python)
        with tarfile.open(archive, "w") as tar:
            tar.add(Path(work) / "wheels", "wheels")
            for name in ("sequences.txt.gz", "items.jsonl.gz"):
                tar.add(options.data / name, f"amazon-beauty/{name}")
            for name in FETCHED:
                tar.add(fetch(name), f"home/fetched/{name}")
        with open(archive, "rb") as whole:
            pieces = iter(lambda: whole.read(size), b"")
            for number, piece in enumerate(pieces):
                (options.out / f"piece-{number:02}").write_bytes(piece)
    for path in sorted(options.out.glob("piece-*")):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
