"""What training a generative method of a recipe will take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from p5rec.backbones.config import LoraSettings
from p5rec.core.types import Corpus
from p5rec.data.split import instances
from p5rec.models.initialise import resolve_initialisation
from p5rec.recommend.validate import validator
from p5rec.train.estimate.plan import ValidationTiming, Plan, plannable, stand_in_codes
from p5rec.train.estimate.plan import plan as plan_training
from p5rec.train.learner import settings_of

from ..plans import PlanContext

USERS = 500  # whom a look is timed with


def plan(method: Any, corpus: Corpus, among: PlanContext) -> Plan | None:
    """What training takes; None where nothing trains, or a trained model is aligned.

    The items' codes need not be made, and no weights are read.

    Args:
        method: a :class:`~.method.Generative`, which imports this.
    """
    first, *others = method.points()
    if not plannable(first):
        return None
    codes = stand_in_codes(among.ids[first.ids], len(corpus.catalog))
    below, look = _below(first, corpus, among), _look(first, corpus)
    told = plan_training(first, codes, corpus, below, among.gpus, look)
    return replace(told, trials=1 + len(others))


def _look(method: Any, corpus: Corpus) -> ValidationTiming | None:
    """What a look at validation does; None: there are none."""
    if (decode := method.validated_by) is None:
        return None
    users = instances(corpus.interactions, corpus.split, "valid")[0].users
    asked = min(method.train.evaluate_users, len(users))
    return ValidationTiming(validator(corpus, decode, USERS), max(1, asked / USERS)) if asked else None


def _below(method: Any, corpus: Corpus, among: PlanContext) -> tuple[LoraSettings, ...]:
    """The adapters of what ``method`` starts from, oldest first."""
    if method.start is None:
        return ()
    if method.start not in among.methods:
        return resolve_initialisation(settings_of(method, corpus), Path(method.start)).below
    first: Any = among.methods[method.start]
    below, lora = _below(first, corpus, among), first.backbone.lora
    return below if lora is None else (*below, lora)
