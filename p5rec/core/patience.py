"""When a figure has stopped rising."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Patience:
    """Waits until a figure, the larger the better, no longer rises: until the mean of its last
    looks is not above the mean of as many before.

    Counting looks since the best would be ruled by luck: with few users one look is noisy, and one
    that is too good ends a training whose figure still rises.

    Attributes:
        looks: how many are averaged; 0: wait for ever.
        figures: those seen so far.
    """

    looks: int
    figures: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The best figure so far."""
        return max(self.figures, default=-math.inf)

    @property
    def best_look(self) -> int | None:
        """Which of the looks, counted from 1, saw it first; None: there was none."""
        return self.figures.index(self.best) + 1 if self.figures else None

    def better(self, figure: float) -> bool:
        """Whether ``figure`` is better than all before it."""
        found = figure > self.best
        self.figures.append(figure)
        return found

    @property
    def over(self) -> bool:
        """Whether it has been long enough."""
        last, before = self.figures[-self.looks :], self.figures[-2 * self.looks : -self.looks]
        return 0 < self.looks <= len(before) and sum(last) <= sum(before)

    @property
    def ends(self) -> int:
        """After which look it is over if the figures stay at the mean of the last ones."""
        last = self.figures[-self.looks :]
        level = sum(last) / len(last) if last else 0.0
        ahead = Patience(self.looks, [*self.figures])
        while not ahead.over and len(ahead.figures) < len(self.figures) + 2 * self.looks:
            ahead.figures.append(level)
        return len(ahead.figures)

    def told(self, unit: str) -> str:
        """The best figure, and when it is over, for a progress bar.

        Args:
            unit: what each look comes after.
        """
        best = f"best {self.best:.4f} ({unit} {self.best_look}), " if self.figures else ""
        return f"{best}ends after {unit} {self.ends} unless it rises"
