"""The version rule: a text cannot change under its version."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from p5rec.core.artefacts import read_json
from p5rec.core.errors import UserError
from p5rec.core.paths import assets
from p5rec.prompting import lock
from p5rec.prompting.library import PromptLibrary
from p5rec.tasks.fields import FIELDS
from p5rec.tasks.registry import TASKS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("rating.yaml", "lock.json"):
        shutil.copy(assets("prompts") / name, tmp_path / name)
    return tmp_path


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "rating.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_shipped_prompts_are_locked(library: PromptLibrary) -> None:
    assert lock.lint(assets("prompts")).templates() == library.templates()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A user has given", "One user has given"),
        ('example: "{source}\\n{target}"', 'example: "{source} => {target}"'),
        ("You predict ratings.", "You guess ratings."),
    ],
)
def test_a_changed_text_needs_a_new_version(folder: Path, old: str, new: str) -> None:
    edit(folder, old, new)
    before = (folder / "lock.json").read_bytes()
    for refuse in (lock.lint, lock.write):
        with pytest.raises(UserError, match=r"rating\.yaml:\d+: expected the text locked for"):
            refuse(folder)
    assert (folder / "lock.json").read_bytes() == before


def test_a_new_version_is_added_and_the_old_one_stays(folder: Path) -> None:
    edit(folder, "A user has given", "One user has given")
    edit(folder, "id: direct-question\n    version: 1", "id: direct-question\n    version: 2")
    with pytest.raises(UserError, match=r"expected rating\.direct-question\.v2 in"):
        lock.lint(folder)
    old = read_json(folder / "lock.json")
    assert lock.write(folder) == ["rating.direct-question.v2"]
    new = read_json(folder / "lock.json")
    assert {**old, "rating.direct-question.v2": new["rating.direct-question.v2"]} == new
    assert lock.write(folder) == []
    lock.lint(folder)


def test_a_new_description_needs_no_version(folder: Path) -> None:
    edit(folder, "description: How", "description: Just how")
    lock.lint(folder)


def test_a_missing_or_damaged_lock_is_an_error(folder: Path) -> None:
    (folder / "lock.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match="a mapping of ids to hashes"):
        lock.lint(folder)
    (folder / "lock.json").unlink()
    with pytest.raises(UserError, match="a lock file, got nothing"):
        lock.lint(folder)


def test_a_check_needs_no_lock_file_but_heeds_one(folder: Path) -> None:
    shipped = PromptLibrary.load().templates("rating")
    assert lock.check(folder).templates() == shipped
    edit(folder, "A user has given", "One user has given")
    with pytest.raises(UserError, match=rf"then run `p5rec prompts lock {folder}`$"):
        lock.check(folder)
    (folder / "lock.json").unlink()
    assert len(lock.check(folder).templates()) == len(shipped)


def test_hashes_depend_on_what_reaches_the_model(library: PromptLibrary) -> None:
    assert len(set(library.hashes().values())) == len(library.templates())


def test_the_readme_lists_every_task_and_field() -> None:
    text = (assets("prompts") / "README.md").read_text(encoding="utf-8")
    for name, field in FIELDS.items():
        assert f"| `{name}` | {field.kind} | {field.about} |" in text
    for name in TASKS:
        task = TASKS.get(name)
        if not task.source_fields:
            continue  # a task without prompts
        assert f"| `{name}` | {task.target_type} |" in text
        assert f"| `{' '.join(task.target_fields)}` |" in text
        if name != "sequential-candidates":
            assert f"| `{' '.join(task.source_fields)}` |" in text, name
