"""The cost of fitting a language model over the lists of another method."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from p5rec.core.types import Corpus
from p5rec.ids.plain import unnamed
from p5rec.tasks.view import Shown
from p5rec.train.estimate.plan import plan as plan_training
from p5rec.train.estimate.plan import plannable

from .component_plans import ComponentPlans, plan_components
from .plans import PlanContext

if TYPE_CHECKING:
    from .over_lists import OverLists

LANGUAGE_MODEL = "language model"
WORDS = 64  # of a text about a user whose length is unknown


def plan(method: OverLists, corpus: Corpus, among: PlanContext) -> ComponentPlans:
    """The cost of training the language model, and of fitting the other method.

    Texts about users are not written yet: prompts show texts of the greatest length.

    Args:
        method: its other method is resolved.
        corpus: the data.
        among: the recipe's methods and texts.
    """
    assert method.finder is not None, "names are resolved"
    plans = plan_components({method.ranking: method.finder}, corpus, among)
    learner = method.learner(method.train.seed)
    if not plannable(learner):
        return plans
    shown = Shown()
    if method.reads_texts is not None:
        generator = getattr(among.texts.get(method.reads_texts), "generator", None)
        words = getattr(generator, "max_new_tokens", WORDS)
        shown = Shown(notes=[" ".join(["word"] * words)] * len(corpus.user_ids))
    codes = unnamed(len(corpus.catalog), learner.train.seed)
    training = plan_training(learner, codes, corpus, gpus=among.gpus, shown=shown)
    return replace(plans, own={LANGUAGE_MODEL: training, **plans.own})
