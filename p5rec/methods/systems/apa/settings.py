"""The settings of APA."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from p5rec.backbones.config import LoraSettings
from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import BACKBONES, AnyBackbone
from p5rec.core.code import Work
from p5rec.core.config import Config
from p5rec.core.registry import Registry
from p5rec.prompting.template import names
from p5rec.train.config import TaskConfig, TrainConfig

from ...base import Method
from ...needs import ContentArtefact, DerivedArtefact, Need, Part

WORK = Registry(
    "work of APA",
    {
        "shards": "p5rec.methods.systems.apa.sharding:write_parts",
        "train": "p5rec.methods.systems.apa.training:train_adapter",
        "embed": "p5rec.methods.systems.apa.validation:write_embeddings",
        "errors": "p5rec.methods.systems.apa.validation:write_errors",
        "fit": "p5rec.methods.systems.apa.fitting:fit",
        "load": "p5rec.methods.systems.apa.predictor:load",
        "temperature": "p5rec.methods.systems.apa.stored:read_temperature",
    },
)
PARTS, ADAPTER, ERRORS, EMBEDDINGS = "parts", "adapter", "errors", "embeddings"  # inputs
SHARD, VALIDATION = "shard", "validation"  # folders of the parts
TASK = "click"  # the task of the training


def shard_name(number: int) -> str:
    """The folder of a shard's examples."""
    return f"{SHARD}-{number}"


def _over(*slots: str) -> Any:
    def check(text: str) -> str:
        if unknown := names(text) - {*slots}:
            raise ValueError(f"expected the slots {sorted(slots)}, got {min(unknown)!r}")
        return text

    return Annotated[str, AfterValidator(check)]


class PromptText(Config):
    """The prompt of the like/dislike task, as in TALLRec (Bao et al. 2023, arXiv:2305.00447)."""

    system: str = "Say whether the user will like the item. Answer yes or no."
    """System message; empty: none."""
    text: _over("liked", "disliked", "title") = (  # type: ignore[valid-type]
        "The user liked: {liked}\nThe user disliked: {disliked}\nWill the user like {title}?"
    )
    """Text over the slots ``{liked}`` and ``{disliked}``, the titles of the latest events by label,
    oldest first, and ``{title}``, that of the item in question.
    """
    history: int = Field(default=10, ge=1)
    """Latest events that are shown, of both labels together. An event without a label counts as
    liked.
    """
    max_tokens: int = Field(default=512, ge=16)
    """Most tokens of a prompt; a longer one loses its beginning."""


