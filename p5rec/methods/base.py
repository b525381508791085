"""A method: a config that is fitted to a folder, and what is loaded from there.

Whatever a user can name and compare is one, from popularity to a language model. A method is added
in one file of its own and a line of :mod:`.registry`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import model_validator

from p5rec.core.artefacts import Lineage, digest
from p5rec.core.code import Work
from p5rec.core.config import Config
from p5rec.core.errors import UserError
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus, Interactions, Split
from p5rec.tasks.registry import TASKS

from .needs import Inputs, Need
from .plans import Plan, Planned, Surroundings
from .registry import METHODS

if TYPE_CHECKING:
    from p5rec.tasks.predictions import Predictions
    from p5rec.tasks.view import CorpusView

TRAINING = "the training events"
ANEW, ONWARDS = "anew", "from an earlier model"
REPLAY = 1.0  # users without new events that an update trains on, for each user with some
LISTS = "recommend"  # the capability whose answers are lists for all users
# capability → the metric of a corpus's validation part by which settings are chosen
VALIDATION = Registry(
    "capability that validation measures",
    {
        "recommend": "p5rec.methods.tune:of_lists",
        "predict_rating": "p5rec.methods.tune:of_ratings",
        "predict_click": "p5rec.methods.tune_clicks:of_clicks",
    },
)


class Method(Config):
    """A method's settings, which are what fits it.

    ``tune`` maps settings to the values among which validation chooses. It is :attr:`grid` unless
    the config says otherwise, less the settings that the config fixes itself.

    Attributes:
        capabilities: what its predictors can do; validation measures the first. Of each but
            ``recommend`` follow the tasks whose questions the method can be asked.
        embeds_items: whether what is fitted is an :class:`~.predictors.EmbedsItems`.
        scores_items: whether what is fitted is a :class:`~.predictors.ScoresItems`; a part of a
            fusion is, and one without codes a :class:`~.predictors.ScoresOtherItems`.
        drawn: whether a fit depends on random draws, so that other seeds give other models.
        collective: whether all processes of a launch fit it together, and an interrupted fit goes
            on; others are fitted by the first process.
        prompted: whether it is asked in prompt families, those among its :attr:`tasks`.
        watches_lists: whether a fit looks at lists for validation users, to know when to stop.
        by_content: whether it knows an item by more than its training events, so that it can list
            one that has none.
        grid: the values tried by default; of equal ones the first wins.
        untuned: settings that no grid changes.
    """

    kind: str
    """Kind of method."""
    tune: dict[str, tuple[Any, ...]] = {}
    """Setting → values to try; validation chooses. Empty: no search."""
    permute_histories: bool = False
    """Permutation control: replace each event of a history by another user's, in training and in
    queries. It measures what histories contribute.
    """

    capabilities: ClassVar[tuple[str, ...]] = (LISTS,)
    embeds_items: ClassVar[bool] = False
    scores_items: ClassVar[bool] = False
    drawn: ClassVar[bool] = False
    collective: ClassVar[bool] = False
    prompted: ClassVar[bool] = False
    watches_lists: ClassVar[bool] = False
    by_content: ClassVar[bool] = False
    grid: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    untuned: ClassVar[frozenset[str]] = frozenset({"kind", "tune", "permute_histories"})

    def learn(self, interactions: Interactions, split: Split) -> Any:
        """A predictor fitted to the training events; draws follow ``split.seed``."""
        raise NotImplementedError

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """Fit to the training events of ``corpus``, and save into ``folder``.

        Args:
            seed: of every draw.
            inputs: the artefacts of :meth:`needs`, by name.

        Returns:
            The events that were seen.
        """
        model = self.learn(corpus.interactions, replace(corpus.split, seed=seed))
        model.save(folder)
        lineage: Lineage = model.lineage
        return lineage

    def load(self, folder: Path) -> Any:
        """The predictor (:mod:`.predictors`) in ``folder``, a complete one (:meth:`files`)."""
        raise NotImplementedError

    def opened(self, folder: Path, ids: Path | None = None, *, download: bool = False) -> Any:
        """The same of a folder that came from anywhere.

        Args:
            ids: codes that extend the model's own to new items; None: the model's.
            download: whether a backbone that the folder names may be fetched.

        Raises:
            UserError: there are ``ids``, and the method has no codes.
        """
        if ids is not None:
            raise UserError(
                f"ids: expected a model with codes, got a {self.kind}, which has none; leave it out"
            )
        return self.load(folder)

    def reopened(self, predictor: Any, folder: Path) -> Any:
        """The predictor in ``folder``, where ``predictor`` is that of the same method with other
        settings of the search."""
        return self.opened(folder, download=True)

    def first_seed(self, split_seed: int) -> int:
        """The seed of the first fit; further ones add 1, 2, ..."""
        return split_seed

    def needs(self, seed: int) -> Mapping[str, Need]:
        """What a fit under ``seed`` reads beside the data, by name."""
        return {}

    def beside(self, seed: int) -> Mapping[str, Need]:
        """What a fitted model is queried with, by name: its settings shape no fit."""
        return {}

    def files(self, model: Path, beside: Inputs, work: Path) -> dict[str, Path]:
        """The files of a folder that is complete in itself, by their place there.

        Args:
            model: what :meth:`fit` filled.
            beside: the artefacts of :meth:`beside`.
            work: an empty folder for files that must be written.
        """
        return {p.relative_to(model).as_posix(): p for p in model.rglob("*") if p.is_file()}

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """The functions whose code shapes a fit."""
        return (METHODS.target(self.kind),)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """The functions whose code shapes predictions."""
        return (METHODS.target(self.kind),)

    def fit_settings(self) -> dict[str, Any]:
        """The settings that shape a fit, as plain data; those of queries alone are left out."""
        return {name: value for name, value in self.dump().items() if name != "tune"}

    def fit_reads(self) -> dict[str, str]:
        """Hashes of the files outside the data that a fit reads, by name."""
        return {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks whose questions the method answers, beside the lists of one that ranks."""
        able = {*self.capabilities} - {LISTS}
        return tuple(name for name in TASKS if TASKS.get(name).capability in able)

    @classmethod
    def reference(cls, asked: Predictions, view: CorpusView) -> Self | None:
        """The method of this kind that stands beside whoever answers the questions ``asked``.

        None: it has nothing to say about them.
        """
        made: Self = cls.model_validate({})
        return made

    @property
    def semantic_ids(self) -> str | None:
        """Which of the recipe's ids the method names items by; None: it needs none."""
        return None

    @property
    def starts_from(self) -> str | None:
        """The method of the recipe, or the saved model's folder, that a fit begins from."""
        return None

    @property
    def learned(self) -> str:
        """What the method knows of its tasks, in words."""
        return TRAINING if self.share == 1 else f"those of {self.share:.3g} of the users"

    @property
    def share(self) -> float:
        """Of the users, whose events are learned from."""
        return 1.0

    def of_all_users(self) -> Self:
        """The same, fitted to the events of all users."""
        return self

    def overridden(self, folder: Path, search: Mapping[str, Any]) -> Self:
        """The same with settings of the search that a request gives; None stands for "as saved".

        Args:
            folder: that the method was read from, for messages.

        Raises:
            UserError: the method does not search, or cannot so.
        """
        for name, value in search.items():
            if value is not None and name != "k":
                option = "--" + name.replace("_", "-")
                raise UserError(
                    f"{option}: expected a model that searches for its lists, got a {self.kind} in "
                    f"{folder}, which scores every item; leave the option out"
                )
        return self

    def check_asked(self, tasks: Collection[str]) -> None:
        """
        Raises:
            UserError: the method cannot be asked one of ``tasks``, or nothing is left to ask it.
        """
        if strange := [task for task in tasks if task not in self.tasks]:
            raise UserError(
                f"--ask: expected what a {self.kind} answers, got {strange[0]!r}; leave it out"
            )

    def check_ranks(self) -> None:
        """
        Raises:
            UserError: what is fitted makes no lists.
        """
        if LISTS not in self.capabilities:
            raise UserError(
                f"--what lists: expected a method that ranks items, got a {self.kind}; name another"
            )

    def check(self, ids: Mapping[str, Any]) -> None:
        """Checks what can be checked without the data.

        Args:
            ids: configs of the recipe's ids, by name.

        Raises:
            UserError: a line for each fault.
        """

    def check_data(self, corpus: Corpus, asked: Collection[str]) -> Iterator[str]:
        """What the data cannot offer to the method, a line each.

        Args:
            asked: tasks that are asked about the test part.
        """
        yield from ()

    def points(self) -> tuple[Self, ...]:
        """The configs of the grid, each without a grid of its own; at least one."""
        plain = {**self.dump(), "tune": {}}
        every = product(*self.tune.values())
        return tuple(
            type(self)(**_placed(plain, dict(zip(self.tune, point, strict=True))))
            for point in every
        )

    def plan(self, corpus: Corpus, among: Surroundings) -> Planned | None:
        """What fitting takes: models that validation compares, and the memory of the largest; None
        where that cannot be said before."""
        return Plan(self.fits)

    @property
    def fits(self) -> int:
        """The fits that the points of the grid take; those that differ in queries share one."""
        return len({digest(point.fit_settings()) for point in self.points()})

    def within(self, methods: Mapping[str, Method], *, exclude_seen: bool) -> Self:
        """The same as it stands in a recipe: what it names is filled in.

        Args:
            methods: of the recipe, by name.
            exclude_seen: whether the recipe measures lists without the items of histories.

        Raises:
            UserError: it names what is not there.
        """
        return self

    def chosen(self, model: Path) -> dict[str, Any]:
        """What a fit chose, facts for a report by name.

        Args:
            model: what :meth:`fit` filled.
        """
        return {}

    @property
    def chooses(self) -> bool:
        """Whether a fit needs validation events: to choose settings, or to know when to stop."""
        return len(self.points()) > 1

    def as_chosen(self, model: Path) -> Self:
        """The same as validation chose it: settings, and how long it trains. Nothing is left to
        choose (:attr:`chooses`).

        Args:
            model: a complete folder of a fit of this config.

        Raises:
            UserError: the folder does not say what was chosen.
        """
        return self.model_copy(update={"tune": {}})

    def continued(self, model: Path, share: float) -> Self:
        """The same as it goes on from a fitted model, over data that have grown.

        A method that cannot go on is fitted anew: what it is here.

        Args:
            model: a complete folder of a fit of this config, or of one that grew from it.
            share: of the epochs (or steps) of a whole training.

        Raises:
            UserError: it can neither go on nor be fitted anew.
        """
        return self

    def account(self) -> dict[str, Any]:
        """How it is fitted, where nothing is left to choose: facts for a manifest, by name."""
        return {"fitted": ANEW}

    def describe(self) -> dict[str, Any]:
        """Facts for a report, by name."""
        left = {"tune"} | (set() if self.permute_histories else {"permute_histories"})
        tuned = {name: value for name, value in self.dump().items() if name not in left}
        return {"tuned": tuned, "configs_tried": 1}

    @model_validator(mode="before")
    @classmethod
    def _tunes_what_is_not_fixed(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and "tune" not in tree:
            tree = {**tree, "tune": {k: v for k, v in cls.grid.items() if k not in tree}}
        return tree

    @model_validator(mode="after")
    def _tunes_what_it_has(self) -> Self:
        settings = type(self).model_fields.keys() - self.untuned
        if strange := [name for name in self.tune if name.partition(".")[0] not in settings]:
            raise ValueError(f"tune: no setting {min(strange)!r}; known: {sorted(settings)}")
        if empty := [name for name, values in self.tune.items() if not values]:
            raise ValueError(f"tune: expected at least one value of {empty[0]!r}")
        points = self.points() if self.tune else ()  # every point must be a config
        if any(point.capabilities[:1] not in {(name,) for name in VALIDATION} for point in points):
            raise ValueError(
                f"tune: validation measures no {self.kind} without {' or '.join(VALIDATION)}: "
                "leave it out"
            )
        return self


def share_of(length: int, share: float) -> int:
    """So many of ``length`` epochs or steps as are at most a ``share`` of them, at least one."""
    return max(1, int(share * length))


def _placed(tree: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``tree`` with ``values`` at their places, such as ``train.learning_rate``."""
    out = deepcopy(tree)
    for place, value in values.items():
        *path, last = place.split(".")
        inner: Any = out
        for name in path:
            inner = inner.get(name)
            if not isinstance(inner, dict):
                raise ValueError(f"tune: expected a setting, got {place!r}; {name} has none")
        inner[last] = value
    return out
