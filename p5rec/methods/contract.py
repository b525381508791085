"""The contract of a method that is fitted to the data alone: rules that every baseline keeps.

B requests, N items.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from traceback import extract_tb
from typing import Any

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.code import CODE
from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng, tie_order
from p5rec.core.types import Corpus, Histories, RankedLists
from p5rec.data.build import build
from p5rec.data.config import DataConfig, SyntheticConfig
from p5rec.data.split import instances

from .base import LISTS, Method
from .folder import contents
from .predictors import EmbedsItems, PredictsClicks, PredictsRatings, Recommends, ScoresItems

PROTOCOLS: Mapping[str, type] = {
    "recommend": Recommends,
    "predict_rating": PredictsRatings,
    "predict_click": PredictsClicks,
}
FLAGS: Mapping[str, type] = {"embeds_items": EmbedsItems, "scores_items": ScoresItems}
QUERIES = (*PROTOCOLS, "write")
K = 10
DATA = SyntheticConfig(kind="markov", users=40, items=24, events=8)


@dataclass(frozen=True)
class Case:
    """A method, a small data set, and folders that are filled on first use.

    Attributes:
        method: with one point in its grid.
        corpus: the data.
        root: an empty folder.
        seed: of the fits.
    """

    method: Method
    corpus: Corpus
    root: Path
    seed: int = 1

    def fit(self, name: str, corpus: Corpus) -> tuple[Path, Lineage]:
        """A folder that the method has filled, and the events that it reports."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        lineage = self.method.fit(corpus, folder, seed=self.seed, inputs={})
        return folder, lineage

    @cached_property
    def fitted(self) -> tuple[Path, Lineage]:
        """The fit to the data."""
        return self.fit("first", self.corpus)

    @cached_property
    def predictor(self) -> Any:
        """The predictor of the fit to the data."""
        return self.method.load(self.fitted[0])

    @cached_property
    def requests(self) -> tuple[Histories, np.ndarray]:
        """The test users' histories, one of them empty, and an item for each."""
        log, split = self.corpus.interactions, self.corpus.split
        histories, items, _ = instances(log, split, "test")
        histories = histories.where(histories.requests() > 0)
        return histories, items

    def lists(self, histories: Histories, k: int = K, **settings: Any) -> RankedLists:
        """Ranked lists of the predictor."""
        lists: RankedLists = self.predictor.recommend(histories, k, **settings)
        return lists


def contract_data() -> Corpus:
    """Events of 40 users and 24 items, with ratings, titles and texts."""
    return build(DataConfig(source="synthetic", synthetic=DATA))[0]


def check_contract(method: Method, corpus: Corpus, root: Path) -> dict[str, list[str]]:
    """Checks a method against the contract.

    Args:
        method: a method without inputs besides the data.
        corpus: the data, with test events.
        root: an empty folder for its fits.

    Returns:
        Rule → a line for each violation; empty for a rule that holds. An exception is a violation,
        and the rules after it are not checked.

    Raises:
        UserError: the method needs other methods or ids, or the data lack what it needs.
    """
    method = method.points()[0]
    if method.needs(0) or method.query_needs(0):
        raise UserError(
            f"{method.kind}: expected a method that is fitted to the data alone, got one with "
            "inputs of its own; run it in a recipe"
        )
    if lacking := list(method.check_data(corpus, ())):
        raise UserError(*(f"{method.kind}: {line}" for line in lacking))
    case, found = Case(method, corpus, root), dict[str, list[str]]()
    for rule, check in RULES.items():
        found[rule] = []
        try:
            found[rule] += check(case)
        except Exception as error:
            found[rule].append(_sentence(error, method))
            break
    return found


def _sentence(error: Exception, method: Method) -> str:
    """An exception, and the line of the method's file that raised it."""
    source = sys.modules[type(method).__module__].__file__
    own = [frame for frame in extract_tb(error.__traceback__) if frame.filename == source]
    where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"


def capability_errors(method: Method, predictor: Any) -> Iterator[str]:
    """A line for each difference between the capabilities of a method and its predictor."""
    for name in QUERIES:
        if (has := hasattr(predictor, name)) != (name in method.capabilities):
            found = f"the predictor has {'a' if has else 'no'} method {name!r}"
            yield f"capabilities are {method.capabilities}, but {found}"
    for name, protocol in PROTOCOLS.items():
        if name in method.capabilities and not isinstance(predictor, protocol):
            yield f"the predictor lacks a method of {protocol.__name__}, or `lineage`"
    for flag, protocol in FLAGS.items():
        if isinstance(predictor, protocol) != getattr(method, flag):
            yield f"{flag} is {getattr(method, flag)}, unlike the predictor ({protocol.__name__})"


def _settings(case: Case) -> Iterator[str]:
    if type(case.method)(**case.method.dump()) != case.method:
        yield f"{case.method!r} differs from the config that reads its settings"
    CODE.digest(*case.method.fitted_by, *case.method.queried_by)


def _equal_fits(case: Case) -> Iterator[str]:
    first, again = case.fitted[0], case.fit("again", case.corpus)[0]
    for name in _different(first, again):
        yield f"{name} differs between two fits with one seed; draw from core.rng.derive_rng"


