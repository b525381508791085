"""The page: text is escaped, it makes no request, and it has every number of report.json."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from p5rec.core.item_codes import ItemCodes
from p5rec.evaluate.schema import (
    Comparison,
    Measure,
    Method,
    Protocol,
    Report,
    Sample,
    Slice,
    load_report,
)  # fmt: skip
from p5rec.prompting.template import HELD_OUT
from p5rec.report.files import write_report
from p5rec.report.html import ASSETS, VOID, tag
from p5rec.report.numbers import number
from p5rec.report.page import page

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "docs" / "results").glob("*/report.json"))
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp; \u2028"
UNCLOSED = VOID | {"meta"}


class Reader(HTMLParser):
    """Reads a page, and checks that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({key for key, _ in attrs}) == len(attrs)
        self.tags.append((name, dict(attrs)))
        if name not in UNCLOSED:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        if name not in UNCLOSED:
            assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture
def made(method: Callable[..., Method], report: Callable[..., Report]) -> Callable[[str], Report]:
    """A report with content in every section, with ``said`` as text from outside."""

    def make(said: str) -> Report:
        rare = {"HR@10": Measure(value=0.21, low=0.1, high=0.3)}
        slices = {
            "item-frequency-q1": Slice(n=3, metrics=rare),
            "unseen-item": Slice(n=2, metrics="unsupported"),
            "repeat": Slice(n=1, metrics={"HR@10": Measure(value=0, low=0, high=0)}),
        }
        ours = method("small", {"HR@10": 0.31, "NDCG@10": 0.17, "MRR@20": 0.123}, slices=slices,
                      other_metrics={"coverage": 0.456}, by_seed={"HR@10": [0.3, 0.32]},
                      about={"prompts": ["rating.x.v1"], "file": said})  # fmt: skip
        difference = {"task": "sequential", "split": "test", "metric": "HR@10"}
        return report(
            ours,
            method(f"other {said}", {"HR@10": 0.22, "NDCG@10": 0.11}),
            method("llm", {"RMSE": 1.02, "MAE": 0.83}, "rating", duplicate_rate=None),
            comparisons=[
                Comparison(a="small", b=said, **difference, value=0.09, low=0.02, high=0.16,
                           sentence=f"small beats {said}"),
                Comparison(a="small", b="z", **difference, value=0.01, low=-0.02, high=0.04,
                           sentence="small vs z: no difference words"),
            ],
            samples=[
                Sample(kind="ranked list", method="small", query={"user": said, "latest": said},
                       prediction=["Same", "Same", said], target="Same", correct=True, rank=2,
                       depth=20),
                Sample(kind="ranked list", method="small", query={"user": "8"}, prediction=["One"],
                       target=said, correct=False, depth=20),
                Sample(kind="ranked list", method="old", prediction=["One", "Two"], target="Two",
                       correct=True, rank=2, depth=2),
                Sample(kind=f"explanation {said}", method="llm", prediction=[said], target=said),
            ],
            notes=[said],
            manifest={"config": {"name": said, "data": {"path": said}}, "versions": {"p5rec": "1"}},
        )  # fmt: skip

    return make


def test_text_from_outside_is_never_markup(made: Callable[[str], Report], tmp_path: Path) -> None:
    calm, wild = (Reader(page(made(said), tmp_path)) for said in ("calm", HOSTILE))
    assert [name for name, _ in wild.tags] == [name for name, _ in calm.tags]
    assert wild.text.count("<script>alert(1)</script>") >= 11
    assert not any(key.startswith("on") for _, attrs in wild.tags for key in attrs)


