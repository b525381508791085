"""How a model is trained, as a recipe says it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from p5rec.core.config import Config


class DenseConfig(Config):
    """Whole histories as sequences of item codes; every item position is a target."""

    window: int = Field(100, ge=2)  # events a row; longer histories give several rows
    shuffle_ties: bool = True  # draw the order of events that share a time anew for each row
    item_dropout: float = Field(0.0, ge=0, lt=1)  # share of items not shown to those after them


class TaskConfig(Config):
    """One task family in the mixture."""

    share: float = Field(1.0, gt=0)  # of the rows, relative to the other tasks
    weight: float = Field(1.0, gt=0)  # of its loss


class TrainConfig(Config):
    """One training run. A step is one update from ``rows``, however many processes share them."""

    tasks: dict[str, TaskConfig] = Field(default={"dense": TaskConfig()}, min_length=1)
    dense: DenseConfig = DenseConfig()
    steps: int = Field(500, ge=1)
    batch: int = Field(16, ge=1)  # rows of a forward pass; several processes may share them
    accumulate: int = Field(1, ge=1)  # batches a step
    learning_rate: float = Field(1e-3, gt=0)
    row_learning_rate: float | None = None  # of new token and item rows; None: learning_rate
    weight_decay: float = Field(0.01, ge=0)
    warmup: int = Field(20, ge=0)  # steps
    clip: float = Field(1.0, gt=0)  # gradient norm
    diverged: float = Field(5.0, ge=0)  # times the usual loss, for 20 steps: stop; 0: never
    precision: Literal["float32", "bfloat16"] = "bfloat16"  # of the arithmetic (autocast)
    max_tokens: int = Field(768, ge=8)  # a prompt row; longer sources lose their beginning
    log_every: int = Field(10, ge=1)  # steps
    save_every: int = Field(200, ge=1)  # steps
    evaluate_every: int = Field(0, ge=0)  # steps between looks at validation; 0: never
    evaluate_users: int = Field(500, ge=1)  # of the validation part, at most
    seed: int = 0

    @property
    def rows(self) -> int:
        """Rows a step."""
        return self.batch * self.accumulate
