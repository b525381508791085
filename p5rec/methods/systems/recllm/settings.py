"""The settings of RecLLM: the dialogue manager, its tools, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from p5rec.backbones.config import LoraSettings
from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import AnyBackbone
from p5rec.backbones.vectors_config import MAX_TOKENS
from p5rec.models.config import HeadsConfig
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.dialogues.dialogue import Limits
from p5rec.tasks.dialogues.phrasings import Half
from p5rec.tasks.dialogues.policies import Rule
from p5rec.tasks.dialogues.users import Kind
from p5rec.train.config import TaskConfig, TrainConfig
from p5rec.train.learner import LearnerConfig

from ...needs import Need, Vectors
from ...over_lists import OverLists
from ...registry import any_method

TASK, REASONS = "dialogue", "explanation"  # prompt families
RANKER, VECTORS = "ranker", "vectors"  # settings, inputs, and folders in a model
READ_VECTORS = ("vectors", "concepts")  # ways of retrieval that need stored vectors
TRAINED = frozenset({"kind", "backbone", "train", "prompts", "reasons", "permute_histories"})
Retrieval = Literal["attributes", "text", "vectors", "concepts", "titles"]


class RecllmSettings(OverLists):
    """The dialogue manager and its tools."""

    kind: Literal["recllm"] = "recllm"
    ranker: any_method(named=True)  # type: ignore[valid-type]
    """The method whose lists order the results of a search: a section, or the name of one of the
    recipe's.
    """
    retrieval: Retrieval = "attributes"
    """How a search finds items. ``attributes``: by the number of wanted values. ``text``: BM25 over
    titles and attributes. ``vectors``: text vectors of items and query (dual encoder).
    ``concepts``: directions of the wanted values among the vectors. ``titles``: titles that the
    language model writes, bound to the catalogue.
    """
    vectors: str | None = None
    """Vectors of the items' texts, by their name in the recipe, for the retrieval ``vectors`` and
    ``concepts``. null: none.
    """
    encoder: str = "minilm"
    """Text encoder of queries (``vectors.NAME.encoder``)."""
    max_tokens: int = Field(MAX_TOKENS, ge=1)
    """Most tokens of a query that the encoder reads."""
    backbone: AnyBackbone = Pretrained(lora=LoraSettings(), items="tokens", item_embeddings=False)
    """The language model, with low-rank adapters."""
    train: TrainConfig = TrainConfig(steps=500, max_tokens=256)
    """How it is trained. Its tasks follow from ``reasons``."""
    prompts: PromptsConfig = PromptsConfig(items="title", templates=("dialogue.compact",))
    """How prompts are rendered. The first template of the family ``dialogue`` is queried."""
    reasons: float = Field(0.0, ge=0, lt=1)
    """Share of the training prompts that ask for the reason of a recommendation. 0: no reasons."""
    manager: Literal["model"] | Rule = "model"
    """What decides the next step. ``model``: the language model. Controls: ``random`` questions,
    the questions of most ``information``, ``recommend`` without questions.
    """
    understand: Literal["heard", "named", "free", "exact"] = "heard"
    """``heard``: wishes are about values that the user's words name, or that the grammar of wishes
    hears in them. Its prompts show what it hears, and its controls read with it. ``named``: about
    values that the words name alone. ``free``: about all values, for a language model that knows
    synonyms. ``exact``: a control knows the forms of simulated words.
    """
    memory: Literal["history", "dialogue", "none"] = "history"
    """Facts about the user that are shown and change the order. ``history``: values that liked
    items have more often than others. ``dialogue``: wishes of an earlier dialogue. In an
    evaluation, the user wanted the last liked item of the history then. ``none``: no facts.
    """
    turns: int = Field(5, ge=1)
    """Answers of the system, at most."""
    listed: int = Field(5, ge=1)
    """Items of a recommendation."""
    pool: int = Field(100, ge=1)
    """Items that a search finds."""
    user: Kind = "honest"
    """The simulated user of an evaluation. Controls: ``null`` talks about another item,
    ``stubborn`` answers nothing.
    """
    phrasings: Half = "held-out"
    """The phrasings of the simulated user: those of training, or the held-out half."""
    together: int = Field(32, ge=1)
    """Dialogues that are evaluated together."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of queries."""
    batch_tokens: int = Field(8192, ge=1)
    """Prompt tokens read together, padding included."""

    capabilities = ("chat",)
    ranking = RANKER
    content_based = True
    untuned = OverLists.untuned | {RANKER, VECTORS}

    @property
    def limits(self) -> Limits:
        """The limits of a dialogue."""
        return Limits(self.turns, self.pool, self.listed)

    @property
    def template(self) -> str:
        """The id of the template of queries."""
        named = [each for each in self.prompts.templates if each.startswith(f"{TASK}.")]
        return named[0] if named else f"{TASK}.next-step"

    def learner(self, seed: int) -> LearnerConfig:
        """The training of the language model under ``seed``."""
        shares = {TASK: 1 - self.reasons, REASONS: self.reasons}
        tasks = {name: TaskConfig(share=share) for name, share in shares.items() if share}
        return LearnerConfig(
            backbone=self.backbone,
            train=self.train.model_copy(update={"tasks": tasks, "seed": seed}),
            heads=HeadsConfig.none(),
            prompts=self.prompts.model_copy(update={"items": "title"}),
        )

    def query_needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the ranker, and the vectors."""
        vectors = {VECTORS: Vectors(self.vectors)} if self.vectors is not None else {}
        return {**super().query_needs(seed), **vectors}

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`: those of the training."""
        return {name: v for name, v in super().fit_settings().items() if name in TRAINED}

    @model_validator(mode="after")
    def _has_no_codes(self) -> Self:
        if self.backbone.item_embeddings:
            raise ValueError("backbone.item_embeddings: no prompt has codes; set it to false")
        return self

    @model_validator(mode="after")
    def _reads_words(self) -> Self:
        known = ("heard", "named", "free") if self.manager == "model" else ("heard", "exact")
        if self.understand not in known:
            raise ValueError(
                f"understand: expected {' or '.join(known)} with manager {self.manager}, "
                f"got {self.understand}"
            )
        return self

    @model_validator(mode="after")
    def _has_its_tools(self) -> Self:
        if self.retrieval in READ_VECTORS and self.vectors is None:
            raise ValueError(
                f"retrieval {self.retrieval}: expected the name of the items' vectors as vectors"
            )
        return self
