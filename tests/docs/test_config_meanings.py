"""Every key of every config says what it means, and has a type and a default in words."""

from pathlib import Path

import pytest
from fields import keys_of, models_below
from pydantic import BaseModel

from p5rec.cli.run import load
from p5rec.core.paths import assets
from p5rec.prompting.template import FamilySpec

RECIPE = load(Path(assets("recipes")) / "sft.py").SCHEMA
MODELS = [*models_below(RECIPE), *models_below(FamilySpec)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_has_a_meaning_a_type_and_a_default(model: type[BaseModel]) -> None:
    for key in keys_of(model):
        assert key.meaning.endswith("."), key.name
        assert key.type, key.name
        assert key.default, key.name
