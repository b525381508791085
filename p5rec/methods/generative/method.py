"""The generative method: a language model over items that have codes, and how it is queried."""

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
from p5rec.core.errors import UserError, fault
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus
from p5rec.ids.files import MADE_BY
from p5rec.models.config import BUNDLE, DENSE
from p5rec.recommend.config import DecodeConfig, settings_for
from p5rec.tasks.registry import TASKS
from p5rec.train.config import PreferenceConfig
from p5rec.train.learner import LearnerConfig, taught_prompts

from ..base import LISTS, ONWARDS, REPLAY, Method, share_of
from ..needs import Codes, Inputs, Made, Model, Need
from ..plans import Surroundings

if TYPE_CHECKING:
    from p5rec.train.estimate.plan import Plan

    from .predictor import GenerativePredictor

# each is imported where it is needed, and is in the keys of the stages that need it
WORK = Registry(
    "work of a generative method",
    {
        "fit": "p5rec.methods.generative.fitting:fit",
        "mine pairs": "p5rec.methods.generative.fitting:mine_pairs",
        "validate": "p5rec.recommend.validate:validator",
        "open": "p5rec.methods.generative.predictor:opened",
        "check": "p5rec.methods.generative.checks:check",
        "check taught": "p5rec.recommend.capabilities:check_taught",
        "faults": "p5rec.methods.generative.checks:faults",
        "plan": "p5rec.methods.generative.planning:plan",
        "network": "p5rec.models.checkpoint:network",
    },
)
QUERIED = frozenset({"decode"})  # settings of queries alone
NEEDED = frozenset({"ids", "start"})  # settings that name what a fit reads


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
    watches_lists = True
    prompted = True
    by_content = True

    @property
    def drawn(self) -> bool:  # type: ignore[override]
        """Whether it trains: untrained, all seeds would give one model."""
        return self.train.steps > 0

    @property
    def capabilities(self) -> tuple[str, ...]:  # type: ignore[override]
        """What its tasks train it to do beside its prompt families.

        Ratings and texts are none of them: a question in words is about an event of a corpus, with
        the ratings, times and texts of the user's earlier ones, and a request holds items alone.
        """
        return (LISTS,) if DENSE in self.train.tasks else ()

    @property
    def scores_items(self) -> bool:  # type: ignore[override]
        """Whether it has an item head, which is trained on histories."""
        return self.item_head is not None and DENSE in self.train.tasks

    @property
    def tasks(self) -> tuple[str, ...]:
        """See :class:`~p5rec.methods.base.Method`: all that it is trained on."""
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
        """See :class:`~p5rec.methods.base.Method`: the training's own."""
        return self.train.seed

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: codes, and what the training begins from."""
        codes = Codes(self.ids)
        if self.start is None:
            return {"ids": codes}
        start = Model(self.start, WORK.get("network"))
        found: dict[str, Need] = {"ids": codes, "start": start}
        if isinstance(self.train.align, PreferenceConfig):
            found["pairs"] = self._pairs(self.train.align, seed, {"ids": codes, "start": start})
        return found

    def _pairs(self, align: PreferenceConfig, seed: int, needs: Mapping[str, Need]) -> Made:
        settings = {**align.dump(), "seed": seed, "dense": self.train.dense.dump()}
        kept = {"negatives", "positions", "rejected", "seed", "dense"}
        learner = self.seeded(seed)
        return Made(
            "pairs",
            partial(WORK.get("mine pairs"), learner, align),
            (WORK.target("mine pairs"), self._network),
            {name: value for name, value in settings.items() if name in kept},
            needs,
        )

    def beside(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: what codes further items."""
        return {"ids": Codes(self.ids)}

    def files(self, model: Path, beside: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`~p5rec.methods.base.Method`: with the codes lies what codes further items,
        and how they were made."""
        made = {f"codes/{name}": beside["ids"] / name for name in MADE_BY}
        return super().files(model, beside, work) | {n: p for n, p in made.items() if p.is_file()}

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :func:`.fitting.fit`."""
        validate = None
        if decode := self.validated_by:
            validate = WORK.get("validate")(corpus, decode, self.train.evaluate_users)
        seen: Lineage = WORK.get("fit")(self.seeded(seed), validate, corpus, folder, inputs)
        return seen

    @property
    def chooses(self) -> bool:
        """See :class:`~p5rec.methods.base.Method`: when to stop, too."""
        return super().chooses or self.train.judged

    def as_chosen(self, model: Path) -> Self:
        """See :class:`~p5rec.methods.base.Method`: as long a training as the best look came
        after, or all of it."""
        plain = super().as_chosen(model)
        if not self.train.judged:
            train = self.train.model_copy(update={"evaluate_every": 0})
            return plain.model_copy(update={"train": train})
        about = read_json(model / BUNDLE)["about"]
        if "steps" not in about:
            todo = "fit it again"
            raise fault(model, "a model that says how long it trained", "one without", todo)
        settled: dict[str, Any] = {"evaluate_every": 0, "patience": 0}
        if self.train.passes is None:
            settled["stop_after"] = about["steps"]
        else:
            epochs = {"epochs": about["steps"] // about["train"]["evaluate_every"]}
            settled["passes"] = self.train.passes.model_copy(update=epochs)
        return plain.model_copy(update={"train": self.train.model_copy(update=settled)})

    def continued(self, model: Path, share: float) -> Self:
        """See :class:`~p5rec.methods.base.Method`: over the users with new events, and as many
        others."""
        if not self.drawn:
            return self
        if self.train.align is not None:
            raise UserError(
                "update: expected a method that is trained on histories alone, got one that is "
                "aligned (train.align), which does not go on; refit it"
            )
        passes, train = self.train.passes, dict[str, Any](replay=REPLAY)
        if passes is None:
            train |= {"steps": share_of(self.train.last_step, share), "stop_after": None}
        else:
            epochs = share_of(passes.epochs or passes.most, share)
            train["passes"] = passes.model_copy(update={"most": epochs, "epochs": epochs})
        update = {"start": str(model), "train": self.train.model_copy(update=train)}
        return self.model_copy(update=update)

    def account(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`."""
        passes, onwards = self.train.passes, self.start is not None
        length = {"steps": self.train.last_step} if passes is None else {"epochs": passes.epochs}
        return {**super().account(), **({"fitted": ONWARDS} if onwards else {}), **length}

    def load(self, folder: Path) -> GenerativePredictor:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.opened(folder, download=True)

    def opened(
        self, folder: Path, ids: Path | None = None, *, download: bool = False
    ) -> GenerativePredictor:
        """See :class:`~p5rec.methods.base.Method`."""
        predictor: GenerativePredictor = WORK.get("open")(
            folder, self.decode, ids, download=download
        )
        return predictor

    def reopened(self, predictor: GenerativePredictor, folder: Path) -> GenerativePredictor:
        """See :class:`~p5rec.methods.base.Method`: the model is not read again."""
        if predictor.decode.precision != self.decode.precision:
            return self.opened(folder, download=True)
        return replace(predictor, decode=self.decode)

    @property
    def _network(self) -> Work:
        """What opens the backbone; a start has the same kind."""
        return BACKBONES.target(self.backbone.kind)

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        names = ("fit", "validate") if self.train.looks else ("fit",)
        library = taught_prompts(self)
        posed = map(TASKS.target, sorted({spec.task for spec in library.specs.values()}))
        return (*super().fitted_by, *map(WORK.target, names), self._network, *posed)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("open"), self._network)

    @property
    def validated_by(self) -> DecodeConfig | None:
        """How validation checks search for lists; None: there are no checks."""
        if not self.train.looks:
            return None
        return settings_for(self.decode, item_head=self.item_head is not None)

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`.

        How lists are searched for shapes a fit where validation checks say when to stop.
        """
        left = QUERIED | NEEDED
        settings = {name: v for name, v in super().fit_settings().items() if name not in left}
        settings["train"] = {n: v for n, v in settings["train"].items() if n != "report_to"}
        if self.train.judged and (decode := self.validated_by):
            settings["validation"] = decode.dump()
        return settings

    def fit_reads(self) -> dict[str, str]:
        """See :class:`~p5rec.methods.base.Method`: prompts, and the files of a backbone."""
        prompts = digest(taught_prompts(self).subset_dump())
        return {"prompts": prompts, **self.backbone.fingerprint()}

    def overridden(self, folder: Path, search: Mapping[str, Any]) -> Self:
        """See :class:`~p5rec.methods.base.Method`."""
        chosen = {name: value for name, value in search.items() if value is not None}
        if not chosen:
            return self
        settings = {**self.decode.dump(), **chosen}
        if settings["search"] == "items" and settings["per_prefix"]:
            both = "search" in chosen and "per_prefix" in chosen
            got = "both" if both else f"one beside the other, with which {folder} was saved"
            raise UserError(f"expected --per-prefix or --search items, got {got}; name one")
        if settings["search"] == "items" and self.item_head is None:
            raise UserError(
                f"--search items: expected a model with an item head, got {folder}, which has "
                "none; take another search"
            )
        if chosen.get("item_weight") and self.item_head is None:
            raise UserError(
                "--item-weight: expected a model with an item head, got one without; leave the "
                "option out"
            )
        settings["beams"] = max(settings["beams"], settings["k"])
        return self.model_copy(update={"decode": DecodeConfig(**settings)})

    def check_asked(self, tasks: Collection[str]) -> None:
        """See :class:`~p5rec.methods.base.Method`."""
        for task in tasks:
            WORK.get("check taught")(self.tasks, task)
        if not tasks:
            self.check_ranks()

    def check_ranks(self) -> None:
        """See :class:`~p5rec.methods.base.Method`."""
        if LISTS not in self.capabilities:
            WORK.get("check taught")(self.tasks, DENSE)

    def check(self, ids: Mapping[str, Any]) -> None:
        """See :class:`~p5rec.methods.base.Method`."""
        WORK.get("check")(self, self.ids, ids)

    def check_data(self, corpus: Corpus, asked: Collection[str]) -> Iterator[str]:
        """See :func:`.checks.faults`."""
        faults: Iterator[str] = WORK.get("faults")(self, corpus, asked)
        return faults

    def plan(self, corpus: Corpus, among: Surroundings) -> Plan | None:
        """See :func:`.planning.plan`."""
        plan: Plan | None = WORK.get("plan")(self, corpus, among)
        return plan

    @property
    def learned(self) -> str:
        """See :class:`~p5rec.methods.base.Method`."""
        if not self.train.steps:
            return {0: "nothing", 1: "1 example"}.get(n := self.prompts.shots, f"{n} examples")
        return super().learned

    @property
    def share(self) -> float:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.train.users

    def of_all_users(self) -> Self:
        """The same, trained on all users."""
        return self.model_copy(update={"train": self.train.model_copy(update={"users": 1.0})})

    def describe(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`: the whole config."""
        return {"method": self.dump()}

    @model_validator(mode="after")
    def _aligns_what_is_trained(self) -> Self:
        if self.train.align and (self.start is None or DENSE not in self.train.tasks):
            raise ValueError(
                f"train.align needs a trained model and the task {DENSE}: set start, train.tasks"
            )
        return self

    @model_validator(mode="after")
    def _ranks_what_it_scores(self) -> Self:
        if self.decode.search == "items" and self.item_head is None:
            raise ValueError("decode.search: items ranks by an item head: set item_head")
        return self
