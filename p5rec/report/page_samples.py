"""The sampled predictions of the report page, correct beside wrong, with the target marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p5rec.evaluate.schema import Report, Sample

from .html import Html, join, more, tag
from .phrases import CORRECT, outcome


def examples(report: Report) -> Iterator[Html]:
    """A block for each kind of prediction and method; the first is open."""
    samples = report.samples
    if samples:
        yield tag("p", CORRECT, class_="quiet")
    for kind in dict.fromkeys(sample.kind for sample in samples):
        own = [sample for sample in samples if sample.kind == kind]
        yield tag("h3", kind)
        for method in dict.fromkeys(sample.method for sample in own):
            theirs = [sample for sample in own if sample.method == method]
            first = theirs[0] is samples[0]
            yield more(f"{method}: {_counted(theirs)}", _columns(theirs), opened=first)


def _words(sample: Sample) -> tuple[str, str]:
    return ("hits", "misses") if sample.depth is not None else ("correct", "wrong")


def _counted(samples: Sequence[Sample]) -> str:
    correct = [sample.correct for sample in samples]
    if None in correct:
        return f"{len(samples)} predictions"
    return f"{sum(map(bool, correct))} of {len(correct)} are {_words(samples[0])[0]}"


def _columns(samples: Sequence[Sample]) -> Html:
    """Correct predictions in one column, wrong ones in another; one column where none is either."""
    columns = []
    for correct in (True, False, None):
        own = [sample for sample in samples if sample.correct is correct]
        if own:
            word = "" if correct is None else _words(own[0])[not correct]
            head = tag("h4", word.capitalize()) if word else ""
            columns.append(tag("div", head, *map(_card, own), class_="column"))
    return tag("div", *columns, class_="columns")


def _card(sample: Sample) -> Html:
    query = [
        tag("p", f"{name}: ", tag("bdi", value), class_="query")
        for name, value in sample.query.items()
        if name != "user"
    ]
    who = f"user {sample.query['user']}" if "user" in sample.query else "about an item"
    result = outcome(sample)
    badge = (
        tag("span", result, class_=f"badge {'good' if sample.correct else 'bad'}") if result else ""
    )
    return tag("article", tag("h5", tag("bdi", who), " ", badge), *query, *_prediction(sample))


def _prediction(sample: Sample) -> list[Html]:
    if sample.depth is None:
        texts = [tag("blockquote", tag("bdi", text)) for text in sample.prediction]
        return [*texts, _target(sample.target)] if sample.target else texts
    entries = [
        tag("li", tag("mark", tag("bdi", title)), " ← target")
        if rank == sample.rank
        else tag("li", tag("bdi", title))
        for rank, title in enumerate(sample.prediction, 1)
    ]
    elements = [tag("ol", *entries)]
    if sample.rank is None or sample.rank > len(sample.prediction):
        elements.append(_target(sample.target))
    return elements


def _target(text: str) -> Html:
    return tag("p", join(["target: ", tag("mark", tag("bdi", text))]), class_="target")