class AdapterTraining(Config):
    """How each shard's adapter is trained."""

    epochs: int = Field(default=3, ge=0)
    """Epochs over the examples of the shard. 0: adapters stay untrained."""
    batch: int = Field(default=16, ge=1)
    """Examples of a step."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Peak learning rate of AdamW."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises from 0."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay of AdamW."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the arithmetic in training."""

    def of(self, examples: int, max_tokens: int, seed: int) -> TrainConfig:
        """The training on ``examples``: it depends on no other shard.

        Args:
            max_tokens: of a prompt and its answer.
            seed: of the training.
        """
        batch = max(1, min(self.batch, examples))
        steps = self.epochs * -(-examples // batch)
        return TrainConfig(
            tasks={TASK: TaskConfig()},
            steps=steps,
            batch=batch,
            learning_rate=self.learning_rate,
            warmup=round(self.warmup * steps),
            weight_decay=self.weight_decay,
            precision=self.precision,
            max_tokens=max_tokens,
            diverged=0,
            save_every=10**6,
            save_minutes=1e6,
            seed=seed,
        )


class ApaSettings(Method):
    """The shards, their adapters, and how these are aggregated."""

    kind: Literal["apa"] = "apa"
    backbone: AnyBackbone = Pretrained(
        lora=LoraSettings(rank=8, alpha=16, targets=("q_proj", "v_proj"))
    )
    """The language model; ``lora`` are the settings of each adapter."""
    prompt: PromptText = PromptText()
    """The prompts."""
    example_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the labelled training events that are examples. Each is drawn by its own key, so a
    forgotten example lets no other in.
    """
    shards: int = Field(default=4, ge=1)
    """Shards K. 1: one adapter for all examples (full retraining)."""
    partition: Literal["semantic", "items", "user", "random", "strict"] = "semantic"
    """How examples are divided. ``semantic``: balanced clusters of their embeddings. ``items``: by
    the item in question, in balanced clusters of the titles of the catalogue. ``user``: all
    examples of a user are in one shard. ``random``: by a hash of the example as it is shown.
    ``strict``: by a hash of the user and the target event alone.
    """
    similarity: Literal["states", "tokens"] = "states"
    """Embedding of a prompt: the mean of its last hidden ``states`` in the language model without
    adapters, which takes a pass; or of its ``tokens``' embeddings, which takes none.
    """
    train: AdapterTraining = AdapterTraining()
    """How each adapter is trained."""
    permuted: bool = False
    """Permutation control: each example has the label of another one of its shard."""
    shard: Annotated[int, Field(ge=0)] | None = None
    """A single shard whose adapter predicts alone. null: the adapters are aggregated."""
    aggregate: Literal["products", "factors", "predictions"] = "products"
    """What is averaged: the ``products`` BA of each adapter, their ``factors`` A and B apart, or
    the ``predictions`` of one pass with each adapter (SISA).
    """
    weights: Literal["adaptive", "major", "uniform"] = "adaptive"
    """Weights of the adapters for a prompt. ``adaptive``: by their errors on the most similar
    validation examples. ``major``: all weight on the best of these. ``uniform``: equal.
    """
    neighbours: int = Field(default=20, ge=1)
    """Most similar validation examples that the weights rest on."""
    temperature: Annotated[float, Field(ge=0)] | None = None
    """Strength of adaptive weights: it multiplies the errors in the softmax. 0: equal weights.
    null: the one with the highest AUC of the mixed predictions of the validation examples.
    """
    validation: int = Field(default=500, ge=1)
    """Most validation examples, drawn by their keys."""

    capabilities = ("predict_click",)
    stochastic = True
    content_based = True
    untuned: ClassVar[frozenset[str]] = Method.untuned | {"prompt", "backbone", "permuted", "shard"}

    @property
    def adapters(self) -> tuple[int, ...]:
        """The shards whose adapters the predictor has."""
        return tuple(range(self.shards)) if self.shard is None else (self.shard,)

    @property
    def adapts(self) -> bool:
        """Whether weights depend on the prompt."""
        return self.weights != "uniform" and len(self.adapters) > 1

    @property
    def needs_validation(self) -> bool:
        """See :class:`p5rec.methods.base.Method`: also for adaptive weights."""
        return super().needs_validation or self.adapts

    @property
    def _network(self) -> Work:
        return BACKBONES.target(self.backbone.kind)

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().fitted_by, WORK.target("fit"), self._network)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("load"), self._network)

    def fit_reads(self) -> dict[str, str]:
        """See :class:`p5rec.methods.base.Method`: the files of a backbone."""
        return self.backbone.fingerprint()

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the adapter of each shard, and for adaptive
        weights its errors on the validation examples and their embeddings."""
        adapters = {f"{ADAPTER}-{n}": self._adapter(n, seed) for n in self.adapters}
        if not self.adapts:
            return adapters
        errors = {
            f"{ERRORS}-{n}": self._validated("errors", seed, {ADAPTER: adapters[f"{ADAPTER}-{n}"]})
            for n in self.adapters
        }
        return {**adapters, **errors, EMBEDDINGS: self._validated("embed", seed, {})}

    def _adapter(self, shard: int, seed: int) -> ContentArtefact:
        settings = {**self._read("backbone", "train"), **self._asked(seed)}
        return ContentArtefact(
            "adapter",
            partial(WORK.deferred("train"), self, seed),
            (WORK.target("train"), self._network),
            settings,
            {SHARD: Part(self._parts(seed), shard_name(shard))},
        )

    def _validated(self, work: str, seed: int, needs: Mapping[str, Need]) -> ContentArtefact:
        settings = {**self._read("backbone"), **self._asked(seed)}
        if work == "embed":
            settings |= self._read("similarity")
        return ContentArtefact(
            f"validation-{work}",
            partial(WORK.deferred(work), self, seed),
            (WORK.target(work), self._network),
            settings,
            {VALIDATION: Part(self._parts(seed), VALIDATION)},
            needs,
        )

    def _parts(self, seed: int) -> DerivedArtefact:
        read = ["prompt", "example_share", "shards", "partition", "permuted", "validation"]
        code: list[Work] = [WORK.target("shards")]
        files = {}
        if self.partition in ("semantic", "items") and self.shards > 1:
            read += ["backbone", "similarity"]
            code.append(self._network)
            files = self.backbone.fingerprint()
        return DerivedArtefact(
            "shards",
            partial(WORK.deferred("shards"), self, seed),
            tuple(code),
            {**self._read(*read), "seed": seed, "files": files},
        )

    def _read(self, *settings: str) -> dict[str, Any]:
        return {name: value for name, value in self.dump().items() if name in settings}

    def _asked(self, seed: int) -> dict[str, Any]:
        """The settings of reading prompts."""
        files = self.backbone.fingerprint()
        asked = {"system": self.prompt.system, "max_tokens": self.prompt.max_tokens}
        return {**asked, "seed": seed, "files": files}

    @model_validator(mode="after")
    def _mixes_adapters(self) -> Self:
        lora = self.backbone.lora
        if lora is None or lora.dora:
            raise ValueError("backbone.lora: expected low-rank adapters without dora")
        if self.shard is not None and self.shard >= self.shards:
            raise ValueError(f"shard: expected a number below {self.shards} (shards)")
        if self.aggregate == "predictions" and self.weights == "major":
            raise ValueError("weights: major takes one adapter, whose predictions are no average")
        return self
