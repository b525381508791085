"""What a recipe measures, as its ``evaluate:`` section says it."""

from __future__ import annotations

from pydantic import Field

from p5rec.core.config import Config


class EvaluateConfig(Config):
    """Lists, prompted families, and which methods are set against each other.

    Attributes:
        k: length of the ranked lists.
        ask: prompt family → how many held-out rows to put to each method that was taught it.
        compare: pairs of methods; the first is claimed to be better.
        samples: users whose answers the report shows.
    """

    k: int = Field(20, ge=5)
    ask: dict[str, int] = {}
    compare: tuple[tuple[str, str], ...] = ()
    samples: int = Field(10, ge=0)
