"""The registry of generator kinds."""

from __future__ import annotations

from typing import Annotated

from p5rec.core.kinds import Kinds
from p5rec.core.registry import Registry

from .port import GeneratorConfig

GENERATORS = Registry(
    "kind of generator",
    {
        "local": "p5rec.recommend.writing.local:Local",
        "file": "p5rec.recommend.writing.text_file:TextFile",
        "prompt": "p5rec.recommend.writing.echo:Echo",
        "endpoint": "p5rec.recommend.writing.endpoint:Endpoint",
        "choices": "p5rec.recommend.writing.choices:Choices",
        "popular-choices": "p5rec.recommend.writing.popular:PopularChoices",
    },
)

# type of a config's generator section
AnyGenerator = Annotated[GeneratorConfig, Kinds(GENERATORS, default="local")]
