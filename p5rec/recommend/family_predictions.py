"""A trained model's predictions for the prompts of one family about held-out events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from p5rec.models.bundle import Bundle
from p5rec.models.ratings import TASK
from p5rec.prompting.instances import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.template import HELD_OUT
from p5rec.tasks.predictions import KINDS, Predictions
from p5rec.tasks.queries import Count, sample_rows
from p5rec.tasks.view import CorpusView

from .config import DecodeConfig
from .prediction_kinds import PREDICTED_FIELDS, PromptSet
from .prompt_predictions import fit_prompts
from .rating_sequences import predict_at_histories

# a family without prompt templates, whose model reads a sequence of events → its predictions;
# arguments as predict_family, without the family
PROMPT_FREE: Mapping[str, Callable[..., Predictions]] = {TASK: predict_at_histories}


def predict_family(
    bundle: Bundle,
    view: CorpusView,
    family: str,
    split_name: str,
    n: Count,
    decode: DecodeConfig,
    seed: int,
    *,
    held_out: bool = False,
) -> Predictions:
    """Predictions for ``n`` seeded test instances of a split, prompted with one template.

    The template is the family's first training template; with ``unseen``, its first held-out
    template. Tasks that are defined on the same events get the same instances. A zero-shot model
    does not know item codes: it gets the first template without codes, unless its prompts write
    titles instead. ``rating-sequence`` has no template: the model predicts the rating at the end of
    a history.
    """
    started = time.perf_counter()
    if family in PROMPT_FREE:
        predictions = PROMPT_FREE[family](bundle, view, split_name, n, decode, seed)
    else:
        source = _source(bundle, view, family, split_name, n, seed, held_out)
        predictions = _prompted(PromptSet(bundle, view, source, list(source), decode, seed))
    about = {
        "family": family,
        "task": predictions.task + (HELD_OUT if held_out else ""),
        "held_out": held_out,
        "seconds": round(time.perf_counter() - started, 3),
    }
    return predictions.model_copy(update=about)


def held_out_templates(bundle: Bundle, view: CorpusView, families: Iterable[str]) -> list[str]:
    """The ``families`` that have a held-out prompt template."""
    library = PromptLibrary.from_dump(bundle.prompts)
    return [f for f in families if f in library.specs and library.fitting(f, view, held_out=True)]


def _source(
    bundle: Bundle,
    view: CorpusView,
    family: str,
    split_name: str,
    n: Count,
    seed: int,
    held_out: bool,
) -> EvaluationSource:
    library, settings = PromptLibrary.from_dump(bundle.prompts), bundle.settings
    fitting = library.fitting(family, view, held_out=held_out)
    reads_items = settings.trained or settings.prompts.items == "title"
    template = [t.full_id for t in fitting if reads_items or not t.names_codes][:1]
    source = EvaluationSource(
        view, library, family, split_name, template_ids=template, seed=seed, config=settings.prompts
    )
    return source.select(sample_rows(source.rows, source.keys, n, seed))


def _prompted(prompts: PromptSet) -> Predictions:
    template, examples = prompts.source.templates[0], prompts.examples
    inputs = fit_prompts(prompts.bundle, examples)
    kind = KINDS[template.target_type]
    return kind(
        task=template.task,
        prompt_ids=tuple(sorted({e.prompt_id for e in examples})),
        users=[e.user for e in examples],
        items=[e.item for e in examples],
        events=[e.event for e in examples],
        expected=[e.target for e in examples],
        tokens=sum(len(each.ids) for each in inputs),
        shortened=sum(each.shortened for each in inputs),
        cut=sum(each.cut for each in inputs),
        **PREDICTED_FIELDS[kind](prompts),
    )
