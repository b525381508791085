"""Kinds of backbone, and how a config names one."""

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

# a config's section
AnyBackbone = Annotated[BackboneConfig, Kinds(BACKBONES, default="pretrained")]
