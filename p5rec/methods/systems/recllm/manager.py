"""The dialogue manager: a language model writes each step. b dialogues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from p5rec.core.examples import Example
from p5rec.models.bundle import Bundle
from p5rec.models.inputs import fit_prompt
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.render import render
from p5rec.prompting.template import Template
from p5rec.recommend.generation import Generated, generate
from p5rec.tasks.dialogues.dialogue import Dialogue
from p5rec.tasks.dialogues.steps import Step, read_step
from p5rec.tasks.fields import Record
from p5rec.tasks.topics import Topics

from .settings import TASK, RecllmSettings
from .steps_grammar import StepGrammars, Understanding


@dataclass
class Cost:
    """What a language model spent.

    Attributes:
        read, written: tokens of prompts, and of texts.
        seconds: of writing.
    """

    read: int = 0
    written: int = 0
    seconds: float = 0.0


@dataclass(eq=False)
class ModelManager:
    """A language model as :class:`p5rec.tasks.dialogues.play.Manager`.

    A step does not depend on the other dialogues.

    Attributes:
        bundle: the model, ready to predict.
        template: of its prompts.
        topics: that a dialogue can be about.
        batch_tokens: prompt tokens read together, padding included.
        understand: see :class:`.steps_grammar.StepGrammars`.
        costs: of each dialogue, by its id.
    """

    bundle: Bundle
    template: Template
    topics: Topics
    batch_tokens: int
    understand: Understanding = "heard"
    costs: dict[int, Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.grammars = StepGrammars(self.topics, self.understand)

    @classmethod
    def of(cls, bundle: Bundle, method: RecllmSettings, topics: Topics) -> ModelManager:
        """The manager of a fitted model."""
        template = PromptLibrary.from_dump(bundle.prompts).get(method.template)
        assert method.understand != "exact", "the settings allow it for rules alone"
        return cls(bundle, template, topics, method.batch_tokens, method.understand)

    def steps(self, dialogues: Sequence[Dialogue]) -> list[Step]:
        """See :class:`p5rec.tasks.dialogues.play.Manager`; the grammar allows no other step."""
        written = self.write(dialogues)
        steps = []
        for dialogue, each in zip(dialogues, written, strict=True):
            step = read_step(each.text, self.topics)
            assert step is not None, each.text
            assert step.call in dialogue.allowed(), each.text
            steps.append(step)
        return steps

    def write(self, dialogues: Sequence[Dialogue]) -> list[Generated]:
        """The texts of the next steps."""
        limit, tokenizer = self.bundle.settings.max_tokens, self.bundle.tokenizer
        prompts = [fit_prompt(tokenizer, self.prompt(each), limit).ids for each in dialogues]
        written = generate(
            self.bundle,
            prompts,
            [self.grammars.of(each) for each in dialogues],
            max_new_tokens=self.grammars.longest + 1,
            batch_tokens=self.batch_tokens,
        )
        for dialogue, ids, each in zip(dialogues, prompts, written, strict=True):
            cost = self.costs.setdefault(id(dialogue), Cost())
            cost.read += len(ids)
            cost.written += each.tokens
            cost.seconds += each.seconds
        return written

    def prompt(self, dialogue: Dialogue) -> Example:
        """The prompt of the next step."""
        values = dialogue.values()
        values |= {name: self.bundle.literal(values[name]) for name in ("utterance", "facts")}
        return render(self.template, Record(TASK, {**values, "step": ""}))
