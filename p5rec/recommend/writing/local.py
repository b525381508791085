"""Texts of a language model on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import BACKBONES, AnyBackbone
from p5rec.core.code import Work
from p5rec.tasks.literal import Literal as Escape

from .port import Answer, Assignment, GeneratorConfig, Request, Writer

if TYPE_CHECKING:  # a config is read without torch
    from p5rec.models.language import OpenedModel


class Local(GeneratorConfig):
    """A language model on this machine, decoded greedily."""

    kind: Literal["local"] = "local"
    backbone: AnyBackbone = Pretrained(lora=None)
    """The language model: ``{name: smollm2}``, a local folder, or a name on the hub."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the model's arithmetic."""
    max_tokens: int = Field(768, ge=1)
    """Most tokens of a prompt; longer prompts are shortened."""
    max_new_tokens: int = Field(128, ge=1)
    """Most tokens of a text."""
    batch_tokens: int = Field(8192, ge=1)
    """Prompt tokens decoded together, padding included."""

    def open(self, assignment: Assignment) -> Writer:
        """See :class:`.port.GeneratorConfig`."""
        from p5rec.backbones.load import load_backbone
        from p5rec.models.language import LanguageModel, OpenedModel

        plain = self.backbone.model_copy(update={"lora": None})
        backbone = load_backbone(plain, (), 0, download=True)
        model = LanguageModel(backbone)
        model.ready(self.precision)
        return LocalWriter(self, OpenedModel(model, backbone.vocabulary), assignment)

    def reads(self) -> dict[str, str]:
        """See :class:`.port.GeneratorConfig`."""
        return self.backbone.fingerprint()

    @property
    def code(self) -> tuple[Work, ...]:
        """See :class:`.port.GeneratorConfig`."""
        return (BACKBONES.target(self.backbone.kind),)


class LocalWriter:
    """An opened language model.

    Args:
        config: of the generator.
        opened: the model and its vocabulary.
        assignment: the form of its answers.
    """

    def __init__(self, config: Local, opened: OpenedModel, assignment: Assignment) -> None:
        from p5rec.backbones.control_tokens import literal_for
        from p5rec.recommend.answer_grammar import grammar_of

        self.config, self.opened = config, opened
        self.escape: Escape = literal_for(opened.vocabulary.tokenizer)
        self.grammar = grammar_of(assignment.form)
        self.shortened = 0

    @property
    def facts(self) -> dict[str, int]:
        """The number of prompts that were shortened to fit."""
        return {"shortened_prompts": self.shortened}

    def write(self, requests: Sequence[Request]) -> list[Answer]:
        """See :class:`.port.Writer`."""
        from p5rec.models.inputs import fit_prompt
        from p5rec.recommend.generation import generate

        examples: list[Any] = [request.prompt for request in requests]
        tokenizer, limit = self.opened.vocabulary.tokenizer, self.config.max_tokens
        prompts = [fit_prompt(tokenizer, example, limit) for example in examples]
        self.shortened += sum(prompt.shortened or prompt.cut for prompt in prompts)
        written = generate(
            self.opened,
            [prompt.ids for prompt in prompts],
            self.grammar,
            max_new_tokens=self.config.max_new_tokens,
            batch_tokens=self.config.batch_tokens,
        )
        return [
            Answer(each.text or None, len(prompt.ids), each.tokens, each.seconds)
            for prompt, each in zip(prompts, written, strict=True)
        ]
