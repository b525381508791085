"""A prompt family put to a trained model about held-out rows: what was asked, what it said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from p5rec.models.checkpoint import Bundle
from p5rec.models.ratings import TASK
from p5rec.prompting.evaluation import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.template import UNSEEN
from p5rec.tasks.predictions import KINDS, Predictions
from p5rec.tasks.questions import drawn
from p5rec.tasks.rating import RATING
from p5rec.tasks.view import CorpusView

from .answers import fit_all
from .config import DecodeConfig
from .histories import at_histories
from .kinds import ANSWERED, Posed


class Unworded(NamedTuple):
    """A family that is asked without a prompt.

    Attributes:
        task: what it asks.
        ask: puts it to a model; arguments as :func:`ask`, but for the family.
    """

    task: str
    ask: Callable[[Bundle, CorpusView, str, int, DecodeConfig, int], Predictions]


UNWORDED: Mapping[str, Unworded] = {TASK: Unworded(RATING.name, at_histories)}


def task_of(bundle: Bundle, family: str) -> str:
    """The task that a family asks, by its name; ``rating-sequence`` asks what ``rating`` does."""
    if family in UNWORDED:
        return UNWORDED[family].task
    return PromptLibrary.from_dump(bundle.prompts).family(family).task


def ask(
    bundle: Bundle,
    view: CorpusView,
    family: str,
    split_name: str,
    n: int,
    decode: DecodeConfig,
    seed: int,
    *,
    unseen: bool = False,
) -> Predictions:
    """Puts a wording of a family to the model about ``n`` seeded rows of ``part``.

    It is the first of those that were taught, or the first that no training row had. Tasks that
    can be asked about the same rows are. A model that knows no item codes, having not been
    trained, gets the first wording without them, unless its prompts write titles in their place.
    ``rating-sequence`` asks for ratings at the end of histories, without a wording.
    """
    started = time.perf_counter()
    if family in UNWORDED:
        made = UNWORDED[family].ask(bundle, view, split_name, n, decode, seed)
    else:
        source = _source(bundle, view, family, split_name, n, seed, unseen)
        made = _in_words(Posed(bundle, view, source, list(source), decode, seed))
    about = {
        "family": family,
        "task": made.task + (UNSEEN if unseen else ""),
        "unseen": unseen,
        "seconds": round(time.perf_counter() - started, 3),
    }
    return made.model_copy(update=about)


def held_out_templates(bundle: Bundle, view: CorpusView, families: Iterable[str]) -> list[str]:
    """Those of ``families`` that have a wording which no training row had."""
    library = PromptLibrary.from_dump(bundle.prompts)
    return [f for f in families if f in library.specs and library.fitting(f, view, unseen=True)]


def _source(
    bundle: Bundle, view: CorpusView, family: str, split_name: str, n: int, seed: int, unseen: bool
) -> EvaluationSource:
    library, settings = PromptLibrary.from_dump(bundle.prompts), bundle.settings
    fitting = library.fitting(family, view, unseen=unseen)
    reads = settings.trained or settings.prompts.items == "title"
    chosen = [t.full_id for t in fitting if reads or not t.names_codes][:1]
    source = EvaluationSource(
        view, library, family, split_name, template_ids=chosen, seed=seed, config=settings.prompts
    )
    return source.only(drawn(source.rows, source.keys, n, seed))


def _in_words(posed: Posed) -> Predictions:
    template, examples = posed.source.templates[0], posed.examples
    asked = fit_all(posed.bundle, examples)
    kind = KINDS[template.answer]
    return kind(
        task=template.task,
        prompt_ids=tuple(sorted({e.prompt_id for e in examples})),
        users=[e.user for e in examples],
        items=[e.item for e in examples],
        events=[e.event for e in examples],
        expected=[e.target for e in examples],
        tokens=sum(len(question.ids) for question in asked),
        shortened=sum(question.shortened for question in asked),
        cut=sum(question.cut for question in asked),
        **ANSWERED[kind](posed),
    )
