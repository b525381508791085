"""The generative method: a language model over items with semantic ids."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from p5rec.backbones.registry import BACKBONES
from p5rec.core.artefacts import Lineage, digest, read_json
from p5rec.core.code import Work
from p5rec.core.errors import UserError, input_error
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus
from p5rec.ids.files import ENCODER_FILES
from p5rec.models.config import BUNDLE, NEXT_ITEM
from p5rec.recommend.config import DecodeConfig, settings_for
from p5rec.tasks.registry import TASKS
from p5rec.train.config import PreferenceConfig
from p5rec.train.learner import LearnerConfig, training_prompts

from ..base import LISTS, ONWARDS, REPLAY, Method, share_of
from ..needs import Codes, DerivedArtefact, Inputs, Model, Need
from ..plans import PlanContext

if TYPE_CHECKING:
    from p5rec.train.estimate.plan import Plan

    from .predictor import GenerativePredictor

# imported on use; the code of each is part of the keys of the stages that use it
WORK = Registry(
    "work of a generative method",
    {
        "fit": "p5rec.methods.generative.fitting:fit",
        "preference pairs": "p5rec.methods.generative.fitting:preference_pairs",
        "validate": "p5rec.recommend.validate:validator",
        "open": "p5rec.methods.generative.predictor:open_predictor",
        "check": "p5rec.methods.generative.checks:check",
        "require task": "p5rec.recommend.capabilities:require_task",
        "data errors": "p5rec.methods.generative.checks:data_errors",
        "plan": "p5rec.methods.generative.planning:plan",
        "network": "p5rec.models.checkpoint:network_hash",
    },
)
QUERIED = frozenset({"decode"})  # settings that affect queries alone
NEEDED = frozenset({"ids", "start"})  # settings that name inputs of a fit


class Generative(LearnerConfig, Method):
    """A language model that names items by their semantic ids."""

    kind: Literal["generative"] = "generative"
    ids: str = "semantic"
    """Semantic ids to use, by their name under ``ids``."""
    decode: DecodeConfig = DecodeConfig()
    """How ranked lists are searched."""
    start: str | None = None
    """Model to initialise from: another method of the recipe, or a model's folder. null: the
    backbone's own weights.
    """

    untuned = Method.untuned | NEEDED
    collective = True
    validates_during_fit = True
    prompted = True
    content_based = True

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether it trains: without training, all seeds give the same model."""
        return self.train.steps > 0

    @property
    def capabilities(self) -> tuple[str, ...]:  # type: ignore[override]
        """``recommend``, if it is trained on next-item prediction.

        It has no ``predict_rating`` or ``write``: its prompts need an event of a corpus, with the
        ratings, times and texts of the user's earlier events, while a request has items alone.
        """
        return (LISTS,) if NEXT_ITEM in self.train.tasks else ()

    @property
    def scores_items(self) -> bool:  # type: ignore[override]
        """Whether it has an item head, which is trained on histories."""
        return self.item_head is not None and NEXT_ITEM in self.train.tasks

    @property
    def head_alone(self) -> bool:
        """Whether the item head alone predicts items, so that there is no search over codes."""
        return self.item_head is not None and self.item_head.alone

    @property
    def tasks(self) -> tuple[str, ...]:
        """See :class:`~p5rec.methods.base.Method`: the tasks that it is trained on."""
        return tuple(self.train.tasks)

    @property
    def semantic_ids(self) -> str:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.ids

    @property
    def starts_from(self) -> str | None:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.start

    def first_seed(self, split_seed: int) -> int:
        """See :class:`~p5rec.methods.base.Method`: that of the training config."""
        return self.train.seed

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: codes, and the model it is initialised from."""
        codes = Codes(self.ids)
        if self.start is None:
            return {"ids": codes}
        start = Model(self.start, WORK.deferred("network"))
        needs: dict[str, Need] = {"ids": codes, "start": start}
        if isinstance(self.train.align, PreferenceConfig):
            needs["pairs"] = self._pairs(self.train.align, seed, {"ids": codes, "start": start})
        return needs

    def _pairs(
        self, align: PreferenceConfig, seed: int, needs: Mapping[str, Need]
    ) -> DerivedArtefact:
        settings = {**align.dump(), "seed": seed, "next_item": self.train.next_item.dump()}
        names = {"negatives", "positions", "rejected", "seed", "next_item"}
        learner = self.seeded(seed)
        return DerivedArtefact(
            "pairs",
            partial(WORK.deferred("preference pairs"), learner, align),
            (WORK.target("preference pairs"), self._network),
            {name: value for name, value in settings.items() if name in names},
            needs,
        )

    def query_needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: the encoder of new items."""
        return {"ids": Codes(self.ids)}

    def files(self, model: Path, query_inputs: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`~p5rec.methods.base.Method`: adds the encoder of new items and the config of
        the codes."""
        encoder = {f"codes/{name}": query_inputs["ids"] / name for name in ENCODER_FILES}
        files = super().files(model, query_inputs, work)
        return files | {name: path for name, path in encoder.items() if path.is_file()}

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :func:`.fitting.fit`."""
        validate = None
        if decode := self.validated_by:
            validate = WORK.get("validate")(corpus, decode, self.train.evaluate_users)
        seen: Lineage = WORK.get("fit")(self.seeded(seed), validate, corpus, folder, inputs)
        return seen

    @property
    def needs_validation(self) -> bool:
        """See :class:`~p5rec.methods.base.Method`: also for early stopping."""
        return super().needs_validation or self.train.early_stopping

    def as_chosen(self, model: Path) -> Self:
        """See :class:`~p5rec.methods.base.Method`: training ends at the best validation check, or
        runs in full."""
        plain = super().as_chosen(model)
        if not self.train.early_stopping:
            train = self.train.model_copy(update={"evaluate_every": 0})
            return plain.model_copy(update={"train": train})
        about = read_json(model / BUNDLE)["about"]
        if "steps" not in about:
            todo = "fit it again"
            raise input_error(model, "a model with its number of training steps", "none", todo)
        length: dict[str, Any] = {"evaluate_every": 0, "patience": 0}
        if self.train.epochs is None:
            length["stop_after"] = about["steps"]
        else:
            epochs = {"stop_after": about["steps"] // about["train"]["evaluate_every"]}
            length["epochs"] = self.train.epochs.model_copy(update=epochs)
        return plain.model_copy(update={"train": self.train.model_copy(update=length)})

    def continue_from(self, model: Path, share: float) -> Self:
        """See :class:`~p5rec.methods.base.Method`: trains on users with new events, and on as many
        other users."""
        if not self.stochastic:
            return self
        if self.train.align is not None:
            raise UserError(
                "update: expected a method that is trained on histories alone, got one that is "
                "aligned (train.align), which cannot be updated; refit it"
            )
        schedule, train = self.train.epochs, dict[str, Any](replay=REPLAY)
        if schedule is None:
            train |= {"steps": share_of(self.train.last_step, share), "stop_after": None}
        else:
            epochs = share_of(schedule.stop_after or schedule.max_epochs, share)
            train["epochs"] = schedule.model_copy(
                update={"max_epochs": epochs, "stop_after": epochs}
            )
        update = {"start": str(model), "train": self.train.model_copy(update=train)}
        return self.model_copy(update=update)

    def fit_facts(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`."""
        schedule = self.train.epochs
        length = (
            {"steps": self.train.last_step} if schedule is None else {"epochs": schedule.stop_after}
        )
        origin = {} if self.start is None else {"fitted": ONWARDS}
        return {**super().fit_facts(), **origin, **length}

    def load(self, folder: Path) -> GenerativePredictor:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.open_predictor(folder, download=True)

    def open_predictor(
        self, folder: Path, ids: Path | None = None, *, download: bool = False
    ) -> GenerativePredictor:
        """See :class:`~p5rec.methods.base.Method`."""
        predictor: GenerativePredictor = WORK.get("open")(
            folder, self.decode, ids, download=download
        )
        return predictor

    def reopen_predictor(self, predictor: GenerativePredictor, folder: Path) -> GenerativePredictor:
        """See :class:`~p5rec.methods.base.Method`: the model is not read again."""
        if predictor.decode.precision != self.decode.precision:
            return self.open_predictor(folder, download=True)
        return replace(predictor, decode=self.decode)

    @property
    def _network(self) -> Work:
        """The function that loads the backbone; the model in ``start`` has the same kind."""
        return BACKBONES.target(self.backbone.kind)

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        names = ("fit", "validate") if self.train.has_validation else ("fit",)
        library = training_prompts(self)
        tasks = map(TASKS.target, sorted({spec.task for spec in library.specs.values()}))
        return (*super().fitted_by, *map(WORK.target, names), self._network, *tasks)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("open"), self._network)

    @property
    def validated_by(self) -> DecodeConfig | None:
        """The search settings of validation checks; None: there are no checks."""
        if not self.train.has_validation:
            return None
        return settings_for(self.decode, item_head=self.item_head is not None)

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`.

        Search settings affect a fit with early stopping.
        """
        omitted = QUERIED | NEEDED
        settings = {name: v for name, v in super().fit_settings().items() if name not in omitted}
        settings["train"] = {n: v for n, v in settings["train"].items() if n != "report_to"}
        if self.train.early_stopping and (decode := self.validated_by):
            settings["validation"] = decode.dump()
        return settings

    def fit_reads(self) -> dict[str, str]:
        """See :class:`~p5rec.methods.base.Method`: prompts, and the files of a backbone."""
        prompts = digest(training_prompts(self).subset_dump())
        knowledge = self.prompts.read_knowledge()
        facts = {"knowledge": digest(knowledge.facts)} if knowledge else {}
        return {"prompts": prompts, **facts, **self.backbone.fingerprint()}

    def overridden(self, folder: Path, search: Mapping[str, Any]) -> Self:
        """See :class:`~p5rec.methods.base.Method`."""
        overrides = {name: value for name, value in search.items() if value is not None}
        if not overrides:
            return self
        settings = {**self.decode.dump(), **overrides}
        if settings["search"] == "item-head" and settings["per_prefix"]:
            both = "search" in overrides and "per_prefix" in overrides
            got = "both" if both else f"one, while {folder} was saved with the other"
            raise UserError(f"expected --per-prefix or --search item-head, got {got}; name one")
        if settings["search"] != "item-head" and self.head_alone:
            raise UserError(
                f"--search: expected item-head for {folder}, whose codes are not predicted one "
                f"after another (item_head.codes: 0), got {settings['search']}; leave it out"
            )
        if settings["search"] == "item-head" and self.item_head is None:
            raise UserError(
                f"--search item-head: expected a model with an item head, got {folder}, which has "
                "none; take another search"
            )
        if overrides.get("item_head_weight") and self.item_head is None:
            raise UserError(
                "--item-head-weight: expected a model with an item head, got one without; "
                "leave the option out"
            )
        settings["beams"] = max(settings["beams"], settings["k"])
        return self.model_copy(update={"decode": DecodeConfig(**settings)})

    def check_prompts(self, tasks: Collection[str]) -> None:
        """See :class:`~p5rec.methods.base.Method`."""
        for task in tasks:
            WORK.get("require task")(self.tasks, task)
        if not tasks:
            self.check_ranks()

    def check_ranks(self) -> None:
        """See :class:`~p5rec.methods.base.Method`."""
        if LISTS not in self.capabilities:
            WORK.get("require task")(self.tasks, NEXT_ITEM)

    def check(self, ids: Mapping[str, Any]) -> Iterator[str]:
        """See :func:`.checks.check`."""
        errors: Iterator[str] = WORK.get("check")(self, self.ids, ids)
        return errors

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :func:`.checks.data_errors`."""
        errors: Iterator[str] = WORK.get("data errors")(self, corpus, tasks)
        return errors

    def plan(self, corpus: Corpus, among: PlanContext) -> Plan | None:
        """See :func:`.planning.plan`."""
        plan: Plan | None = WORK.get("plan")(self, corpus, among)
        return plan

    @property
    def trained_on(self) -> str:
        """See :class:`~p5rec.methods.base.Method`."""
        if not self.train.steps:
            return {0: "nothing", 1: "1 example"}.get(n := self.prompts.shots, f"{n} examples")
        return super().trained_on

    @property
    def share(self) -> float:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.train.users

    def of_all_users(self) -> Self:
        """The method trained on all users."""
        return self.model_copy(update={"train": self.train.model_copy(update={"users": 1.0})})

    def describe(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`: the full config."""
        return {"method": self.dump()}

    @model_validator(mode="after")
    def _aligns_what_is_trained(self) -> Self:
        if self.train.align and (self.start is None or NEXT_ITEM not in self.train.tasks):
            raise ValueError(
                f"train.align needs a trained model and the task {NEXT_ITEM}: set start and "
                "train.tasks"
            )
        return self

    @model_validator(mode="after")
    def _ranks_what_it_scores(self) -> Self:
        if self.decode.search == "item-head" and self.item_head is None:
            raise ValueError("decode.search: item-head ranks by an item head: set item_head")
        if self.head_alone and self.decode.search != "item-head":
            raise ValueError(
                "item_head.codes: 0 trains no search over codes: set decode.search: item-head"
            )
        return self
