"""YAML to typed config: strict, with every error at its file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from p5rec.core.config import Config, bind, compose, dump_yaml, load, locating, read_tree, read_yaml
from p5rec.core.errors import UserError


class Adapter(Config):
    rank: int = 4


class Model(Config):
    name: str = "small"
    layers: int = Field(2, ge=1)
    adapter: Adapter | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"


class Gauss(Config):
    kind: Literal["gauss"] = "gauss"
    width: float = 1.0


class Box(Config):
    kind: Literal["box"] = "box"
    edges: tuple[float, ...] = ()


class Recipe(Config):
    seed: int
    models: dict[str, Model] = {}
    noise: Gauss | Box = Gauss()
    steps: tuple[Model, ...] = ()


@pytest.fixture
def write(tmp_path: Path):
    def to(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return to


def lines_of(caught: pytest.ExceptionInfo[UserError]) -> list[str]:
    return list(caught.value.lines)


def test_a_dumped_config_loads_equal(write) -> None:
    text = "seed: 3\nmodels:\n  a: {adapter: {rank: 8}}\n  b: {}\nnoise: {kind: box, edges: [1]}\n"
    config = load(write("r.yaml", text), Recipe)
    assert config.models["a"].adapter == Adapter(rank=8)
    assert config.noise == Box(edges=(1.0,))
    assert load(write("again.yaml", dump_yaml(config)), Recipe) == config
    assert Recipe(**config.dump()) == config


def test_a_composed_schema_is_as_strict_as_its_fields() -> None:
    schema = compose("Sft", model=Model, seed=(int, 0))
    assert schema(model={}).dump()["seed"] == 0
    with pytest.raises(UserError) as caught:
        bind(schema, {"modle": {}}, {}, "x.yaml")
    assert lines_of(caught) == [
        "x.yaml: expected a value for 'model', got none; add it",
        "x.yaml: expected a known key, got 'modle'; did you mean 'model'?",
    ]


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Adapter().rank = 5


def test_an_unknown_key_is_reported_with_its_line_and_the_nearest_name(write) -> None:
    path = write("r.yaml", "seed: 1\nmodels:\n  a:\n    layres: 3\n")
    with pytest.raises(UserError) as caught:
        load(path, Recipe)
    assert lines_of(caught) == [
        f"{path}:4: expected a known key, got 'models.a.layres'; did you mean 'layers'?"
    ]


@pytest.mark.parametrize(
    ("tree", "near"),
    [
        ({"sed": 1}, "'seed'"),
        ({"models": {"a": {"adapter": {"rnk": 1}}}}, "'rank'"),
        # a method may be called like a field; its keys are still a model's
        ({"models": {"adapter": {"layres": 1}}}, "'layers'"),
        ({"models": {"name": {"adaptor": {}}}}, "'adapter'"),
        ({"noise": {"kind": "box", "edgse": []}}, "'edges'"),
        ({"steps": [{}, {"layres": 1}]}, "'layers'"),
    ],
)
def test_hints_name_near_keys_at_any_depth(tree: dict, near: str) -> None:
    with pytest.raises(UserError) as caught:
        bind(Recipe, {"seed": 1, **tree}, {}, "r.yaml")
    hints = [line for line in caught.value.lines if "did you mean" in line]
    assert hints
    assert any(near in line for line in hints)


def test_all_errors_are_reported_at_once(write) -> None:
    path = write(
        "r.yaml",
        "models:\n  a:\n    layers: 0\n    dtype: float16\n  b:\n    colour: red\nsteps: 5\n",
    )
    with pytest.raises(UserError) as caught:
        load(path, Recipe)
    assert [line.split(" ")[0] for line in caught.value.lines] == [
        f"{path}:1:", f"{path}:3:", f"{path}:4:", f"{path}:6:", f"{path}:7:",
    ]  # fmt: skip
    message = "\n".join(caught.value.lines)
    for text in ("'seed', got none", "greater than or equal to 1, got 0", "'float16'", "colour"):
        assert text in message


def test_a_config_is_merged_over_its_base(write) -> None:
    write("bottom.yaml", "seed: 1\nmodels: {a: {layers: 3, name: x}, b: {}}\n")
    write("middle.yaml", "base: bottom.yaml\nseed: 2\n")
    path = write("top.yaml", "base: middle.yaml\nmodels: {a: {layers: 5}}\nsteps: [{}]\n")
    config = load(path, Recipe)
    assert config.seed == 2
    assert config.models == {"a": Model(layers=5, name="x"), "b": Model()}
    assert len(config.steps) == 1


def test_an_error_in_a_base_is_reported_at_the_base(write) -> None:
    base = write("bottom.yaml", "seed: 1\nmodels:\n  a: {layres: 3}\n")
    path = write("top.yaml", "base: bottom.yaml\nseed: 2\n")
    with pytest.raises(UserError) as caught:
        load(path, Recipe)
    assert lines_of(caught)[0].startswith(f"{base}:3: expected a known key")


def test_a_missing_base_or_a_cycle_of_bases_is_one_line(write) -> None:
    with pytest.raises(UserError, match=r"gone\.yaml: expected a YAML file, got nothing there"):
        read_tree(write("r.yaml", "base: gone.yaml\n"))
    write("a.yaml", "base: b.yaml\n")
    with pytest.raises(UserError, match=r"got a cycle \(a\.yaml > b\.yaml > a\.yaml\)"):
        read_tree(write("b.yaml", "base: a.yaml\n").with_name("a.yaml"))


def test_an_entry_with_like_inherits_from_its_sibling(write) -> None:
    text = "seed: 1\nmodels:\n  a: {layers: 3, adapter: {rank: 8}}\n  b: {like: a, layers: 5}\n"
    config = load(write("r.yaml", text), Recipe, ["models.c={like: a}"])
    assert config.models["b"] == Model(layers=5, adapter=Adapter(rank=8))
    assert config.models["c"] == config.models["a"]
    for sibling in ("z", "b", "[a]"):
        path = write("r.yaml", text.replace("like: a", f"like: {sibling}"))
        with pytest.raises(UserError, match="expected `like` to name a sibling entry") as caught:
            load(path, Recipe)
        assert str(caught.value).startswith(f"{path}:4: ")


def test_overrides_win_and_are_named_in_errors(write) -> None:
    path = write("r.yaml", "seed: 1\nmodels: {a: {name: x, layers: 3}}\n")
    config = load(path, Recipe, ["models.a.layers=7", "models.b={}", "seed=10"])
    assert config.models == {"a": Model(name="x", layers=7), "b": Model()}
    assert config.seed == 10
    with pytest.raises(UserError) as caught:
        load(path, Recipe, ["models.a={layres: 7}", "models.a.layers=0"])
    assert lines_of(caught) == [
        "override 'models.a.layers=0': models.a.layers: input should be greater than or equal "
        "to 1, got 0; change the value",
        "override 'models.a={layres: 7}': expected a known key, got 'models.a.layres'; "
        "did you mean 'layers'?",
    ]


def test_all_malformed_overrides_and_all_wrong_likes_are_reported(write) -> None:
    path = write("r.yaml", "models:\n  a: {like: x}\n  b: {}\n  c: {like: c}\n")
    with pytest.raises(UserError) as caught:
        load(path, Recipe, ["seed", "seed=1", "=3"])
    assert ["'seed'" in lines_of(caught)[0], "'=3'" in lines_of(caught)[1]] == [True, True]
    with pytest.raises(UserError) as caught:
        load(path, Recipe)
    assert [line.split(" ")[0] for line in lines_of(caught)] == [f"{path}:2:", f"{path}:4:"]


def test_an_error_that_starts_with_a_key_is_located_at_that_key(write) -> None:
    write("base.yaml", "seed: 1\nmodels:\n  inherited: {layers: 3}\n")
    path = write("r.yaml", "base: base.yaml\nmodels:\n  own:\n    adapter: {rank: 8}\n")
    _, lines = read_tree(path, ["steps=3"])
    messages = {
        "models.own.adapter.rank: too low": f"{path}:4: ",
        "models.own.missing: not there": f"{path}:3: ",
        "models.own (and others): wrong": f"{path}:3: ",
        "models.ownership: wrong": f"{path}:2: ",
        "models.inherited: wrong": f"{path}:1: base ({path.with_name('base.yaml')}:3): ",
        "steps: too few": "override 'steps=3': ",
        "a sentence about seeds": "",
        f"{path}:3: models.own: located before": "",
    }
    with pytest.raises(UserError) as caught, locating(lines):
        raise UserError(*messages)
    assert lines_of(caught) == [place + message for message, place in messages.items()]


@pytest.mark.parametrize("override", ["seed", "=3", "seed=[1", "seed={a: b: c}"])
def test_a_malformed_override_is_one_line(write, override: str) -> None:
    with pytest.raises(UserError) as caught:
        load(write("r.yaml", "seed: 1\n"), Recipe, [override])
    assert len(caught.value.lines) == 1
    assert repr(override) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("seed: 1\nmodels: {a: \n  - b\nseed: [", 3, "expected valid YAML"),
        ("seed: 1\nname: x\nseed: 2\n", 3, "expected each key once, got 'seed' again"),
        ("a:\n  b: 1\n  b: 2\n", 3, "expected each key once, got 'b' again"),
        ("1: 2\n", 1, "expected keys that are strings"),
        ("seed: !!python/object/apply:os.getcwd []\n", 1, "expected valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "expected valid YAML"),
    ],
)
def test_broken_yaml_is_reported_with_its_line(write, text: str, line: int, message: str) -> None:
    path = write("r.yaml", text)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}:{line}: {message}")
    assert len(caught.value.lines) == 1


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "word"])
def test_yaml_without_a_mapping_is_refused(write, text: str) -> None:
    with pytest.raises(UserError, match="expected a mapping of keys"):
        read_yaml(write("r.yaml", text))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"seed: \xff\xfe")
    with pytest.raises(UserError, match="expected UTF-8 text, got invalid start byte at byte 6"):
        read_yaml(tmp_path / "r.yaml")
