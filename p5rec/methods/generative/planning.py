"""The cost of training a generative method of a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from p5rec.backbones.config import LoraSettings
from p5rec.core.types import Corpus
from p5rec.data.split import instances
from p5rec.models.initialise import resolve_initialisation
from p5rec.recommend.validate import validator
from p5rec.train.estimate.plan import Plan, ValidationTiming, plannable, stand_in_codes
from p5rec.train.estimate.plan import plan as plan_training
from p5rec.train.learner import settings_of

from ..plans import PlanContext

USERS = 500  # for timing a validation check


def plan(method: Any, corpus: Corpus, among: PlanContext) -> Plan | None:
    """The cost of training; None if nothing is trained, or if a trained model is aligned.

    It needs neither the items' codes nor the model's weights.

    Args:
        method: a :class:`~.method.Generative`, which imports this module.
        corpus: the data.
        among: the recipe's ids and methods.
    """
    first, *others = method.points()
    if not plannable(first):
        return None
    codes = stand_in_codes(among.ids[first.ids], len(corpus.catalog))
    base_adapters, timing = _base_adapters(first, corpus, among), _validation(first, corpus)
    training = plan_training(first, codes, corpus, base_adapters, among.gpus, timing)
    return replace(training, trials=1 + len(others))


def _validation(method: Any, corpus: Corpus) -> ValidationTiming | None:
    """The validation check of a training; None: there is none."""
    if (decode := method.validated_by) is None:
        return None
    users = instances(corpus.interactions, corpus.split, "valid")[0].users
    n_users = min(method.train.evaluate_users, len(users))
    if not n_users:
        return None
    return ValidationTiming(validator(corpus, decode, USERS), max(1, n_users / USERS))


def _base_adapters(method: Any, corpus: Corpus, among: PlanContext) -> tuple[LoraSettings, ...]:
    """The adapters of the model that ``method`` is initialised from, oldest first."""
    if method.start is None:
        return ()
    if method.start not in among.methods:
        return resolve_initialisation(settings_of(method, corpus), Path(method.start)).base_adapters
    first: Any = among.methods[method.start]
    base_adapters, lora = _base_adapters(first, corpus, among), first.backbone.lora
    return base_adapters if lora is None else (*base_adapters, lora)
