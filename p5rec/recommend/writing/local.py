"""Texts of a language model on this machine, and what all its generators share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import BACKBONES, AnyBackbone
from p5rec.core.code import Work
from p5rec.tasks.literal import Literal as Escape

from .port import Answer, Assignment, GeneratorConfig, Request, Writer

if TYPE_CHECKING:  # a config is read without torch
    from p5rec.models.language import OpenedModel


class ModelConfig(GeneratorConfig):
    """A language model on this machine that reads prompts."""

    backbone: AnyBackbone = Pretrained(lora=None)
    """The language model: ``{name: smollm2}``, a local folder, or a name on the hub."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the model's arithmetic."""
    max_tokens: int = Field(768, ge=1)
    """Most tokens of a prompt; longer prompts are shortened."""
    batch_tokens: int = Field(8192, ge=1)
    """Prompt tokens read together, padding included."""

    def open_model(self) -> OpenedModel:
        """The model, ready to read prompts, and its vocabulary."""
        from p5rec.backbones.load import load_backbone
        from p5rec.models.language import LanguageModel, OpenedModel

        plain = self.backbone.model_copy(update={"lora": None})
        backbone = load_backbone(plain, (), 0, download=True)
        model = LanguageModel(backbone)
        model.ready(self.precision)
        return OpenedModel(model, backbone.vocabulary)

    def reads(self) -> dict[str, str]:
        """See :class:`.port.GeneratorConfig`."""
        return self.backbone.fingerprint()

    @property
    def code(self) -> tuple[Work, ...]:
        """See :class:`.port.GeneratorConfig`."""
        return (BACKBONES.target(self.backbone.kind),)


class Local(ModelConfig):
    """A language model on this machine, decoded greedily."""

    kind: Literal["local"] = "local"
    max_new_tokens: int = Field(128, ge=1)
    """Most tokens of a text."""

    def open(self, assignment: Assignment) -> Writer:
        """See :class:`.port.GeneratorConfig`."""
        return LocalWriter(self, self.open_model(), assignment)


class PromptReader:
    """An opened language model.

    Args:
        config: of the generator.
        opened: the model and its vocabulary.
    """

    def __init__(self, config: ModelConfig, opened: OpenedModel) -> None:
        from p5rec.backbones.control_tokens import literal_for

        self.max_tokens, self.batch_tokens = config.max_tokens, config.batch_tokens
        self.opened = opened
        self.escape: Escape = literal_for(opened.vocabulary.tokenizer)
        self.shortened = 0

    @property
    def facts(self) -> dict[str, int]:
        """The number of prompts that were shortened to fit."""
        return {"shortened_prompts": self.shortened}

    def tokens(self, requests: Sequence[Request]) -> list[np.ndarray]:
        """The token ids of each prompt ``(T,)``, shortened where necessary."""
        from p5rec.models.inputs import fit_prompt

        examples: list[Any] = [request.prompt for request in requests]
        tokenizer = self.opened.vocabulary.tokenizer
        prompts = [fit_prompt(tokenizer, example, self.max_tokens) for example in examples]
        self.shortened += sum(prompt.shortened or prompt.cut for prompt in prompts)
        return [prompt.ids for prompt in prompts]


class LocalWriter(PromptReader):
    """An opened language model that writes.

    Args:
        config: of the generator.
        opened: the model and its vocabulary.
        assignment: the form of its answers.
    """

    def __init__(self, config: Local, opened: OpenedModel, assignment: Assignment) -> None:
        from p5rec.recommend.answer_grammar import grammar_of

        super().__init__(config, opened)
        self.grammar, self.max_new_tokens = grammar_of(assignment.form), config.max_new_tokens

    def write(self, requests: Sequence[Request]) -> list[Answer]:
        """See :class:`.port.Writer`."""
        from p5rec.recommend.generation import generate

        prompts = self.tokens(requests)
        written = generate(
            self.opened,
            prompts,
            self.grammar,
            max_new_tokens=self.max_new_tokens,
            batch_tokens=self.batch_tokens,
        )
        return [
            Answer(each.text or None, len(ids), each.tokens, each.seconds)
            for ids, each in zip(prompts, written, strict=True)
        ]
