"""Every stage's key covers the code that it runs, for a recipe with all kinds of stages."""

from __future__ import annotations

import shutil
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import polars as pl
import pytest
from tiny_models import save_llama

from p5rec.cli.main import main
from p5rec.core import code
from p5rec.core.artefacts import Store
from p5rec.core.code import CODE, Code, Work
from p5rec.methods.registry import METHODS

RECIPE = """\
data:
  source: table
  path: {folder}/log.csv
  items: {{path: {folder}/items.csv}}
  columns: {{user: user, item: item, time: time, rating: rating, review: text, summary: summary}}
  split: leave-one-out
ids:
  semantic:
    levels: 2
    codebook: 5
    vectors:
      text: {folder}/encoder
      cooccurrence: {{dim: 4}}
      methods: {{deep: {{method: {{kind: sasrec, width: 8, window: 5, epochs: 1, tune: {{}}}}}}}}
  title: {{scheme: title, levels: 2, vectors: {{text: null}}}}
texts:
  about:
    of: items
    family: describe-item
    generator: {{backbone: {{name: {folder}/encoder}}, max_new_tokens: 4}}
vectors:
  items: {{metadata: items, encoder: {folder}/encoder, permuted: true}}
  texts: {{texts: about, encoder: {folder}/encoder}}
baselines: [popularity, item-knn, ease, ease-recency]
methods:
  near: {{kind: nearest-vectors, vectors: items}}
  near-texts: {{kind: nearest-vectors, vectors: texts, texts: about}}
  first: &first
    backbone: &backbone
      {{kind: scratch, width: 16, layers: 1, heads: 2, feedforward: 32, dropout: 0.0}}
    item_head: {{}}
    train:
      tasks: {{next-item: {{}}, rating: {{}}, summary: {{}}}}
      steps: 4
      batch: 4
      precision: float32
      evaluate_every: 2
      patience: 1
    decode: {{max_new_tokens: 4}}
  both: {{kind: fusion, components: {{network: first, linear: {{kind: item-to-item}}}}}}
  clicks: {{kind: din, epochs: 1, tune: {{}}}}
  passed:
    backbone: *backbone
    item_head: {{}}
    train: {{epochs: {{max_epochs: 1}}, precision: float32}}
  aligned:
    like: first
    start: first
    train: {{tasks: {{next-item: {{}}}}, align: {{objective: sdpo, negatives: 2}}}}
evaluate:
  k: 10
  prompts: {{rating: 5, summary: 5}}
  samples: 1
"""
KINDS = {
    "data", "texts", "vectors", "ids", "trial", "fit", "fit generative", "model", "pairs",
    "predictions", "reference", "report",
}  # fmt: skip


class Seen(NamedTuple):
    """A stage that was made: its name, its config, its work, and the modules that it ran."""

    stage: str
    about: Any
    work: tuple[Work, ...]
    ran: set[str]