def test_the_page_makes_no_request_and_runs_only_its_own_script(
    made: Callable[[str], Report], tmp_path: Path
) -> None:
    codes = ItemCodes(np.array([[0, 1], [1, 1]], dtype=np.int32), (2, 4), "random")
    write_report(made("calm"), tmp_path, {"random": codes})
    text = (tmp_path / "report.html").read_text()
    found = Reader(text)
    policy = next(a["content"] for _, a in found.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for kind in ("script", "style"):
        (source,) = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.S)
        digest = b64encode(sha256(source.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    loads = [a[k] for _, a in found.tags for k in ("src", "srcset", "data", "poster") if k in a]
    assert len(loads) == 1  # the picture of the codes
    assert loads[0].startswith("data:image/png;base64,")
    links = [attrs["href"] for name, attrs in found.tags if "href" in attrs]
    assert {name for name, attrs in found.tags if "href" in attrs} == {"a"}
    anchors = {f"#{attrs['id']}" for _, attrs in found.tags if "id" in attrs}
    assert set(links) - anchors == {"report.json"}
    assert "style" not in {key for _, attrs in found.tags for key in attrs}
    assert not re.search(r"https?://|@import|url\(|innerHTML|eval\(|fetch\(", text)


def figures(report: Report) -> Iterator[float | None]:
    for one in report.methods:
        measures = [*one.metrics.values()]
        measures += [m for s in one.slices.values() if s.metrics != "unsupported"
                     for m in s.metrics.values()]  # fmt: skip
        yield from (value for m in measures for value in (m.value, m.low, m.high))
        yield from one.other_metrics.values()
        yield from (value for values in one.by_seed.values() for value in values)


@pytest.mark.parametrize("record", RESULTS, ids=lambda path: path.parent.name)
def test_every_committed_number_is_on_its_page(record: Path) -> None:
    """Every number of the committed reports is on their page."""
    report = load_report(record.parent)
    words = Reader(page(report, record.parent)).text
    absent = {number(value) for value in figures(report)} - set(re.findall(r"-?[\d.]+|-", words))
    assert not absent
    for one in report.methods:
        assert one.name in words
    for one in report.comparisons:
        assert one.sentence in words
        assert f"{one.value:+.4f}" in words
    for line in (*report.notes, *(s.target for s in report.samples)):
        assert " ".join(line.split()) in " ".join(words.split())


def test_every_section_has_its_content(made: Callable[[str], Report], tmp_path: Path) -> None:
    report = made("calm")
    found = Reader(page(report, tmp_path))
    for words in (
        "small beats calm", "small vs z: no difference words", "unsupported",
        "so all repeats are misses", "rank 2 of 20", "not in the top 20",
        "rank 2 of 2", "p5rec run sft --config config.yaml", "rating.x.v1", ".4560", ".3200",
    ):  # fmt: skip
        assert words in found.text, words
    assert {number(value) for value in figures(report)} <= set(re.findall(r"[\d.]+|-", found.text))
    tables = [attrs for name, attrs in found.tags if name == "table"]
    assert len(tables) == sum(name == "caption" for name, _ in found.tags)
    assert {attrs["scope"] for name, attrs in found.tags if name == "th"} == {"row", "col"}
    boxes = [attrs for _, attrs in found.tags if attrs.get("class") == "scroll"]
    assert len(boxes) == len(tables)
    assert all(box["tabindex"] == "0" and box["aria-label"] for box in boxes)


def test_a_task_with_held_out_templates_is_named_once(
    method: Callable[..., Method], report: Callable[..., Report], tmp_path: Path
) -> None:
    tasks = ("rating", f"rating{HELD_OUT}", "direct")
    words = Reader(page(report(*(method("m", {"RMSE": 1.0}, t) for t in tasks)), tmp_path)).words
    assert words[words.index("measured") + 1] == (
        "rating*, direct on test; * with held-out templates too"
    )


def test_the_target_is_marked_by_its_rank(made: Callable[[str], Report], tmp_path: Path) -> None:
    """Two items have the same title: the second is the target."""
    text = page(made("calm"), tmp_path)
    assert "<li><bdi>Same</bdi></li><li><mark><bdi>Same</bdi></mark> ← target</li>" in text
    assert "old: 1 of 1 are hits" in text


def test_a_large_picture_is_named_and_a_missing_one_left_out(
    made: Callable[[str], Report], tmp_path: Path
) -> None:
    (tmp_path / "heavy.png").write_bytes(bytes(300_000))
    report = made("calm").model_copy(update={"pictures": {"Heavy": "heavy.png", "Lost": "no.png"}})
    text = page(report, tmp_path)
    assert "Heavy: heavy.png in the folder of this page" in text
    assert "no.png" not in text
    assert "<img" not in text


def test_an_empty_protocol_is_enough(
    method: Callable[..., Method], report: Callable[..., Report], tmp_path: Path
) -> None:
    bare = report(method("m", {"x": float("nan")}), protocol=Protocol(splits={}, seeds=[0]),
                  manifest={"measured": "a/b.csv"}, data={})  # fmt: skip
    assert "<h1>b.csv</h1>" in page(bare, tmp_path)


def test_attributes_and_text_are_escaped() -> None:
    assert tag("a", "<b>", title='"') == '<a title="&quot;">&lt;b&gt;</a>'
    assert tag("p", tag("b", "x"), hidden=True, lang=None, class_="y") == (
        '<p hidden class="y"><b>x</b></p>'
    )


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
def test_the_script_parses() -> None:
    subprocess.run(["node", "--check", str(ASSETS / "report.js")], check=True)
