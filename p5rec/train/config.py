"""Settings of a training."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.types import Corpus
from p5rec.data.targets import Targets
from p5rec.data.train_events import subsample_users, with_new_events
from p5rec.models.config import NEXT_ITEM, RATING_SEQUENCE

SEQUENCES = (NEXT_ITEM, RATING_SEQUENCE)  # the tasks that are no prompt families
Reward = Literal["hit", "rank", "prefix"]
Tracker = Literal["tensorboard", "mlflow", "wandb"]
# tracker → packages, one of which must be installed
PACKAGES: dict[Tracker, tuple[str, ...]] = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
}


class NextItemConfig(Config):
    """Whole histories as sequences of item codes; every item position is a target."""

    window: int = Field(100, ge=2)
    """Events per example. A longer history is cut into several examples."""
    targets: Targets | None = None
    """What each item is predicted from. ``next-event``: the events before it. ``next-basket``: the
    events before its basket. null: as the split says.
    """
    shuffle_ties: bool = True
    """Shuffle events with equal times, in each example."""
    bos_probability: float = Field(1.0, ge=0, le=1)
    """Probability that an example opens with the start token, from which its first item is
    predicted. Below 1 the start token is used only for empty histories when the model is queried.
    """
    item_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the items hidden from the positions after them."""
    targets_per_example: Annotated[int, Field(ge=1)] | None = None
    """Target positions per example, drawn at random. 1 is the control for training on all
    positions. null: every position.
    """
    decoder_targets: int = Field(4, ge=1)
    """Items that the decoder of an encoder-decoder predicts after the encoder's input."""
    statistics: bool = False
    """Show statistics of the item and the user before each rating (task ``rating-sequence``)."""


class SharedHistoryConfig(Config):
    """Prompts as branches of one history. The model reads a history once for all of them, and each
    sees the events before its own.
    """

    prompts: int = Field(16, ge=1)
    """Prompts per history, about events in it, divided among the prompt families about users by
    their shares.
    """


class TaskConfig(Config):
    """One task family in the mixture."""

    share: float = Field(1.0, gt=0)
    """Share of the slots of a batch, relative to the shares of the other tasks."""
    examples: int = Field(1, ge=1)
    """Examples per slot. Several suit a task whose examples are short."""
    weight: float = Field(1.0, gt=0)
    """Weight of the task's loss."""


class AlignConfig(Config):
    """Alignment of a trained model (``methods.<name>.start``) on examples of ``next-item``."""

    nll: float = Field(0.0, ge=0)
    """Weight of the supervised loss (negative log-likelihood) added to the objective."""
    positions: Annotated[int, Field(ge=1)] | None = None
    """Target positions per example, drawn at random. null: every position."""


class PreferenceConfig(AlignConfig):
    """Softmax-DPO: the next item is preferred to items that the model predicted instead."""

    objective: Literal["sdpo"]
    """The preference objective: softmax-DPO."""
    negatives: int = Field(8, ge=1)
    """Rejected items per target."""
    rejected: Literal["sampled", "top"] = "sampled"
    """How rejected items are chosen. ``sampled``: sampled by the model's own probabilities.
    ``top``: the model's highest-ranked items.
    """
    beta: float = Field(1.0, gt=0)
    """Strength of the pull towards the reference model, which is the model before alignment."""


class GroupConfig(AlignConfig):
    """GRPO: items sampled from the model, rewarded relative to their group."""

    objective: Literal["grpo"]
    """The preference objective: GRPO."""
    group: int = Field(16, ge=2)
    """Items sampled per target position."""
    rewards: dict[Reward, float] = Field({"hit": 1.0, "rank": 1.0}, min_length=1)
    """Reward → its weight. ``hit``: the sampled item is the target. ``rank``: the target's rank.
    ``prefix``: leading codes shared with the target.
    """


class EpochsConfig(Config):
    """The length of training in epochs instead of steps, so that a recipe fits data of any size."""

    max_epochs: int = Field(100, ge=1)
    """Most epochs that training may take."""
    targets_per_step: int = Field(2048, ge=1)
    """Target events per optimiser step, about. Small data take smaller steps: at least ten per
    epoch.
    """
    ema_epochs: float = Field(8.0, ge=0)
    """Epochs in the moving average of the weights. 0: no average."""
    patience: int = Field(8, ge=1)
    """Epochs without progress before training stops: their mean validation NDCG@10 is no higher
    than that of as many epochs before. The best weights are used.
    """
    stop_after: Annotated[int, Field(ge=1)] | None = None
    """Train for this many epochs without validation checks, under the learning-rate schedule of
    ``max_epochs``. null: validation checks decide.
    """

    @model_validator(mode="after")
    def _ends(self) -> EpochsConfig:
        if self.stop_after is not None and self.stop_after > self.max_epochs:
            raise ValueError(
                f"stop_after: expected at most {self.max_epochs} (max_epochs), "
                f"got {self.stop_after}"
            )
        return self