@contextmanager
def watched(ran: set[str]) -> Iterator[None]:
    """Records the modules of p5rec whose code runs, in new threads too."""

    def note(frame: FrameType, event: str, arg: Any) -> None:
        name = frame.f_globals.get("__name__", "")
        if event == "call" and name.partition(".")[0] == "p5rec":
            ran.add(name)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def write_log(folder: Path) -> None:
    rows = [
        {
            "user": f"u{user}", "item": f"i{(5 * user + 2 * step) % 15}", "time": 60 * step,
            "rating": 1 + (user + step) % 5, "summary": f"Word {step}",
            "text": f"Thing number {step}, says {user}. I would buy it again.",
        }
        for user in range(20)
        for step in range(7)
    ]  # fmt: skip
    pl.DataFrame(rows).write_csv(folder / "log.csv")
    titles = {"item": [f"i{n}" for n in range(15)], "title": [f"Thing {n}" for n in range(15)]}
    pl.DataFrame(titles).write_csv(folder / "items.csv")
    (folder / "my.yaml").write_text(RECIPE.format(folder=folder))
    save_llama(folder / "encoder")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    """Every stage of one run."""
    folder, found = tmp_path_factory.mktemp("seen"), []
    write_log(folder)
    stage = Store.stage

    def spied(self: Store, name: str, make: Callable[[Path], Any], **options: Any) -> Any:
        ran: set[str] = set()

        def watching(work: Path) -> Any:
            config = options["config"]
            trained = name == "fit" and config["kind"] == "generative"
            named = "fit generative" if trained else name
            found.append(Seen(named, config, options["code"], ran))
            with watched(ran):
                return make(work)

        return stage(self, name, watching, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P5REC_HOME", str(folder / "home"))
        patch.setattr(Store, "stage", spied)
        patch.setitem(METHODS._targets, "nearest-vectors", "nearest_vectors:NearestVectors")
        patch.setattr("p5rec.cli.main.safe_output", nullcontext)  # printing is no part of a stage
        config = folder / "my.yaml"
        words = ["p5rec", "run", "sft", "--config", str(config), "--out", str(folder / "out")]
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    return found


def changed(folder: Path, file: str, more: str) -> Code:
    """The sources of p5rec with ``more`` after those in ``file``."""
    source = CODE.root / "p5rec"
    shutil.copytree(source, folder / "p5rec", ignore=shutil.ignore_patterns("*.pyc"))
    with open(folder / "p5rec" / file, "a", encoding="utf-8") as handle:
        handle.write(more)
    return Code(folder)


def remade(seen: list[Seen], edited: Code) -> dict[str, list[Any]]:
    """Stages whose code changes under ``edited``, with their configs."""
    found = defaultdict(list)
    for each in seen:
        if edited.digest(*each.work) != CODE.digest(*each.work):
            found[each.stage].append(each.about)
    return found


def test_the_key_of_a_stage_covers_its_code(seen: list[Seen]) -> None:
    assert {each.stage for each in seen} == KINDS
    beyond = [
        (each.stage, each.about, sorted(more))
        for each in seen
        if (more := each.ran - set(CODE.closure(*each.work)))
    ]
    assert not beyond
    assert all(each.ran for each in seen)


def test_comments_and_docstrings_re_make_nothing(seen: list[Seen], tmp_path: Path) -> None:
    edited = changed(
        tmp_path, "core/types.py", '\n# a comment\n"""A string that stands alone."""\n'
    )
    for path in (tmp_path / "p5rec").rglob("*.py"):
        path.write_text(path.read_text().replace('"""', '"""Say: ', 1) + "\n# the end\n")
    assert not remade(seen, edited)


def test_a_changed_baseline_re_makes_its_stages_alone(seen: list[Seen], tmp_path: Path) -> None:
    found = remade(seen, changed(tmp_path, "methods/baselines/ease.py", "\nX = 1\n"))
    assert {each["kind"] for each in found.pop("trial")} == {"ease"}
    assert {each["kind"] for each in found.pop("fit")} == {"ease", "item-to-item", "fusion"}
    assert {each["kind"] for each in found.pop("model")} == {"ease", "item-to-item", "fusion"}
    assert len(found.pop("predictions")) == 3  # of ease, ease-recency and both
    assert found.keys() == {"report"}


def test_an_unused_baseline_changes_no_stage(seen: list[Seen], tmp_path: Path) -> None:
    assert not remade(seen, changed(tmp_path, "methods/baselines/bpr.py", "\nX = 1\n"))


def test_a_changed_rating_baseline_re_makes_its_stages_alone(
    seen: list[Seen], tmp_path: Path
) -> None:
    found = remade(seen, changed(tmp_path, "methods/baselines/factors.py", "\nX = 1\n"))
    for stage in ("trial", "fit", "model"):
        assert {each["kind"] for each in found.pop(stage)} == {"mf"}
    assert len(found.pop("reference")) == 1
    assert not found


def test_a_changed_task_re_makes_its_stages(seen: list[Seen], tmp_path: Path) -> None:
    found = remade(seen, changed(tmp_path, "tasks/reviews.py", "\nX = 1\n"))
    assert {each["kind"] for each in found.pop("fit")} == {
        "lead-sentence", "most-frequent", "most-frequent-of-item", "nearest-review",
    }  # fmt: skip
    assert len(found.pop("reference")) == 4
    assert all("summary" in each["train"]["tasks"] for each in found.pop("fit generative"))
    assert found.keys() == {"model", "predictions", "report"}


def test_a_changed_stylesheet_re_makes_the_report_alone(seen: list[Seen], tmp_path: Path) -> None:
    assert remade(seen, changed(tmp_path, "report/assets/report.css", "a {}")).keys() == {"report"}


@pytest.mark.parametrize(
    ("library", "shaped", "not_shaped"),
    [
        ("polars", {"data", "ids", "fit generative", "report"}, set()),
        ("torch", {"texts", "fit generative", "vectors", "predictions", "pairs"}, {"data", "ids"}),
        (
            "trl",
            {"fit generative"},
            {"data", "ids", "texts", "vectors", "fit", "predictions", "report"},
        ),
        ("scikit-learn", {"ids", "reference"}, {"data"}),
        ("filelock", set(), KINDS),
    ],
)
def test_a_new_library_version_re_makes_its_stages(
    seen: list[Seen],
    monkeypatch: pytest.MonkeyPatch,
    library: str,
    shaped: set[str],
    not_shaped: set[str],
) -> None:
    before = [CODE.libraries(*each.work) for each in seen]
    version_of = code.version_of
    monkeypatch.setattr(
        code, "version_of", lambda name: "9.9" if name == library else version_of(name)
    )
    moved = {
        each.stage
        for each, was in zip(seen, before, strict=True)
        if CODE.libraries(*each.work) != was
    }
    assert moved >= shaped
    assert not moved & not_shaped
