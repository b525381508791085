"""`p5rec prompts` from the command line, without data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from p5rec.cli.main import main
from p5rec.core.paths import assets
from p5rec.prompting.library import PromptLibrary


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["p5rec", "prompts", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def test_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    library = PromptLibrary.load()
    assert call(monkeypatch, "list") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("ID ")
    assert [line.split()[0] for line in lines] == [t.id for t in library.templates()]
    assert call(monkeypatch, "list", "--family", "rating") == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1 + len(library.templates("rating"))
    assert out.count("held-out") == len(library.templates("rating", held_out=True))
    assert call(monkeypatch, "list", "--family", "ratings") == 2
    assert "did you mean 'rating'" in capsys.readouterr().err


def test_show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "show", "direct.gift.v1") == 0
    out = capsys.readouterr().out
    assert "held out of training" in out
    assert "direct.yaml:" in out
    assert "{liked_titles}" in out


def test_lint_and_lock(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call(monkeypatch, "lint") == 0
    library = PromptLibrary.load()
    counts = f"{len(library.templates())} templates in {len(library.families())} families"
    assert capsys.readouterr().out.startswith(f"OK: {counts}")
    shutil.copy(assets("prompts") / "rating.yaml", tmp_path)
    assert call(monkeypatch, "lock", tmp_path) == 0
    assert call(monkeypatch, "lint", tmp_path) == 0
    text = (tmp_path / "rating.yaml").read_text().replace("{user_mean}", "{user_maen}")
    (tmp_path / "rating.yaml").write_text(text)
    capsys.readouterr()
    assert call(monkeypatch, "lint", tmp_path) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all("rating.yaml:" in line and "did you mean 'user_mean'" in line for line in lines)


def test_render(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    name = "rating.ids-only"
    words = ("--set", "item=<z_1>", "--set", "rating=2.5", "--set", "rated_items=<y_1>; <y_2>")
    assert call(monkeypatch, "render", name, *words) == 0
    out = capsys.readouterr().out
    assert "To be rated: <z_1>\n" in out
    assert "Rated so far: <y_1>, <y_2>\n" in out
    assert out.endswith("[target]\n2.5\n")
    assert call(monkeypatch, "render", name, "--chat", "--shots", 2) == 0
    messages = json.loads(capsys.readouterr().out)
    assert [m["role"] for m in messages] == ["system", "user", "assistant"]
    assert messages[1]["content"].count("To be rated") == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "itm=3"), "got 'itm'; did you mean 'item'?"),
        (("--set", "rating=high"), "rating: expected a number, got 'high'"),
        (("--set", "item"), "expected field=value, got 'item'"),
    ],
)
def test_bad_settings_are_one_line(
    words: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, "render", "rating.ids-only", *words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert message in captured.err


def test_a_recipe_may_name_folders(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    text = (assets("prompts") / "rating.yaml").read_text()
    (own / "mine.yaml").write_text(text.replace("family: rating", "family: mine"))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"seed: 1\nmethods:\n  llm:\n    prompts:\n      folders: ['{own}']\n")
    for words in (("--config", recipe), ("--folder", own), ("--family", "mine", "--folder", own)):
        capsys.readouterr()
        assert call(monkeypatch, "list", *words) == 0
        head, *names = capsys.readouterr().out.splitlines()
        assert head.startswith("ID ")
        assert len(names) == len(PromptLibrary.load().templates("rating"))
        assert all(name.startswith("mine.") for name in names)
    assert call(monkeypatch, "list", "--family", "direct", "--folder", own) == 0
    capsys.readouterr()
    assert call(monkeypatch, "list", "--family", "mien", "--folder", own) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"in {assets('prompts')}, {own}, got 'mien'; did you mean 'mine'? (name the" in line
    assert line.endswith("by --folder)")
    assert call(monkeypatch, "render", "mine.completion", "--folder", own) == 0
    for text, line in (("    prompts:\n      folders: 3\n", 4), ("    prompts: own\n", 3)):
        recipe.write_text("methods:\n  llm:\n" + text)
        capsys.readouterr()
        assert call(monkeypatch, "list", "--config", recipe) == 2
        assert f"{recipe}:{line}" in capsys.readouterr().err
