"""The page's examples: what a method answered, right beside wrong, the right item marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p5rec.evaluate.schema import Report, Sample

from .html import Html, join, more, tag
from .wording import JUDGED, outcome


def examples(report: Report) -> Iterator[Html]:
    """A block a kind of answer and method; the first is open."""
    samples = [_judged(sample) for sample in report.samples]
    if samples:
        yield tag("p", JUDGED, class_="quiet")
    for kind in dict.fromkeys(sample.kind for sample in samples):
        own = [sample for sample in samples if sample.kind == kind]
        yield tag("h3", kind)
        for method in dict.fromkeys(sample.method for sample in own):
            theirs = [sample for sample in own if sample.method == method]
            first = theirs[0] is samples[0]
            yield more(f"{method}: {_counted(theirs)}", _beside(theirs), opened=first)


def _judged(sample: Sample) -> Sample:
    """Records from before places were kept: the answer itself is searched for the right item."""
    if sample.right is not None or sample.depth is not None or len(sample.answer) < 2:
        return sample
    if not sample.expected:
        return sample
    found = sample.expected in sample.answer
    rank = sample.answer.index(sample.expected) + 1 if found else None
    told = {"right": found, "rank": rank, "depth": len(sample.answer)}
    return sample.model_copy(update=told)


def _words(sample: Sample) -> tuple[str, str]:
    return ("hits", "misses") if sample.depth is not None else ("right", "wrong")


def _counted(samples: Sequence[Sample]) -> str:
    right = [sample.right for sample in samples]
    if None in right:
        return f"{len(samples)} answers"
    return f"{sum(map(bool, right))} of {len(right)} are {_words(samples[0])[0]}"


def _beside(samples: Sequence[Sample]) -> Html:
    """Right answers in a column, wrong ones in another; one column where none is either."""
    columns = []
    for right in (True, False, None):
        own = [sample for sample in samples if sample.right is right]
        if own:
            word = "" if right is None else _words(own[0])[not right]
            head = tag("h4", word.capitalize()) if word else ""
            columns.append(tag("div", head, *map(_card, own), class_="column"))
    return tag("div", *columns, class_="beside")


def _card(sample: Sample) -> Html:
    asked = [
        tag("p", f"{name}: ", tag("bdi", value), class_="asked")
        for name, value in sample.asked.items()
        if name != "user"
    ]
    who = f"user {sample.asked['user']}" if "user" in sample.asked else "about an item"
    said = outcome(sample)
    badge = tag("span", said, class_=f"badge {'good' if sample.right else 'bad'}") if said else ""
    return tag("article", tag("h5", tag("bdi", who), " ", badge), *asked, *_answer(sample))


def _answer(sample: Sample) -> list[Html]:
    if sample.depth is None:
        said = [tag("blockquote", tag("bdi", answer)) for answer in sample.answer]
        return [*said, _expected("expected", sample.expected)] if sample.expected else said
    places = [
        tag("li", tag("mark", tag("bdi", title)), " ← the right one")
        if place == sample.rank
        else tag("li", tag("bdi", title))
        for place, title in enumerate(sample.answer, 1)
    ]
    shown = [tag("ol", *places)]
    if sample.rank is None or sample.rank > len(sample.answer):
        shown.append(_expected("the right one", sample.expected))
    return shown


def _expected(word: str, text: str) -> Html:
    return tag("p", join([f"{word}: ", tag("mark", tag("bdi", text))]), class_="expected")
