"""The stages of a method under one seed: what it needs, its fit, its complete folder, its trial."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from p5rec.core.artefacts import (
    LINEAGE,
    Artefact,
    Compute,
    Lineage,
    digest,
    read_json,
    write_json,
)
from p5rec.core.code import Work
from p5rec.core.errors import input_error
from p5rec.core.publishing import copy_or_link
from p5rec.core.types import Corpus
from p5rec.data.train_events import permute_histories
from p5rec.methods.base import LISTS, VALIDATION, Method
from p5rec.methods.fitted import MODEL, Fitted
from p5rec.methods.folder import complete, contents
from p5rec.methods.needs import (
    Codes,
    Component,
    ContentArtefact,
    DerivedArtefact,
    Inputs,
    Model,
    Need,
    Texts,
    Vectors,
)

from .prepared import Prepared

T = TypeVar("T")

TRIAL = "trial.json"
MAX_TRIAL_BYTES = 2**26  # larger models of trials are deleted, and fitted again if selected


@dataclass(frozen=True)
class RunContext:
    """The results of a run so far, by name, one per seed: methods may need them.

    Attributes:
        ids: semantic ids.
        methods: fitted methods.
        vectors: stored vectors.
        texts: texts about items and users; they depend on no seed.
    """

    ids: Mapping[str, Sequence[Artefact]] = field(default_factory=dict)
    methods: Mapping[str, Sequence[Fitted]] = field(default_factory=dict)
    vectors: Mapping[str, Sequence[Artefact]] = field(default_factory=dict)
    texts: Mapping[str, Artefact] = field(default_factory=dict)


ALONE = RunContext()


@dataclass(frozen=True)
class Trial:
    """A point of a grid.

    Attributes:
        stage: the stage that evaluated it.
        fit_stage: the stage that fitted it; None: ``stage`` did, and has its model if it is small.
    """

    stage: Artefact
    fit_stage: Artefact | None

    @property
    def value(self) -> float:
        """The validation metric; larger is better."""
        value: float = read_json(self.stage.path / TRIAL)["value"]
        return value

    @property
    def stages(self) -> list[Artefact]:
        """The stages that fitted and evaluated it."""
        return [self.stage] + ([self.fit_stage] if self.fit_stage else [])

    @property
    def model(self) -> Path:
        """The folder of its model, if the stage has it."""
        return self.stage.path / MODEL


@dataclass(frozen=True)
class MethodRun:
    """A fit of a method under one seed.

    Attributes:
        method: with selected settings.
        nth: the number of the seed.
        seed: of its random draws.
        corpus: its data, with permuted histories if the method says so.
        name: of the method, for log lines.
    """

    method: Method
    prepared: Prepared
    among: RunContext
    nth: int
    seed: int
    corpus: Corpus
    name: str

    @classmethod
    def of(
        cls, method: Method, prepared: Prepared, among: RunContext, nth: int, name: str
    ) -> MethodRun:
        """The ``nth`` run of ``method``."""
        corpus = prepared.corpus
        seed = method.first_seed(corpus.split.seed) + nth
        if method.permute_histories:
            corpus = permute_histories(corpus, ["train"], seed)
        return cls(method, prepared, among, nth, seed, corpus, name)

    def fit(self, tried: Path | None = None) -> Artefact:
        """The stage that fits it.

        Args:
            tried: the folder of its trial's model, if the trial has it.
        """
        method, needed = self.method, self._inputs(self.method.needs(self.seed))
        return self.prepared.store.stage(
            "fit",
            partial(_fit, self, _folders(needed), tried),
            config={
                **method.fit_settings(),
                "seed": self.seed,
                **self._lists(method.validates_during_fit),
            },
            code=(_fit, *method.fitted_by),
            inputs={"data": self.prepared.data, **method.fit_reads(), **_keys(needed)},
            resumable=method.collective,
            collective=method.collective,
            what=self.name,
        )

    def complete(self, fit_stage: Artefact) -> Artefact:
        """The stage that assembles its complete folder."""
        method, query_inputs = self.method, self.quiet._inputs(self.method.query_needs(self.seed))
        settings = {**method.dump(), "tune": {}}
        return self.prepared.store.quiet().stage(
            "model",
            partial(_complete, self, fit_stage, _folders(query_inputs)),
            config={**settings, "seed": self.seed},
            code=(_complete, *method.fitted_by),
            inputs={"data": self.prepared.data, "fit": fit_stage, **_keys(query_inputs)},
        )

    def stages(self, fit_stage: Artefact) -> list[Artefact]:
        """The stages that trained it: its fit, its components' fits, and those of its needs that
        read parts of others."""
        needs = self.method.needs(self.seed).values()
        read = [self.quiet._of_content(need) for need in needs if isinstance(need, ContentArtefact)]
        components = [self.quiet.component(need) for need in needs if isinstance(need, Component)]
        fits = [component.stages(component.fit()) for component in components]
        return [fit_stage, *read, *chain(*fits)]

    @property
    def quiet(self) -> MethodRun:
        """The run without log lines."""
        return replace(self, prepared=replace(self.prepared, store=self.prepared.store.quiet()))

    def component(self, need: Component) -> MethodRun:
        """The run of a component; a component that is not stochastic has one run."""
        nth = self.nth if need.method.stochastic else 0
        name = f"{self.name}.{need.name}"
        return MethodRun.of(need.method, self.prepared, self.among, nth, name)

    def trial(self) -> Trial:
        """The trial of this run."""
        method = self.method
        shared = method.fit_settings().keys() != method.dump().keys() - {"tune"}
        if method.collective or method.query_needs(self.seed) or shared:
            return self._separate_trial()
        needed = self._inputs(method.needs(self.seed))
        inputs = {**method.fit_reads(), **_keys(needed)}
        trial = self._trial_stage(
            partial(_trial, self, _folders(needed)), (_trial, *self._measured_by()), inputs
        )
        return Trial(trial, None)

    def _separate_trial(self) -> Trial:
        """The trial with separate stages for the fit, which is collective or shared by several
        points, the folder, and the evaluation."""
        fit_stage = self.fit()
        folder = self.complete(fit_stage)
        measure = partial(_measure, self.method, folder.path / MODEL, self.corpus)
        code = (_measure, *self._measured_by())
        return Trial(self._trial_stage(measure, code, {"model": folder}), fit_stage)

    def _measured_by(self) -> tuple[Work, ...]:
        method = self.method
        metric = VALIDATION.target(method.capabilities[0])
        return (*dict.fromkeys((*method.fitted_by, *method.queried_by, metric)),)

    def _trial_stage(
        self, work: Compute, code: tuple[Work, ...], inputs: Mapping[str, Artefact | str]
    ) -> Artefact:
        return self.prepared.store.stage(
            "trial",
            work,
            config={
                **self.method.fit_settings(),
                "seed": self.seed,
                **self._lists(self.method.capabilities[0] == LISTS),
            },
            code=code,
            inputs={"data": self.prepared.data, **inputs},
        )

    def _lists(self, matter: bool) -> dict[str, bool]:
        """The setting of validation lists in a stage's key, where it can ``matter``."""
        return {} if self.corpus.split.exclude_seen or not matter else {"exclude_seen": False}

    def _inputs(self, needs: Mapping[str, Need]) -> _NeedInputs:
        return {name: self.provide(need) for name, need in needs.items()}

    def provide(self, need: Need) -> tuple[Path, Artefact | str]:
        """The folder of what it needs, made if it is not there, and its key."""
        among = self.among
        match need:
            case Codes(name):
                ids = among.ids[name]
                return ids[self.nth % len(ids)].path, ids[self.nth % len(ids)]
            case Texts(name):
                text = _named(among.texts, "texts", name)
                return text.path, text
            case Vectors(name):
                stores = _named(among.vectors, "vectors", name)
                return stores[self.nth % len(stores)].path, stores[self.nth % len(stores)]
            case Model(name, hashed):
                if name not in among.methods:
                    return Path(name), digest([hashed(Path(name)), _seen_by(Path(name)).summary()])
                runs = among.methods[name]
                run = runs[self.nth % len(runs)]
                return run.trained, run.fit_stage
            case Component():
                component = self.component(need)
                stage = component.complete(component.fit())
                return stage.path / MODEL, stage
            case DerivedArtefact():
                needed = self._inputs(need.needs)
                stage = self.prepared.store.stage(
                    need.stage,
                    partial(_make, self, need, _folders(needed)),
                    config={**need.settings, "permute_histories": self.method.permute_histories},
                    code=(_make, *need.code),
                    inputs={"data": self.prepared.data, **_keys(needed)},
                )
                return stage.path, stage
            case ContentArtefact():
                stage = self._of_content(need)
                return stage.path, stage

    def _of_content(self, need: ContentArtefact) -> Artefact:
        made = {name: self.quiet.provide(part.of)[0] for name, part in need.parts.items()}
        parts = {name: made[name] / part.path for name, part in need.parts.items()}
        needed = self._inputs(need.needs)
        return self.prepared.store.stage(
            need.stage,
            partial(_make_of_content, self, need, {**parts, **_folders(needed)}),
            config=need.settings,
            code=(_make_of_content, *need.code),
            inputs={n: digest(contents(path)) for n, path in parts.items()} | _keys(needed),
        )

    def seen(self, lineage: Lineage) -> Lineage:
        """``lineage`` in the keys of the original events, before histories were permuted."""
        before, after = (c.interactions.event_keys for c in (self.prepared.corpus, self.corpus))
        return Lineage(before[lineage.contains(after)])


