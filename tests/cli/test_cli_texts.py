"""``p5rec texts``: files of texts and vectors with external ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tiny_models import save_llama

from p5rec.recommend.writing import factors
from p5rec.recommend.writing.config import TextPromptsConfig

Command = Callable[..., tuple[int, str, str]]

CONFIG = """\
data: {{source: table, path: {folder}/log.csv, items: {{path: {folder}/items.csv}}}}
texts:
  about:
    of: items
    family: describe-item
    generator: {{backbone: {{name: {folder}/model}}, max_new_tokens: 4}}
    template: describe-item.from-the-title
  again: {{of: items, generator: {{kind: file, path: {folder}/about.jsonl}}}}
vectors:
  metadata: {{metadata: items, encoder: {folder}/model}}
  again: {{file: {{path: {folder}/vectors.parquet}}}}
  reviews: {{reviews: events, encoder: {folder}/model}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))
    save_llama(tmp_path / "model")
    rows = [
        {"user": f"u{n % 4}", "item": f"i{n % 5}", "time": 60 * n, "review": f"Review {n}."}
        for n in range(20)
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "log.csv")
    items = {"item": [f"i{n}" for n in range(5)], "title": [f"Thing {n}" for n in range(5)]}
    pl.DataFrame(items).write_csv(tmp_path / "items.csv")
    (tmp_path / "my.yaml").write_text(CONFIG.format(folder=tmp_path))
    return tmp_path / "my.yaml"


def test_files_of_texts_and_vectors_are_inputs_again(
    p5rec: Command, config: Path, tmp_path: Path
) -> None:
    out, csv = tmp_path / "about.jsonl", tmp_path / "again.csv"
    words = ("texts", "write", "--config", config, "--name")
    code, printed, error = p5rec(*words, "about", "--out", out)
    assert not code, error
    assert printed.splitlines()[-1] == f"5 rows in {out}"
    assert "texts about: " in printed
    table = pl.read_ndjson(out)
    assert sorted(table["item"]) == [f"i{n}" for n in range(5)]
    assert p5rec(*words, "again", "--out", csv)[0] == 0
    known = [text or None for text in table["text"].to_list()]
    assert pl.read_csv(csv)["text"].to_list() == known

    vectors, copy = tmp_path / "vectors.parquet", tmp_path / "copy.parquet"
    words = ("texts", "encode", "--config", config, "--name")
    assert p5rec(*words, "metadata", "--out", vectors)[0] == 0
    assert p5rec(*words, "again", "--out", copy)[0] == 0
    assert pl.read_parquet(vectors).equals(pl.read_parquet(copy))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("write", "--out", "t.jsonl"), "--name: expected one of the recipe's texts, got none"),
        (("write", "--out", "t.txt"), "expected .jsonl or .parquet or .csv, got '.txt'"),
        (("encode", "--out", "v.parquet", "--name", "metdata"), "got 'metdata'; name one of"),
        (("encode", "--out", "v.parquet", "--name", "again"), "expected a file or folder, got"),
        (
            ("encode", "--out", "v.parquet", "--name", "reviews"),
            "expected vectors of items or users",
        ),
    ],
)
def test_errors_are_one_line(
    p5rec: Command, config: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    command, *rest = (str(tmp_path / w) if w.startswith(("t.", "v.")) else w for w in words)
    code, _, error = p5rec("texts", command, "--config", config, *rest)
    assert code == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_factors_are_asked_once(
    p5rec: Command, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "factors.yaml"
    words = ("texts", "factors", "--config", config, "--scenario", "a film", "--out", out)
    code, _, error = p5rec(*words, "--name", "about", "texts.about.generator={kind: prompt}")
    assert code == 2
    assert "expected a list of factors" in error
    monkeypatch.setattr(factors, "ask_factors", lambda *_: ("plot", "mood"))
    assert not p5rec(*words, "--name", "about")[0]
    assert TextPromptsConfig(factors=str(out)).read_factors() == ("plot", "mood")
    code, _, error = p5rec(*words, "--name", "about")
    assert code == 2
    assert "expected a new file" in error