class TrainConfig(Config):
    """One training run. A step is one optimiser update from ``slots``, shared by all processes.

    A slot of a batch holds one example, or several (``TaskConfig.examples``).
    """

    tasks: dict[str, TaskConfig] = Field(default={"next-item": TaskConfig()}, min_length=1)
    """Task → its settings in the mixture. A task is ``next-item`` (next item at every position),
    ``rating-sequence`` or a prompt family.
    """
    temperature: Annotated[float, Field(gt=0)] | None = None
    """Multiplies each task's share by (number of examples)^(1 / temperature). null: shares stay as
    written.
    """
    permute_targets: bool | tuple[str, ...] = False
    """Permutation control: permute the targets of each prompt family among its examples. A list of
    families: of these alone.
    """
    next_item: NextItemConfig = NextItemConfig()
    """Settings of the tasks on whole histories, ``next-item`` and ``rating-sequence``."""
    shared_history: SharedHistoryConfig | None = None
    """Train the prompt families about users on the histories of ``next-item`` and
    ``rating-sequence``: a slot holds a history with its ratings, both tasks and several prompts.
    Templates with ``after_history`` are used. null: each prompt repeats its own part of the history
    as text.
    """
    align: Annotated[PreferenceConfig | GroupConfig, Field(discriminator="objective")] | None = None
    """Preference objective, for a method that continues from a trained model (``start``). null:
    supervised training.
    """
    users: float = Field(1.0, gt=0, le=1)
    """Share of the users, drawn at random, whose events are trained on."""
    replay: Annotated[float, Field(ge=0)] | None = None
    """With ``start``: users without new events to train on per user with new events, drawn at
    random. null: all users.
    """
    steps: int = Field(500, ge=0)
    """Optimiser steps. 0: no training; the model is evaluated zero-shot."""
    adapter_steps: int = Field(0, ge=0)
    """First optimiser steps, which train the adapter of vectors alone while the language model is
    frozen (the first of ELM's two stages). 0: all weights are trained together.
    """
    stop_after: Annotated[int, Field(ge=1)] | None = None
    """Optimiser steps after which training stops, under the learning-rate schedule of all
    ``steps``. null: train to the end.
    """
    epochs: EpochsConfig | None = None
    """Training in epochs: sets ``batch``, ``steps``, ``divisor``, ``average`` and the validation
    checks from the data. For the task ``next-item`` alone. null: train in steps.
    """
    batch: int = Field(16, ge=1)
    """Slots per forward pass, shared by all processes."""
    accumulate: int = Field(1, ge=1)
    """Forward passes per optimiser step (gradient accumulation)."""
    divisor: Annotated[float, Field(gt=0)] | None = None
    """Number of labels by which a step's loss is divided. null: the step's own labels, so that a
    label in a step with few of them weighs more.
    """
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate of AdamW."""
    embedding_learning_rate: float | None = None
    """Peak learning rate of new token and item embeddings. null: ``learning_rate``."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay of AdamW."""
    warmup: int = Field(20, ge=0)
    """Optimiser steps over which the learning rate rises linearly from 0."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate after the warmup: falls along a half cosine, or stays constant."""
    average: float = Field(0.0, ge=0)
    """Optimiser steps in the moving average of the weights, about. 0: the last weights are used."""
    optimizer: Literal["adamw", "adamw-8bit", "paged-adamw-8bit"] = "adamw"
    """Optimiser and the precision of its moments: 32 bits; 8 bits (new embeddings and small tensors
    stay at 32); or 8 bits, paged to main memory when the GPU is full.
    """
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient; a larger one is scaled down to it."""
    diverged: float = Field(5.0, ge=0)
    """Stop with an error when the loss exceeds this multiple of its usual level for 20 steps. 0:
    never.
    """
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Number format of the arithmetic (autocast); bfloat16 is float32 on a CPU without instructions
    for it, which would emulate it slowly. Trained weights are float32.
    """
    packing: int = Field(0, ge=0)
    """Tokens per sequence into which short examples are packed. 0: no packing."""
    gradient_checkpointing: bool = False
    """Store each block's input and compute its activations again in the backward pass: less memory,
    more time.
    """
    max_tokens: int = Field(768, ge=8)
    """Most tokens of a prompt example. A longer prompt loses its beginning."""
    log_every: int = Field(10, ge=1)
    """Optimiser steps between log lines."""
    level_losses: bool = False
    """Log the loss of each code level separately."""
    save_every: int = Field(200, ge=1)
    """Most optimiser steps between checkpoints."""
    save_minutes: float = Field(10.0, gt=0)
    """Most minutes between checkpoints."""
    report_to: tuple[Tracker, ...] = ()
    """Experiment trackers that receive every log line: ``tensorboard``, ``mlflow``, ``wandb``."""
    evaluate_every: int = Field(0, ge=0)
    """Optimiser steps between validation checks. 0: no checks."""
    evaluate_users: int = Field(500, ge=1)
    """Most validation users per check."""
    patience: int = Field(0, ge=0)
    """Validation checks without progress before training stops: their mean NDCG@10 is no higher
    than that of as many checks before. The best weights are used. 0: no early stopping.
    """
    seed: int = 0
    """Seed of the training: initial weights, order of the examples, dropout."""

    @model_validator(mode="after")
    def _alignment_without_packing(self) -> TrainConfig:
        if self.align and self.packing:
            raise ValueError("align needs one example per sequence: set packing to 0")
        return self

    @model_validator(mode="after")
    def _alignment_of_every_item(self) -> TrainConfig:
        if self.align and self.next_item.bos_probability < 1:
            raise ValueError("align predicts first items too: set next_item.bos_probability to 1")
        if self.align and self.next_item.targets_per_example:
            raise ValueError("align has its own number of targets: set align.positions")
        return self

    @model_validator(mode="after")
    def _permutes_own_tasks(self) -> TrainConfig:
        named = () if isinstance(self.permute_targets, bool) else self.permute_targets
        if unknown := [name for name in named if name not in self.tasks or name in SEQUENCES]:
            raise ValueError(
                f"permute_targets: expected prompt families among the tasks, got {unknown}"
            )
        return self

    @model_validator(mode="after")
    def _shares_whole_histories(self) -> TrainConfig:
        if self.shared_history is None:
            return self
        if not {*SEQUENCES} & {*self.tasks}:
            raise ValueError(
                "shared_history: expected next-item or rating-sequence among the tasks"
            )
        own = self.next_item
        if self.align or own.targets_per_example or own.bos_probability < 1 or own.statistics:
            raise ValueError(
                "shared_history needs every position of a plain history: unset align and "
                "next_item.targets_per_example, next_item.bos_probability, next_item.statistics"
            )
        return self

    @model_validator(mode="after")
    def _has_validation_checks(self) -> TrainConfig:
        if self.epochs and set(self.tasks) != {NEXT_ITEM}:
            raise ValueError("epochs: expected only the task next-item")
        if self.patience and not self.evaluate_every:
            raise ValueError("patience needs validation checks: set evaluate_every")
        return self

    @model_validator(mode="after")
    def _ends_once(self) -> TrainConfig:
        if self.stop_after is not None and (self.epochs or self.patience):
            raise ValueError("stop_after excludes early stopping: unset epochs and patience")
        return self

    @property
    def last_step(self) -> int:
        """The maximum number of steps."""
        return self.steps if self.stop_after is None else min(self.stop_after, self.steps)

    @property
    def has_validation(self) -> bool:
        """Whether there are validation checks."""
        return self.steps > 0 and bool(self._stops_early or self.evaluate_every)

    @property
    def early_stopping(self) -> bool:
        """Whether validation checks decide when training ends and which weights are used."""
        return self.has_validation and bool(self._stops_early or self.patience)

    @property
    def _stops_early(self) -> bool:
        """Whether training in epochs has early stopping."""
        return self.epochs is not None and self.epochs.stop_after is None

    def permutes(self, family: str) -> bool:
        """Whether the targets of a prompt family are permuted."""
        chosen = self.permute_targets
        return chosen if isinstance(chosen, bool) else family in chosen

    def missing_trackers(self) -> list[str]:
        """One line for each tracker of ``report_to`` that is not installed."""
        return [
            f"train.report_to: expected an installed tracker, got {name!r}; "
            f"`pip install {name}` or take it out"
            for name in self.report_to
            if not any(map(find_spec, PACKAGES[name]))
        ]

    def training_events(self, corpus: Corpus, start: Path | None = None) -> Corpus:
        """``corpus`` restricted to the training events that this training uses.

        Args:
            start: the folder of the model that the training is initialised from.
        """
        if self.users < 1:
            corpus = subsample_users(corpus, self.users, self.seed)
        if start is None or self.replay is None:
            return corpus
        split = with_new_events(corpus.interactions, corpus.split, Lineage.read(start), self.replay)
        return replace(corpus, split=split)

    @property
    def slots(self) -> int:
        """Slots a step."""
        return self.batch * self.accumulate
