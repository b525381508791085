"""ELM's fit: trains the adapter, then the language model with it, on prompts about points."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.launch import rank
from p5rec.core.types import Corpus
from p5rec.ids.plain import unnamed
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import FamilyExamples
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, Shown, unnamed_view
from p5rec.train.training import train

from ...needs import Inputs
from .concepts import save_concepts
from .predictor import ANSWERS
from .settings import CommonestSettings, ElmSettings
from .space import points_of, save_space

COUNTED = 2000  # training prompts of a family that the commonest answer is counted in


def fit(method: ElmSettings, corpus: Corpus, folder: Path, seed: int, inputs: Inputs) -> Lineage:
    """Trains ``method``, saves the model into ``folder`` and returns the training events."""
    learner = method.learner(seed)
    view = _view(corpus, inputs, folder)
    shown = Shown(points=view.points)
    codes = unnamed(len(corpus.catalog), seed)
    return train(learner, corpus, codes, folder, shown=shown)


def fit_commonest(
    method: CommonestSettings, corpus: Corpus, folder: Path, seed: int, inputs: Inputs
) -> Lineage:
    """Counts the answers of training prompts, by family and by the words of the prompt."""
    view = _view(corpus, inputs, folder)
    library = PromptLibrary.load()
    if rank() == 0:
        answers = {name: _commonest(view, library, name, method, seed) for name in method.families}
        write_json(folder / ANSWERS, answers)
    return Lineage(corpus.interactions.event_keys[corpus.split.mask("train")])


def _view(corpus: Corpus, inputs: Inputs, folder: Path) -> CorpusView:
    """The corpus with the points of the space, which is saved into ``folder`` with its concepts."""
    store = save_space(corpus, inputs, folder)
    view = CorpusView(corpus, unnamed_view(corpus).names, points=points_of(corpus, store))
    if rank() == 0:
        save_concepts(view, folder)
    return view


def _commonest(
    view: CorpusView, library: PromptLibrary, family: str, method: CommonestSettings, seed: int
) -> dict[str, str]:
    """Prompt → its commonest answer; "" → that of the family."""
    rows = TASKS.get(family).rows(view, "train")[:COUNTED]
    template = library.templates(family, held_out=False)[:1]
    one = library.family(family).named([each.id for each in template])
    examples = FamilyExamples(
        view, PromptLibrary({family: one}), family, rows, seed, method.prompts
    )
    counts: dict[str, Counter[str]] = {"": Counter()}
    for example in examples:
        for key in ("", example.source):
            counts.setdefault(key, Counter())[example.target] += 1
    return {key: min(own, key=lambda text: (-own[text], text)) for key, own in counts.items()}
