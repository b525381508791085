"""User tables: read, matched to the log, saved and described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.describe import describe, user_table_notes
from p5rec.data.prepare import input_digests, load_corpus, prepare
from p5rec.data.reading import read_log
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import unnamed_view

TABLE = "customer,years,town,tags\n1,34,Oslo,new|vip\n2,,Bergen,\n9,50,Nowhere,\n"
COLUMNS = {
    "user": "customer",
    "attributes": {"age": "years", "town": "town", "tags": {"column": "tags", "separator": "|"}},
}


def config(log: Path, table: str = TABLE, **columns: Any) -> DataConfig:
    path = log.with_name("users.csv")
    path.write_text(table)
    users = {"path": str(path), "columns": {**COLUMNS, **columns}}
    return DataConfig(source="table", path=str(log), users=users)


def known(corpus: Corpus) -> dict[str, dict[str, tuple[str, ...]]]:
    users = corpus.users
    columns = {name: users.values(name) for name in users.attributes}
    return {
        user: {name: values[row] for name, values in columns.items() if values[row]}
        for row, user in enumerate(users.ids)
    }


def test_a_table_of_users(table: Path, tmp_path: Path) -> None:
    corpus, summary = build(config(table))
    assert known(corpus) == {
        "1": {"age": ("34",), "town": ("Oslo",), "tags": ("new", "vip")},
        "2": {"town": ("Bergen",)},
        "3": {},
    }
    assert corpus.users.table.schema.field("age").type == "int64"
    assert corpus.user_ids == corpus.users.ids
    assert summary["user_table"] == {"users_without_row": 1, "rows_without_user": 1}
    assert [line.split(" ")[0] for line in user_table_notes(summary)] == ["1", "1"]
    assert describe(corpus)["user_attributes"] == ["age", "town", "tags"]
    prepare(config(table), tmp_path / "out")
    assert known(load_corpus(tmp_path / "out")) == known(corpus)
    assert sorted(input_digests(config(table))) == ["events", "users"]


def test_without_a_table_users_are_ids(table: Path) -> None:
    corpus, summary = build(DataConfig(source="table", path=str(table)))
    assert (corpus.users.attributes, summary["user_table"]) == ((), None)
    assert user_table_notes(summary) == []
    assert "user_attributes" in TASKS.get("rating").absent(unnamed_view(corpus))


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (TABLE + "1,3,x,\n", {}, r"users.csv: expected each user once, got '1' in rows 2, 5"),
        (TABLE + ",3,x,\n", {}, r"users.csv, row 5: expected a user id, got nothing"),
        (TABLE, {"user": "custmer"}, r"'custmer' for the user.*'customer'.*users.columns.user"),
        (TABLE, {"attributes": {"a": "yers"}}, r"set data.users.columns.attributes.a"),
    ],
)  # fmt: skip
def test_a_bad_table(table: Path, text: str, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        build(config(table, text, **columns))
    assert len(caught.value.lines) == 1


def test_a_source_without_users_is_refused() -> None:
    with pytest.raises(UserError, match=r"data.users: expected a user table, got none"):
        build(DataConfig(source="synthetic", users={}))


@pytest.mark.parametrize("kind", ["100k", "1m", "recbole"])
def test_movielens_users(kind: str, tmp_path: Path) -> None:
    """Age, gender and occupation are read; the postcode is skipped."""
    log = [("1", "10", 5, 881250900), ("1", "20", 3, 881250910), ("2", "10", 4, 881250920)]
    write = {
        "100k": ("u.data", "\t", "u.user", "1|24|M|technician|85711\n2|53|F|other|94043\n"),
        "1m": ("ratings.dat", "::", "users.dat", "1::M::24::technician::8\n2::F::53::other::9\n"),
        "recbole": (
            "ml.inter", "\t", "ml.user",
            "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
            "1\t24\tM\ttechnician\t85711\n2\t53\tF\tother\t94043\n",
        ),
    }  # fmt: skip
    name, separator, users, rows = write[kind]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    lines = "".join(separator.join(map(str, row)) + "\n" for row in log)
    (tmp_path / name).write_text(head * (kind == "recbole") + lines)
    (tmp_path / users).write_text(rows)
    result = read_log(DataConfig(source="movielens", path=str(tmp_path))).users
    assert result is not None
    assert result.select("user", "age", "gender", "occupation").rows() == [
        ("1", 24, "M", "technician"), ("2", 53, "F", "other"),
    ]  # fmt: skip
    assert sorted(result.columns) == ["age", "gender", "occupation", "user"]


def test_prompts_contain_user_attributes(table: Path) -> None:
    view = unnamed_view(build(config(table))[0])
    assert "user_attributes" in view.has
    assert "user_attributes" not in TASKS.get("rating").absent(view)
    users = view.corpus.user_ids
    rendered = {}
    for name in ("rating", "sequential-next", "sequential-yesno", "direct"):
        for row in TASKS.get(name).rows(view, "test").tolist():
            record = TASKS.get(name).build(view, row, np.random.default_rng(0), Limits())
            rendered[users[record.user]] = record.values["user_attributes"]
    assert rendered == {"1": "age: 34; town: Oslo; tags: new, vip", "2": "town: Bergen"}
