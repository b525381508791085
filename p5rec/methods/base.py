"""A method: a config that fits a model into a folder and loads it from there.

Everything that a user can name and compare is a method, from popularity to a language model. A new
method takes one file and one line in :mod:`.registry`.
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
from p5rec.core.paths import files_in
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus, Interactions, Split
from p5rec.tasks.registry import TASKS

from .needs import Inputs, Need
from .plans import Plan, PlanContext, Planned
from .registry import METHODS

if TYPE_CHECKING:
    from p5rec.tasks.predictions import Predictions
    from p5rec.tasks.view import CorpusView

TRAINING = "the training events"
ANEW, ONWARDS = "anew", "from an earlier model"
REPLAY = 1.0  # users without new events that an update trains on, for each user with some
LISTS = "recommend"  # the capability to rank items for all users
# capability → the validation metric that selects settings
VALIDATION = Registry(
    "capability that validation measures",
    {
        "recommend": "p5rec.methods.tune:of_lists",
        "predict_rating": "p5rec.methods.tune:of_ratings",
        "predict_click": "p5rec.methods.tune_clicks:of_clicks",
    },
)


class Method(Config):
    """A method's settings, which also fit it.

    ``tune`` maps settings to the values that validation chooses from. Its default is :attr:`grid`,
    without the settings that the config fixes.

    Attributes:
        capabilities: what its predictors can do; validation measures the first. Each one except
            ``recommend`` makes the tasks of that capability available (:attr:`tasks`).
        embeds_items: its predictor is an :class:`~.predictors.EmbedsItems`.
        scores_items: its predictor is a :class:`~.predictors.ScoresItems`. Components of a fusion
            must be; those without codes must be :class:`~.predictors.ScoresOtherItems`.
        stochastic: a fit depends on its seed.
        collective: all processes of a launch fit it together, and an interrupted fit resumes.
            Other methods are fitted by the first process.
        prompted: it is evaluated on prompt families, those among its :attr:`tasks`.
        validates_during_fit: a fit evaluates ranked lists, of validation users for early stopping,
            or trains on lists.
        content_based: it can recommend items without training events.
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
    stochastic: ClassVar[bool] = False
    collective: ClassVar[bool] = False
    prompted: ClassVar[bool] = False
    validates_during_fit: ClassVar[bool] = False
    content_based: ClassVar[bool] = False
    grid: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    untuned: ClassVar[frozenset[str]] = frozenset({"kind", "tune", "permute_histories"})

    def learn(self, interactions: Interactions, split: Split) -> Any:
        """A predictor fitted to the training events; random draws follow ``split.seed``."""
        raise NotImplementedError

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """Fits to the training events of ``corpus`` and saves the model into ``folder``.

        Args:
            corpus: the data.
            folder: receives the model.
            seed: of all random draws.
            inputs: the artefacts of :meth:`needs`, by name.

        Returns:
            The events that the model was fitted to.
        """
        model = self.learn(corpus.interactions, replace(corpus.split, seed=seed))
        model.save(folder)
        lineage: Lineage = model.lineage
        return lineage

    def load(self, folder: Path) -> Any:
        """The predictor (:mod:`.predictors`) in ``folder``, which is complete (:meth:`files`)."""
        raise NotImplementedError

    def open_predictor(
        self, folder: Path, ids: Path | None = None, *, download: bool = False
    ) -> Any:
        """The predictor in a folder that may come from another machine.

        Args:
            folder: a complete model.
            ids: codes that extend the model's codes to new items; None: the model's.
            download: whether a backbone that the folder names may be downloaded.

        Raises:
            UserError: there are ``ids``, and the method has no codes.
        """
        if ids is not None:
            raise UserError(
                f"ids: expected a model with codes, got a {self.kind}, which has none; leave it out"
            )
        return self.load(folder)

    def reopen_predictor(self, predictor: Any, folder: Path) -> Any:
        """The predictor in ``folder``; ``predictor`` has the same model with other search
        settings."""
        return self.open_predictor(folder, download=True)

    def first_seed(self, split_seed: int) -> int:
        """The seed of the first fit; further ones add 1, 2, ..."""
        return split_seed

    def needs(self, seed: int) -> Mapping[str, Need]:
        """The inputs of a fit under ``seed`` besides the data, by name."""
        return {}

    def query_needs(self, seed: int) -> Mapping[str, Need]:
        """The inputs of queries to a fitted model, by name; they do not affect the fit."""
        return {}

    def files(self, model: Path, query_inputs: Inputs, work: Path) -> dict[str, Path]:
        """The files of a complete folder, by their path in it.

        Args:
            model: the folder that :meth:`fit` filled.
            query_inputs: the artefacts of :meth:`query_needs`.
            work: an empty folder for temporary files.
        """
        return files_in(model)

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """The functions whose code affects a fit."""
        return (METHODS.target(self.kind),)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """The functions whose code affects predictions."""
        return (METHODS.target(self.kind),)

    def fit_settings(self) -> dict[str, Any]:
        """The settings that affect a fit, as plain data; without those of queries."""
        return {name: value for name, value in self.dump().items() if name != "tune"}

    def fit_reads(self) -> dict[str, str]:
        """Hashes of the files that a fit reads outside the data, by name."""
        return {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that the method makes predictions for, besides ranking the catalogue."""
        able = {*self.capabilities} - {LISTS}
        return tuple(name for name in TASKS if TASKS.get(name).capability in able)

    @classmethod
    def reference(cls, queries: Predictions, view: CorpusView) -> Self | None:
        """The baseline of this kind for the test instances ``queries``; None: it cannot predict
        them."""
        method: Self = cls.model_validate({})
        return method

    @property
    def semantic_ids(self) -> str | None:
        """The name of the recipe's semantic ids that the method uses; None: it uses none."""
        return None

    @property
    def starts_from(self) -> str | None:
        """The method or the model's folder whose weights a fit is initialised from."""
        return None

    @property
    def trained_on(self) -> str:
        """The method's training data, for the report."""
        return TRAINING if self.share == 1 else f"those of {self.share:.3g} of the users"

    @property
    def share(self) -> float:
        """The share of users whose events are training data."""
        return 1.0

    def of_all_users(self) -> Self:
        """The method fitted to the events of all users."""
        return self

    def overridden(self, folder: Path, search: Mapping[str, Any]) -> Self:
        """The method with the search settings of a request; None keeps the saved value.

        Args:
            folder: of the model, for messages.
            search: setting → value.

        Raises:
            UserError: the method does not search, or the settings are invalid.
        """
        for name, value in search.items():
            if value is not None and name != "k":
                option = "--" + name.replace("_", "-")
                raise UserError(
                    f"{option}: expected a model that decodes its lists, got a {self.kind} in "
                    f"{folder}, which scores every item; leave the option out"
                )
        return self

    def check_prompts(self, tasks: Collection[str]) -> None:
        """Checks the tasks of an evaluation.

        Raises:
            UserError: the method makes no predictions for one of ``tasks``, or ``tasks`` is empty
                and it does not rank.
        """
        if unknown := [task for task in tasks if task not in self.tasks]:
            raise UserError(
                f"--prompts: expected a task of a {self.kind}, got {unknown[0]!r}; leave it out"
            )

    def check_ranks(self) -> None:
        """Checks that the method ranks items.

        Raises:
            UserError: it does not.
        """
        if LISTS not in self.capabilities:
            raise UserError(
                f"--what lists: expected a method that ranks items, got a {self.kind}; name another"
            )

    def check(self, ids: Mapping[str, Any]) -> Iterator[str]:
        """One line for each error of the config, found without the data; it starts with its key.

        Args:
            ids: configs of the recipe's ids, by name.

        Raises:
            UserError: a file that the method reads is invalid.
        """
        yield from ()

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """One line for each requirement that the data do not meet.

        Args:
            corpus: the data.
            tasks: tasks that the method is evaluated on.
        """
        yield from ()

    def points(self) -> tuple[Self, ...]:
        """The configs of the grid, at least one, each with an empty ``tune``."""
        plain = {**self.dump(), "tune": {}}
        combinations = product(*self.tune.values())
        return tuple(
            type(self)(**_with_values(plain, dict(zip(self.tune, values, strict=True))))
            for values in combinations
        )

    def plan(self, corpus: Corpus, among: PlanContext) -> Planned | None:
        """The cost of a fit: number of models and memory of the largest; None: not known before."""
        return Plan(self.fits)

    @property
    def fits(self) -> int:
        """The number of fits for the grid; points that differ only in query settings share one."""
        return len({digest(point.fit_settings()) for point in self.points()})

    def method_names(self) -> Iterator[str]:
        """The names of the recipe's methods in its settings, until they are resolved."""
        yield from ()

    def resolve_names(self, methods: Mapping[str, Method], *, exclude_seen: bool) -> Self:
        """The method with the recipe's methods in place of their names.

        Args:
            methods: of the recipe, by name.
            exclude_seen: whether the recipe evaluates lists without the items of histories.

        Raises:
            UserError: a name is unknown.
        """
        return self

    def chosen(self, model: Path) -> dict[str, Any]:
        """What validation selected, facts for a report by name.

        Args:
            model: the folder that :meth:`fit` filled.
        """
        return {}

    @property
    def needs_validation(self) -> bool:
        """Whether a fit needs validation events: to select settings, or for early stopping."""
        return len(self.points()) > 1

    def as_chosen(self, model: Path) -> Self:
        """The method with the selected settings and training length, which needs no validation.

        Args:
            model: a complete folder of a fit of this config.

        Raises:
            UserError: the folder does not record what was selected.
        """
        return self.model_copy(update={"tune": {}})

    def continue_from(self, model: Path, share: float) -> Self:
        """The method initialised from a fitted model, for data with new events.

        By default, a method is fitted from scratch.

        Args:
            model: a complete folder of a fit of this config, or of an update of one.
            share: of the epochs (or steps) of a full training.

        Raises:
            UserError: it can neither continue nor be fitted from scratch.
        """
        return self

    def fit_facts(self) -> dict[str, Any]:
        """How the method with selected settings is fitted: facts for a manifest, by name."""
        return {"fitted": ANEW}

    def describe(self) -> dict[str, Any]:
        """Facts for a report, by name."""
        omitted = {"tune"} | (set() if self.permute_histories else {"permute_histories"})
        tuned = {name: value for name, value in self.dump().items() if name not in omitted}
        return {"tuned": tuned, "configs_tried": 1}

    @model_validator(mode="before")
    @classmethod
    def _tunes_what_is_not_fixed(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and "tune" not in tree:
            tree = {
                **tree,
                "tune": {k: v for k, v in cls.grid_beside(tree).items() if k not in tree},
            }
        return tree

    @classmethod
    def grid_beside(cls, fixed: Mapping[str, Any]) -> Mapping[str, tuple[Any, ...]]:
        """:attr:`grid` where a config has the settings ``fixed``."""
        return cls.grid

    @model_validator(mode="after")
    def _tunes_what_it_has(self) -> Self:
        settings = type(self).model_fields.keys() - self.untuned
        if unknown := [name for name in self.tune if name.partition(".")[0] not in settings]:
            raise ValueError(f"tune: no setting {min(unknown)!r}; known: {sorted(settings)}")
        if empty := [name for name, values in self.tune.items() if not values]:
            raise ValueError(f"tune: expected at least one value of {empty[0]!r}")
        points = self.points() if self.tune else ()  # every point must be a config
        if any(point.capabilities[:1] not in {(name,) for name in VALIDATION} for point in points):
            raise ValueError(
                f"tune: validation needs a {self.kind} with {' or '.join(VALIDATION)}: leave it out"
            )
        return self


def share_of(length: int, share: float) -> int:
    """A ``share`` of ``length`` epochs or steps, rounded down, at least one."""
    return max(1, int(share * length))


def _with_values(tree: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``tree`` with ``values`` at their dotted keys (``train.learning_rate``)."""
    out = deepcopy(tree)
    for key, value in values.items():
        *path, last = key.split(".")
        inner: Any = out
        for name in path:
            inner = inner.get(name)
            if not isinstance(inner, dict):
                raise ValueError(f"tune: expected a setting, got {key!r}; {name} has none")
        inner[last] = value
    return out
