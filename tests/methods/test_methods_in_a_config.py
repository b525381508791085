"""Methods in a config: the kind selects the settings."""

from __future__ import annotations

import pytest

from p5rec.core.config import FileName, bind, compose
from p5rec.core.errors import UserError
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.registry import DEFAULT, METHODS, any_method

SCHEMA = compose("Recipe", methods=(dict[FileName, any_method()], {}))


def test_the_kind_selects_the_config() -> None:
    tree = {"methods": {"a": {"kind": "ease", "l2": 3}, "b": {"train": {"steps": 1}}}}
    recipe = bind(SCHEMA, tree, {}, "my.yaml")
    assert recipe.methods["a"] == Ease(l2=3)
    assert recipe.methods["b"].kind == DEFAULT
    assert bind(SCHEMA, recipe.dump(), {}, "again") == recipe


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "eese"}, "a kind of method, got 'eese'; did you mean 'ease'"),
        ({"kind": "ease", "l3": 4}, "got 'methods.a.l3'; known: half_life, kind, l2, max_items, "),
        ({"kind": "ease", "l2": -4}, "methods.a.l2: input should be greater than 0, got -4"),
        ({"kind": "ease", "tune": {"l3": [4]}}, "methods.a: value error, tune: no setting 'l3'"),
        ({"kind": "ease", "tune": {"l2": [-4]}}, "methods.a.l2: input should be greater than 0"),
        ({"kind": "sasrec", "train": {}}, "expected a known key, got 'methods.a.train'"),
        (
            {"train": {"stepz": 3}},
            "expected a known key, got 'methods.a.train.stepz'; did you mean",
        ),
        (
            {"kind": "nearest-review", "task": "sumary"},
            "users wrote (explanation, review, summary)",
        ),
        ({"kind": "lead-sentence", "task": "review"}, "users wrote (summary)"),
        (
            {"kind": "most-frequent", "task": "summary", "tune": {"max_words": [1, 2]}},
            "methods.a: value error, tune: validation needs a most-frequent",
        ),
        (
            {"train": {"tasks": {"rating": {}}}, "tune": {"train.steps": [1, 2]}},
            "methods.a: value error, tune: validation needs a generative with predict_",
        ),
        (
            {"tune": {"train.tasks": [{"next-item": {}}, {"rating": {}}]}},
            "methods.a: value error, tune: validation needs a generative with predict_",
        ),
        (
            {"tune": {"train.learnrate": [1]}},
            "got 'methods.a.train.learnrate'; did you mean 'learning_rate'",
        ),
        (
            {"tune": {"item_head.init_std": [1]}},
            "tune: expected a setting, got 'item_head.init_std'; item_head has none",
        ),
        ({"tune": {"ids": ["a", "b"]}}, "methods.a: value error, tune: no setting 'ids'; known: "),
        ({"kind": "most-frequent"}, "expected a value for 'methods.a.task', got none"),
    ],
)
def test_an_error_is_one_line(section: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        bind(SCHEMA, {"methods": {"a": section}}, {}, "my.yaml")
    (line,) = caught.value.lines
    assert message in line
    assert line.startswith("my.yaml: ")


def test_every_kind_equals_the_default_of_its_class() -> None:
    for kind in METHODS:
        assert METHODS.get(kind).model_fields["kind"].default == kind