def _training_events(case: Case) -> Iterator[str]:
    log, split = case.corpus.interactions, case.corpus.split
    folder, lineage = case.fitted
    outside = ~np.isin(lineage.events, log.event_keys[split.mask("train")])
    if outside.any():
        yield f"the lineage has {outside.sum()} events outside of the training events"
    items, test = log.items.copy(), split.mask("test")
    items[test] = derive_rng(0, "contract").permutation(items[test])
    ratings = None if log.ratings is None else np.where(test, log.ratings[0], log.ratings)
    altered = replace(case.corpus, interactions=replace(log, items=items, ratings=ratings))
    for name in _different(folder, case.fit("altered", altered)[0]):
        yield f"{name} depends on test events; use split.mask('train')"


def _capabilities(case: Case) -> Iterator[str]:
    yield from capability_errors(case.method, case.predictor)


def _saved(case: Case) -> Iterator[str]:
    if type(case.method).learn is Method.learn or LISTS not in case.method.capabilities:
        return
    log, split = case.corpus.interactions, replace(case.corpus.split, seed=case.seed)
    lists = case.method.learn(log, split).recommend(case.requests[0], K)
    if not _same(lists, case.lists(case.requests[0])):
        yield "the lists of `learn` differ from those of `load`"


def _lists(case: Case) -> Iterator[str]:
    if LISTS not in case.method.capabilities:
        return
    histories, n = case.requests[0], len(case.corpus.catalog)
    lists = case.lists(histories, n + 1)
    if lists.items.shape != (len(histories), n + 1):
        yield f"expected lists of shape {(len(histories), n + 1)}, got {lists.items.shape}"
        return
    before, after = lists.items[:, :-1], lists.items[:, 1:]
    higher, lower = lists.scores[:, :-1], lists.scores[:, 1:]
    if (higher < lower).any():
        yield "scores do not descend"
    tie = tie_order(case.corpus.interactions.item_keys, case.seed)
    equal = (higher == lower) & (after >= 0)
    if (tie[before] > tie[after])[equal].any():
        yield "items of equal scores are not in the order of core.rng.tie_order"
    for b, items in enumerate(lists.items):
        listed = items[items >= 0].tolist()
        if len({*listed}) < len(listed):
            yield f"request {b} has an item twice"
        if {*listed} & {*histories[b].tolist()}:
            yield f"request {b} has an item of its history, with exclude_seen"
    every = case.lists(histories, n, exclude_seen=False).items
    if (every < 0).any():
        yield "lists of all items lack some"


def _restrictions(case: Case) -> Iterator[str]:
    if LISTS not in case.method.capabilities:
        return
    from p5rec.decode.allowed import Allowed  # a method's config does not import torch

    histories, n = case.requests[0], len(case.corpus.catalog)
    candidates = np.arange(n) % 2 == 0
    allowed = case.lists(histories, n, allowed=Allowed(candidates=candidates)).items
    full = case.lists(histories, n).items
    for got, items in zip(allowed, full, strict=True):
        if got[got >= 0].tolist() != [i for i in items.tolist() if i >= 0 and candidates[i]]:
            yield "lists with candidates are not those without, reduced to the candidates"
            return


def _alone(case: Case) -> Iterator[str]:
    histories, items = case.requests
    for b in range(min(len(histories), 5)):
        row = np.array([b])
        own = histories.take(row)
        if LISTS in case.method.capabilities:
            together = case.lists(histories).take(row)
            if not _same(case.lists(own), together):
                yield f"the list of request {b} depends on the other requests"
        for name in _pairs(case.method):
            query = getattr(case.predictor, name)
            if query(own, items[row])[0] != query(histories, items)[b]:
                yield f"{name} of request {b} depends on the other requests"


def _predictions(case: Case) -> Iterator[str]:
    histories, items = case.requests
    for name in _pairs(case.method):
        values = np.asarray(getattr(case.predictor, name)(histories, items))
        if values.shape != items.shape:
            yield f"{name}: expected the shape {items.shape}, got {values.shape}"
        elif not np.isfinite(values).all():
            yield f"{name}: a prediction is not finite"
        elif name == "predict_click" and not ((values >= 0) & (values <= 1)).all():
            yield f"{name}: a probability is outside of 0 to 1"
    if case.method.embeds_items:
        shape = case.predictor.item_vectors().shape
        if len(shape) != 2 or shape[0] != len(case.corpus.catalog):
            yield f"item_vectors: expected (N, d), got {shape}"


def _pairs(method: Method) -> list[str]:
    return [name for name in ("predict_rating", "predict_click") if name in method.capabilities]


def _same(lists: RankedLists, others: RankedLists) -> bool:
    return np.array_equal(lists.items, others.items) and np.array_equal(lists.scores, others.scores)


def _different(folder: Path, other: Path) -> list[str]:
    """The names of files that differ between two folders."""
    one, two = contents(folder), contents(other)
    return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))


RULES: Mapping[str, Callable[[Case], Iterator[str]]] = {
    "its settings are plain data, and its source is available": _settings,
    "equal seeds give equal models": _equal_fits,
    "a fit reads no test events, and reports training events only": _training_events,
    "the predictor has the capabilities of the method, and no others": _capabilities,
    "a saved model gives the lists of the fitted one": _saved,
    "lists are complete, sorted, without repeats and seen items": _lists,
    "lists keep to the allowed items": _restrictions,
    "a prediction does not depend on the other requests": _alone,
    "predictions have their shape and range": _predictions,
}
