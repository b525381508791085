"""How a model is trained, as a recipe says it."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.targets import Targets
from p5rec.data.train_events import of_some_users, with_news

Reward = Literal["hit", "rank", "prefix"]
Tracker = Literal["tensorboard", "mlflow", "wandb"]
# the packages, any of which a tracker needs
PACKAGES: dict[Tracker, tuple[str, ...]] = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
}


class NextItemConfig(Config):
    """Whole histories as sequences of item codes; every item position is a target."""

    window: int = Field(100, ge=2)  # events a row; longer histories give several rows
    # what each item is asked after: next-event, the event before it; next-basket, all events before
    # its basket (p5rec.data.targets); null: as the split has it
    targets: Targets | None = None
    shuffle_ties: bool = True  # draw the order of events that share a time anew for each row
    # share of the rows that open with the start token and ask for the first item after it; below 1
    # only an empty history is read with it
    bos_probability: float = Field(1.0, ge=0, le=1)
    item_dropout: float = Field(0.0, ge=0, lt=1)  # share of items not shown to those after them
    # items a row that are asked for, drawn: 1 is the control of dense training; null: all
    targets_per_example: Annotated[int, Field(ge=1)] | None = None
    decoder_targets: int = Field(
        4, ge=1
    )  # items a decoder is asked for after what its encoder read
    # tell what is known of item and user before each rating (rating-sequence)
    statistics: bool = False


class TaskConfig(Config):
    """One task family in the mixture."""

    share: float = Field(1.0, gt=0)  # of the slots in batches, relative to the other tasks
    examples: int = Field(1, ge=1)  # that fill one slot: several where they are short
    weight: float = Field(1.0, gt=0)  # of its loss


class AlignConfig(Config):
    """How rows of ``next-item`` teach a model that is trained already (``methods.<name>.start``)."""

    nll: float = Field(0.0, ge=0)  # weight of the loss of supervised training beside the objective
    positions: Annotated[int, Field(ge=1)] | None = None  # items a row that teach, drawn; null: all


class PreferenceConfig(AlignConfig):
    """Softmax-DPO: the next item against items that the model named in its place."""

    objective: Literal["sdpo"]
    negatives: int = Field(8, ge=1)  # items that each item stands against
    rejected: Literal["drawn", "listed"] = "drawn"  # as likely as the model finds them, or the best
    beta: float = Field(1.0, gt=0)  # how little the model may move away from where it started


class GroupConfig(AlignConfig):
    """GRPO: items that the model draws, better or worse than their group."""

    objective: Literal["grpo"]
    group: int = Field(16, ge=2)  # items drawn at each position
    # weights of the rewards; what each is worth: p5rec.train.alignment.rewards
    rewards: dict[Reward, float] = Field({"hit": 1.0, "rank": 1.0}, min_length=1)


class EpochsConfig(Config):
    """The length of training in epochs instead of steps, so that a recipe fits data of any size.

    Attributes:
        max_epochs: training ends after this number of epochs at the latest.
        targets_per_step: target items of a step, approximately; a small data set has smaller steps,
            ten an epoch.
        ema_epochs: epochs over which the weights are averaged.
        patience: early stopping, in epochs: training ends when the mean validation NDCG@10 of the
            last ``patience`` epochs is not above that of the ``patience`` epochs before; the
            weights of the best epoch are used.
        stop_after: training ends after this number of epochs, without validation checks; the
            learning rate is that of ``max_epochs``; None: early stopping.
    """

    max_epochs: int = Field(100, ge=1)
    targets_per_step: int = Field(2048, ge=1)
    ema_epochs: float = Field(8.0, ge=0)
    patience: int = Field(8, ge=1)
    stop_after: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _ends(self) -> EpochsConfig:
        if self.stop_after is not None and self.stop_after > self.max_epochs:
            raise ValueError(
                f"stop_after: expected at most max_epochs ({self.max_epochs}), got {self.stop_after}"
            )
        return self


class TrainConfig(Config):
    """One training run. A step is one update from ``slots``, whichever process reads them.

    A slot of a batch holds one row, or as many as the task that has it says.
    """

    tasks: dict[str, TaskConfig] = Field(default={"next-item": TaskConfig()}, min_length=1)
    # multiplies the shares by (examples a task has)^(1 / temperature); None: they stay
    temperature: Annotated[float, Field(gt=0)] | None = None
    permute_targets: bool = False  # deal out a prompt family's answers among its rows: the control
    next_item: NextItemConfig = NextItemConfig()
    align: Annotated[PreferenceConfig | GroupConfig, Field(discriminator="objective")] | None = None
    # share of the users, drawn, whose events are learned from
    users: float = Field(1.0, gt=0, le=1)
    # of a training that begins from a model: users of whom that has seen all, drawn, that are
    # trained on beside each user of whom it has not; None: everybody is
    replay: Annotated[float, Field(ge=0)] | None = None
    steps: int = Field(500, ge=0)  # 0: nothing is trained, the model is asked as it is
    # training ends after so many steps, though the learning rate is that of all; None: after all
    stop_after: Annotated[int, Field(ge=1)] | None = None
    # batch, steps, divisor, average and looks at validation as the data have it; for dense alone
    epochs: EpochsConfig | None = None
    batch: int = Field(16, ge=1)  # slots of a forward pass; several processes may share them
    accumulate: int = Field(1, ge=1)  # batches a step
    # labels that a step's loss is divided by; None: its own, and those of short rows weigh more
    divisor: Annotated[float, Field(gt=0)] | None = None
    learning_rate: float = Field(1e-3, gt=0)
    embedding_learning_rate: float | None = None  # of new token and item rows; None: learning_rate
    weight_decay: float = Field(0.01, ge=0)
    warmup: int = Field(20, ge=0)  # steps
    schedule: Literal["cosine", "constant"] = "cosine"  # of the learning rate after the warmup
    average: float = Field(0.0, ge=0)  # steps whose weights are averaged, about; 0: the last stay
    # its moments in 32 bits, in 8 (new rows and small tensors keep 32), or in 8 and paged out of a
    # GPU that is full
    optimizer: Literal["adamw", "adamw-8bit", "paged-adamw-8bit"] = "adamw"
    clip: float = Field(1.0, gt=0)  # gradient norm
    diverged: float = Field(5.0, ge=0)  # times the usual loss, for 20 steps: stop; 0: never
    precision: Literal["float32", "bfloat16"] = "bfloat16"  # of the arithmetic (autocast)
    packing: int = Field(0, ge=0)  # tokens a line that short rows are packed into; 0: none are
    # keep the input of each block alone and compute the rest again: less memory, more time
    gradient_checkpointing: bool = False
    max_tokens: int = Field(768, ge=8)  # a prompt row; longer sources lose their beginning
    log_every: int = Field(10, ge=1)  # steps
    level_losses: bool = False  # log the loss of each level's codes too
    # a checkpoint after so many steps, and when so many minutes have passed since the last
    save_every: int = Field(200, ge=1)
    save_minutes: float = Field(10.0, gt=0)
    report_to: tuple[
        Tracker, ...
    ] = ()  # experiment trackers that get every log too; none by default
    evaluate_every: int = Field(0, ge=0)  # steps between looks at validation; 0: never
    evaluate_users: int = Field(500, ge=1)  # of the validation part, at most
    # training ends when the mean NDCG@10 of so many looks is not above that of as many before, and
    # the best weights stay; 0: never
    patience: int = Field(0, ge=0)
    seed: int = 0

    @model_validator(mode="after")
    def _alignment_reads_rows_alone(self) -> TrainConfig:
        if self.align and self.packing:
            raise ValueError("align needs rows in lines of their own: set packing to 0")
        return self

    @model_validator(mode="after")
    def _alignment_asks_for_every_item(self) -> TrainConfig:
        if self.align and self.next_item.bos_probability < 1:
            raise ValueError("align asks for first items too: set next_item.bos_probability to 1")
        if self.align and self.next_item.targets_per_example:
            raise ValueError("align has its own items to ask for: set align.positions")
        return self

    @model_validator(mode="after")
    def _looks_are_taken(self) -> TrainConfig:
        if self.epochs and set(self.tasks) != {"next-item"}:
            raise ValueError("epochs: expected the task next-item alone")
        if self.patience and not self.evaluate_every:
            raise ValueError("patience needs looks at validation: set evaluate_every")
        return self

    @model_validator(mode="after")
    def _ends_once(self) -> TrainConfig:
        if self.stop_after is not None and (self.epochs or self.patience):
            raise ValueError("stop_after says when training ends: unset epochs and patience")
        return self

    @property
    def last_step(self) -> int:
        """Steps that are taken at most."""
        return self.steps if self.stop_after is None else min(self.stop_after, self.steps)

    @property
    def looks(self) -> bool:
        """Whether there are validation checks."""
        return self.steps > 0 and bool(self._waits or self.evaluate_every)

    @property
    def judged(self) -> bool:
        """Whether validation checks decide when training ends and which weights are kept."""
        return self.looks and bool(self._waits or self.patience)

    @property
    def _waits(self) -> bool:
        """Whether passes end when validation says so."""
        return self.epochs is not None and self.epochs.stop_after is None

    def check_trackers(self) -> None:
        """
        Raises:
            UserError: a tracker of ``report_to`` is not installed.
        """
        lacking = [name for name in self.report_to if not any(map(find_spec, PACKAGES[name]))]
        if lacking:
            raise UserError(
                *(
                    f"train.report_to: expected an installed tracker, got {name!r}; "
                    f"`pip install {name}` or take it out"
                    for name in lacking
                )
            )

    def training_events(self, corpus: Corpus, start: Path | None = None) -> Corpus:
        """``corpus`` with the training events that are learned from.

        Args:
            start: the folder of the model that the training begins from.
        """
        if self.users < 1:
            corpus = of_some_users(corpus, self.users, self.seed)
        if start is None or self.replay is None:
            return corpus
        split = with_news(corpus.interactions, corpus.split, Lineage.read(start), self.replay)
        return replace(corpus, split=split)

    @property
    def slots(self) -> int:
        """Slots a step."""
        return self.batch * self.accumulate
