"""The registry of backbone kinds."""

from __future__ import annotations

from typing import Annotated

from p5rec.core.kinds import Kinds
from p5rec.core.registry import Registry

from .config import BackboneConfig

BACKBONES = Registry(
    "kind of backbone",
    {
        "pretrained": "p5rec.backbones.pretrained:Pretrained",
        "scratch": "p5rec.backbones.scratch:Scratch",
    },
)

# type of a config's backbone section
AnyBackbone = Annotated[BackboneConfig, Kinds(BACKBONES, default="pretrained")]
