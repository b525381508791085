"""Early stopping: detects when a validation metric has stopped rising."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Patience:
    """Stops a training when its validation metric (higher is better) no longer rises.

    The rule compares the mean of the last ``checks`` validation checks with the mean of as many
    before. It does not count the checks since the best one: with few users each check is noisy,
    and one lucky check would stop a training that still improves.

    Attributes:
        checks: the number of validation checks in each mean; 0 disables early stopping.
        values: the metric at each validation check so far.
    """

    checks: int
    values: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The best value so far; ``-inf`` before the first check."""
        return max(self.values, default=-math.inf)

    @property
    def best_check(self) -> int | None:
        """The first check, counted from 1, with the best value; None before the first check."""
        return self.values.index(self.best) + 1 if self.values else None

    def improves(self, value: float) -> bool:
        """Records ``value``; returns whether it is better than all values before."""
        improved = value > self.best
        self.values.append(value)
        return improved

    @property
    def exhausted(self) -> bool:
        """Whether training should stop."""
        last, before = self.values[-self.checks :], self.values[-2 * self.checks : -self.checks]
        return 0 < self.checks <= len(before) and sum(last) <= sum(before)

    @property
    def exhausted_at(self) -> int:
        """The check at which training stops if all further values equal the mean of the last
        ``checks`` values."""
        last = self.values[-self.checks :]
        level = sum(last) / len(last) if last else 0.0
        ahead = Patience(self.checks, [*self.values])
        while not ahead.exhausted and len(ahead.values) < len(self.values) + 2 * self.checks:
            ahead.values.append(level)
        return len(ahead.values)

    def summary(self, unit: str) -> str:
        """The best value and the time of the early stop, for a progress bar.

        Args:
            unit: the interval between checks, for example ``epoch``.
        """
        best = f"best {self.best:.4f} ({unit} {self.best_check}), " if self.values else ""
        return f"{best}stops after {unit} {self.exhausted_at} unless it rises"
