"""Names in a config that become files and folders stay inside the run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from my_folder import Mine, files

NAMES = {
    "ids": ("semantic: {levels", '"../../precious": {levels'),
    "methods": ("  mine:\n", '  "../mine":\n'),
    "absolute": ("  mine:\n", '  "/tmp/mine":\n'),
    "hidden": ("  mine:\n", '  ".mine":\n'),
    "name": ("data:\n", 'name: "../elsewhere"\ndata:\n'),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_a_path_is_one_line_with_its_location(
    p5rec: Any, mine: Mine, name: str
) -> None:
    mine.replace("my.yaml", *NAMES[name])
    before = files(Path().resolve().parent)
    code, out, err = p5rec("run", "sft", "--config", mine.config, "--out", "runs/out")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert "my.yaml:" in err
    assert (
        "expected a name of letters, digits, '_', '.' and '-', first a letter, digit or '_', got"
        in err
    )
    assert files(Path().resolve().parent) == before


def test_a_config_of_any_name_has_a_run_of_a_plain_one(p5rec: Any, mine: Mine) -> None:
    words = Path(mine.config).rename(mine.folder / "my (2nd) config.yaml")
    code, out, _ = p5rec("run", "sft", "--config", words, "--show")
    assert (code, "name: my-2nd-config\n" in out) == (0, True)
