"""Strict loading: each kind of error with its line, and all errors of all files at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from p5rec.core.errors import UserError
from p5rec.core.paths import assets
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.template import fill, names

GOOD = """\
family: shop-rating
task: rating
description: Ratings in a shop.
target_type: rating
fields:
  title: title
  rating: number
few_shot:
  example: "{source} {target}"
templates:
  - id: plain
    version: 1
    source: "{examples}Rate {title}:"
    target: "{rating}"
"""


def write(folder: Path, text: str, name: str = "shop.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def errors(folder: Path) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        PromptLibrary.load(folder)
    return caught.value.lines


def test_a_valid_file_loads(tmp_path: Path) -> None:
    library = PromptLibrary.load(write(tmp_path, GOOD))
    template = library.get("shop-rating.plain")
    assert template.full_id == "shop-rating.plain.v1"
    assert template.fields == {"title", "rating"}
    assert library.locations[template.full_id].endswith("shop.yaml:11")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("target_type: rating\n", "target_typ: rating\n", 4, "did you mean 'target_type'"),
        ("target_type: rating", "target_type: text", 4, "expected 'rating', as task"),
        ("task: rating", "task: ratings", 2, "did you mean 'rating'"),
        ("  title: title", "  titel: title", 6, "did you mean 'title'"),
        ("  title: title", "  title: text", 6, "expected kind 'title'"),
        ("  title: title", "  title: wat", 6, "'wat'"),
        ("  title: title", "  title: title\n  item: item", 7, "'item' unused"),
        ("    version: 1\n", "", 11, "'version'"),
        ("version: 1", "version: one", 12, "version"),
        ("version: 1", "version: '1'", 12, "version"),
        ("version: 1", "version: 0", 12, "version"),
        ("version: 1", "version: 1\n    heldout: true", 13, "did you mean 'held_out'"),
        ("id: plain", "id: Plain Text", 11, "id"),
        ("{title}", "{titel}", 13, "did you mean 'title'"),
        ("{title}", "{rating}", 13, "a field of the other side"),
        ("{title}", "{title.upper}", 13, "got {title.upper}"),
        ("{title}", "{title[0]}", 13, "got {title[0]}"),
        ("{title}", "{title!r}", 13, "got {title!r}"),
        ("{title}", "{title:>9}", 13, "got {title:>9}"),
        ("{title}", "{}", 13, "got {}"),
        ("{title}", "{title", 13, "double a literal brace"),
        ("{examples}", "", 13, "slot {examples} once"),
        ("{examples}", "{examples}{examples}", 13, "got it 2 times"),
        ('target: "{rating}"', 'target: "four"', 14, "expected a field in the target"),
        ('target: "{rating}"', 'target: "{title}"', 14, "a field of the other side"),
        ('example: "{source} {target}"', 'example: "{src}"', 9, "did you mean 'source'"),
        ("family: shop-rating", "family: 3", 1, "family"),
        ("fields:\n  title: title\n  rating: number", "fields: [title, rating]", 5, "fields"),
        ("templates:", "templates: []\nother:", 10, "a list of at least one template"),
        ("  rating: number", "  rating: number\n  yes: number", 8, "got 'yes'"),
        ("description: Ratings", "no: 1\ndescription: Ratings", 3, "quote it"),
        ("description: Ratings", "description: {a: b: c}", 3, "valid YAML"),
        ("description: Ratings", "task: rating\ndescription: x", 3, "'task' again"),
    ],
)
def test_each_error_names_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert old in GOOD
    lines = errors(write(tmp_path, GOOD.replace(old, new)))
    hits = [error for error in lines if words in error]
    assert hits, lines
    assert hits[0].startswith(f"{tmp_path / 'shop.yaml'}:{line}: "), hits


@pytest.mark.parametrize(
    "junk", ["", "[a, b]", "{a: 1}", "3.5", "true", "'{'", "2020-01-01", "[{}]"]
)
def test_no_value_of_a_wrong_type_gets_through_or_crashes(tmp_path: Path, junk: str) -> None:
    lines = GOOD.splitlines()
    for i, line in enumerate(lines):
        key, _, value = line.partition(": ")
        if value and "description" not in key:
            changed = [*lines[:i], f"{key}: {junk}", *lines[i + 1 :]]
            lines_ = errors(write(tmp_path, "\n".join(changed)))
            assert any(f"shop.yaml:{i + 1}:" in error for error in lines_), (changed[i], lines_)


def test_a_repeated_id_names_both_lines(tmp_path: Path) -> None:
    again = GOOD + GOOD[GOOD.index("  - id") :].replace("version: 1", "version: 2")
    (error,) = errors(write(tmp_path, again))
    assert "shop.yaml:15: expected an id of its own, got 'plain'" in error
    assert "shop.yaml:11" in error


def test_all_errors_of_all_files_at_once(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("{title}", "{nope}").replace("version: 1", "version: x"), "a.yaml")
    write(tmp_path, "family: [unclosed", "b.yaml")
    write(tmp_path, GOOD.replace("target:", "targt:"), "c.yaml")
    write(tmp_path, GOOD, "d.yaml")
    write(tmp_path, GOOD, "e.yaml")
    write(tmp_path, GOOD, "f.yml")
    (tmp_path / "g.yaml").write_bytes(b"family: \xff\n")
    write(tmp_path, "- a list\n", "h.yaml")
    write(tmp_path, "family: bell\x07\n", "i.yaml")
    text = "\n".join(errors(tmp_path))
    for location in (
        "a.yaml:13",
        "a.yaml:12",
        "b.yaml:",
        "c.yaml:14",
        "e.yaml:1",
        "f.yml",
        "g.yaml",
    ):
        assert location in text, location
    assert "h.yaml" in text
    assert "i.yaml" in text
    assert "d.yaml:" not in text


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    assert "a folder of prompt files" in errors(tmp_path)[0]


def test_unknown_names_suggest_the_nearest(library: PromptLibrary) -> None:
    with pytest.raises(UserError, match="did you mean 'rating'"):
        library.family("ratng")
    with pytest.raises(UserError, match=r"rating\.direct-question"):
        library.get("rating.direct-questoin")


def test_extra_folders_add_families(tmp_path: Path) -> None:
    library = PromptLibrary.load(extra=[write(tmp_path, GOOD)])
    assert "shop-rating" in library.families()
    assert len(library.families()) == 36


def test_a_dump_reloads_equal(library: PromptLibrary) -> None:
    again = PromptLibrary.from_dump(library.subset_dump(["rating", "direct"]))
    assert again.families() == ("direct", "rating")
    assert again.templates("rating") == library.templates("rating")
    assert PromptLibrary.from_dump(library.subset_dump()).digest() == library.digest()
    assert again.digest() != library.digest()


def test_a_damaged_dump_is_an_error() -> None:
    with pytest.raises(UserError, match="stored prompts: rating"):
        PromptLibrary.from_dump({"rating": {"family": "rating"}})


def test_shipped_families_have_eight_templates_two_held_out(library: PromptLibrary) -> None:
    assert len(library.families()) == 35
    for family in library.families():
        plain, after = (
            [t for t in library.templates(family) if t.after_history == wanted]
            for wanted in (False, True)
        )
        assert len(plain) >= 8, family
        assert sum(t.held_out for t in plain) == 2, family
        assert [t.held_out for t in after] in ([], [False, False, True]), family
        texts = {(t.source, t.target) for t in library.templates(family)}
        assert len(texts) == len(library.templates(family))


def test_a_template_after_a_history_has_no_slot_of_examples(tmp_path: Path) -> None:
    text = (assets("prompts") / "rating.yaml").read_text()
    wrong = text.replace("The user rates {item}", "{examples}The user rates {item}")
    (tmp_path / "rating.yaml").write_text(wrong)
    with pytest.raises(UserError, match="with after_history") as caught:
        PromptLibrary.load(tmp_path)
    assert len(caught.value.lines) == 1


def test_literal_braces_are_doubled() -> None:
    assert names("{{x}} {y}") == {"y"}
    assert fill("{{x}} {y}", {"y": "{z}"}) == "{x} {z}"