def seconds(stages: Iterable[Artefact]) -> float:
    """The time of stages; a stage that several trials share counts once."""
    once = {stage.key: stage for stage in stages}
    return sum(stage.manifest["seconds"] for stage in once.values())


def _named(known: Mapping[str, T], section: str, name: str) -> T:
    """The result ``name`` of a section of the recipe.

    Raises:
        UserError: there is none.
    """
    if name not in known:
        raise input_error(
            f"{section} {name}", f"a recipe whose section {section} has it", "none",
            "fit the method with a recipe (p5rec run)",
        )  # fmt: skip
    return known[name]


_NeedInputs = Mapping[str, tuple[Path, Artefact | str]]  # name → a folder and its key


def _folders(inputs: _NeedInputs) -> Inputs:
    return {name: folder for name, (folder, _) in inputs.items()}


def _keys(inputs: _NeedInputs) -> dict[str, Artefact | str]:
    return {name: key for name, (_, key) in inputs.items()}


def _fit(run: MethodRun, inputs: Inputs, tried: Path | None, folder: Path) -> Lineage:
    """Fits a run, or copies the model of its trial."""
    model = folder / MODEL
    if tried is not None and tried.is_dir():
        copy_or_link(tried, model)
        return Lineage.read(tried.parent)
    model.mkdir(exist_ok=True)
    seen = run.seen(run.method.fit(run.corpus, model, seed=run.seed, inputs=inputs))
    for name, need in run.method.needs(run.seed).items():
        if isinstance(need, Model):  # no stage records the events of a saved model
            seen = seen | _seen_by(inputs[name])
    return seen


