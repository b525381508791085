"""``p5rec recommend`` for one user imports only what its model needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from my_folder import Trained

UNUSED = (
    "accelerate", "bitsandbytes", "datasets", "deepspeed", "evaluate", "gguf", "matplotlib",
    "pandas", "peft", "sklearn", "tokenizers", "transformers", "trl",
)  # fmt: skip
SCRIPT = """
import sys
from p5rec.cli.main import main
unused, sys.argv = sys.argv[1].split(","), ["p5rec", "recommend", *sys.argv[2:]]
try:
    main()
except SystemExit as ended:
    assert not ended.code
assert not (loaded := [name for name in unused if name in sys.modules]), loaded
"""


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("model", ["mine", "popularity"])
def test_recommendations_for_one_user_import_no_trainer(
    trained: Trained, tmp_path: Path, model: str, suffix: str
) -> None:
    out = tmp_path / f"lists.{suffix}"
    (tmp_path / "users.csv").write_text("user\nu1\n")
    subprocess.run(
        [sys.executable, "-c", SCRIPT, ",".join(UNUSED), "--model", trained.out / "models" / model,
         "--users", tmp_path / "users.csv", "--out", out],
        env={**os.environ, "P5REC_HOME": str(trained.folder / "home")}, check=True,
    )  # fmt: skip
    read = pl.read_csv if suffix == "csv" else pl.read_parquet
    assert len(read(out)) == 10
