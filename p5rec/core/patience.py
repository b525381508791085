"""When to stop waiting for a better figure."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Patience:
    """Counts looks at a figure, the larger the better, since the last that was better than all.

    Attributes:
        looks: how many may pass without a better one; 0: any number.
        best: the best figure so far.
        since: looks since then.
    """

    looks: int
    best: float = -math.inf
    since: int = 0

    def better(self, figure: float) -> bool:
        """Whether ``figure`` is better than all before it."""
        if figure > self.best:
            self.best, self.since = figure, 0
            return True
        self.since += 1
        return False

    @property
    def over(self) -> bool:
        """Whether it has been long enough."""
        return 0 < self.looks <= self.since