def _seen_by(model: Path) -> Lineage:
    """The training events of the model in a folder, if it records them."""
    return Lineage.read(model) if (model / LINEAGE).is_file() else Lineage.none()


def _make(run: MethodRun, need: DerivedArtefact, inputs: Inputs, folder: Path) -> Lineage:
    return run.seen(need.work(run.corpus, inputs, folder))


def _make_of_content(
    run: MethodRun, need: ContentArtefact, inputs: Inputs, folder: Path
) -> Lineage:
    return run.seen(need.work(inputs, folder))


def _complete(run: MethodRun, fit_stage: Artefact, query_inputs: Inputs, folder: Path) -> Lineage:
    """Assembles the complete folder of a run's model."""
    with TemporaryDirectory(dir=folder) as work:
        files = complete(
            run.method, fit_stage.path / MODEL, query_inputs, run.corpus.catalog, Path(work)
        )
        copy_or_link({**files, LINEAGE: fit_stage.path / LINEAGE}, folder / MODEL)
    return Lineage.none()


def _trial(run: MethodRun, inputs: Inputs, folder: Path) -> Lineage:
    """Fits a run and evaluates it on validation; large models are deleted."""
    model = folder / MODEL
    lineage = _fit(run, inputs, None, folder)
    _measure(run.method, model, run.corpus, folder)
    if sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) > MAX_TRIAL_BYTES:
        shutil.rmtree(model)
    return lineage


def _measure(method: Method, model: Path, corpus: Corpus, folder: Path) -> Lineage:
    value = VALIDATION.get(method.capabilities[0])(corpus)(method.load(model))
    write_json(folder / TRIAL, {"value": value})
    return Lineage.none()
