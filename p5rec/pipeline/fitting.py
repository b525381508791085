"""The stages that fit a method: a trial for each point of its grid, the best one's model, and a
folder that is complete with what the model is queried with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from p5rec.core.artefacts import (
    LINEAGE,
    Artefact,
    Lineage,
    Make,
    digest,
    read_json,
    write_json,
)
from p5rec.core.code import Work
from p5rec.core.errors import fault
from p5rec.core.progress import open_bar
from p5rec.core.publishing import bring
from p5rec.core.types import Corpus
from p5rec.data.split import ALL
from p5rec.data.train_events import swapped
from p5rec.methods.base import LISTS, VALIDATION, Method
from p5rec.methods.fitted import MODEL, Fitted
from p5rec.methods.folder import complete
from p5rec.methods.needs import Codes, Inputs, Made, Model, Need, Part

from .prepared import Prepared

TRIAL = "trial.json"
KEPT = 2**26  # bytes of a trial's model that are worth keeping until the best is known


@dataclass(frozen=True)
class Among:
    """What a run has made so far, by name, one a seed: methods may need it.

    Attributes:
        ids: semantic ids.
        methods: fitted methods.
    """

    ids: Mapping[str, Sequence[Artefact]] = field(default_factory=dict)
    methods: Mapping[str, Sequence[Fitted]] = field(default_factory=dict)


ALONE = Among()


def fit_method(
    method: Method, prepared: Prepared, among: Among = ALONE, repeats: int = 1, first: int = 0
) -> list[Fitted]:
    """The method fitted to the training events, once for each seed.

    Validation chooses under the method's own seed; the others fit what it chose. A method without
    draws is fitted once.

    Args:
        repeats: seeds.
        first: what the first of them is above the method's own.

    Raises:
        UserError: something is to be chosen, and the split holds nothing out to choose it by.
    """
    if method.chooses and prepared.corpus.split.name == ALL:
        raise fault(
            "data.split", f"a rule that holds events out, by which a {method.kind} is chosen",
            repr(ALL), "fit it under one, then refit what was chosen (p5rec refit)",
        )  # fmt: skip
    points = method.points()
    best, trials = 0, []
    if len(points) > 1:
        trials = _try(points, prepared, among)
        values = [trial.value for trial in trials]
        best = values.index(max(values))  # of equal ones the first
    found = []
    for n in range(first, first + repeats) if method.drawn else (0,):
        tried = trials[best] if trials and not n else None
        run = _Run.of(points[best], prepared, among, n)
        made = tried.made if tried and tried.made else run.fit(tried.model if tried else None)
        spent = [trial.seconds for trial in trials if not n]
        about = {
            "train_seconds": round(sum(spent) or run.seconds(made), 3),
            **points[best].describe(),
            **points[best].chosen(made.path / MODEL),
            **({"configs_tried": len(points)} if spent else {}),
        }
        found.append(Fitted(points[best], run.seed, made, run.complete(made), about))
    return found


def fit_point(method: Method, prepared: Prepared, among: Among, point: int) -> None:
    """The trial of one point of a method's grid, which :func:`fit_method` finds then."""
    _Run.of(method.points()[point], prepared, among, 0).trial()


def fit_part(method: Method, prepared: Prepared, among: Among, nth: int, need: str) -> None:
    """One of the methods that are fitted for a method, which :func:`fit_method` finds then.

    Args:
        nth: which of the seeds.
        need: its name among the method's needs.
    """
    run = _Run.of(method, prepared, among, nth)
    run._one(method.needs(run.seed)[need])


@dataclass(frozen=True)
class _Trial:
    """A point of a grid.

    Attributes:
        stage: that measured it.
        made: the stage that fitted it; None: ``stage`` did, and kept its model if that is small.
    """

    stage: Artefact
    made: Artefact | None

    @property
    def value(self) -> float:
        """On validation; larger is better."""
        value: float = read_json(self.stage.path / TRIAL)["value"]
        return value

    @property
    def seconds(self) -> float:
        """That fitting and measuring took."""
        stages = [self.stage] + ([self.made] if self.made else [])
        return sum(stage.manifest["seconds"] for stage in stages)

    @property
    def model(self) -> Path:
        """Where its model lies, if the stage kept it."""
        return self.stage.path / MODEL


def _try(points: Sequence[Method], prepared: Prepared, among: Among) -> list[_Trial]:
    """The trials of ``points``, a stage each, or two where all processes fit together."""
    quiet = replace(prepared, store=prepared.store.quiet())
    trials = []
    desc, off = f"tune {points[0].kind}", bool(prepared.store.rank)
    with open_bar(len(points), desc, "trial", off=off) as bar:
        for point in points:
            trials.append(_Run.of(point, quiet, among, 0).trial())
            bar.update()
    return trials


@dataclass(frozen=True)
class _Run:
    """A method under one seed.

    Attributes:
        method: its settings chosen.
        nth: which of the seeds it is.
        seed: of its draws.
        corpus: what it is fitted to: its histories permuted if the method says so.
    """

    method: Method
    prepared: Prepared
    among: Among
    nth: int
    seed: int
    corpus: Corpus

    @classmethod
    def of(cls, method: Method, prepared: Prepared, among: Among, nth: int) -> _Run:
        """The ``nth`` run of ``method``."""
        corpus = prepared.corpus
        seed = method.first_seed(corpus.split.seed) + nth
        if method.permute_histories:
            corpus = swapped(corpus, ["train"], seed)
        return cls(method, prepared, among, nth, seed, corpus)

    def fit(self, tried: Path | None = None) -> Artefact:
        """The stage that fits it.

        Args:
            tried: where the model of its trial lies, if that kept it.
        """
        method, needed = self.method, self._found(self.method.needs(self.seed))
        return self.prepared.store.stage(
            "fit",
            partial(_fit, self, _folders(needed), tried),
            config={
                **method.fit_settings(),
                "seed": self.seed,
                **self._lists(method.watches_lists),
            },
            code=(_fit, *method.fitted_by),
            inputs={"data": self.prepared.data, **method.fit_reads(), **_keys(needed)},
            resumable=method.collective,
            collective=method.collective,
            what=method.kind,
        )

    def complete(self, made: Artefact) -> Artefact:
        """The stage that puts its folder together."""
        method, beside = self.method, self.quiet._found(self.method.beside(self.seed))
        settings = {**method.dump(), "tune": {}}
        return self.prepared.store.quiet().stage(
            "model",
            partial(_complete, self, made, _folders(beside)),
            config={**settings, "seed": self.seed},
            code=(_complete, *method.fitted_by),
            inputs={"data": self.prepared.data, "fit": made, **_keys(beside)},
        )

    def seconds(self, made: Artefact) -> float:
        """That the stage ``made`` took which fitted it, and those that fitted its parts."""
        needs = self.method.needs(self.seed).values()
        parts = [self.quiet.part(need.method) for need in needs if isinstance(need, Part)]
        spent: float = made.manifest["seconds"]
        return spent + sum(part.seconds(part.fit()) for part in parts)

    @property
    def quiet(self) -> _Run:
        """The same, which says nothing of its stages."""
        return replace(self, prepared=replace(self.prepared, store=self.prepared.store.quiet()))

    def part(self, method: Method) -> _Run:
        """The run of a method that this one needs; one without draws has a first run alone."""
        nth = self.nth if method.drawn else 0
        return _Run.of(method, self.prepared, self.among, nth)

    def trial(self) -> _Trial:
        """Its figure on validation."""
        method = self.method
        shared = method.fit_settings().keys() != method.dump().keys() - {"tune"}
        if method.collective or method.beside(self.seed) or shared:
            return self._measured_apart()
        needed = self._found(method.needs(self.seed))
        inputs = {**method.fit_reads(), **_keys(needed)}
        trial = self._trial_stage(
            partial(_trial, self, _folders(needed)), (_trial, *self._measured_by()), inputs
        )
        return _Trial(trial, None)

    def _measured_apart(self) -> _Trial:
        """The same in stages: a fit of all processes, or one that other points read as well, its
        folder, and the measuring."""
        made = self.fit()
        folder = self.complete(made)
        measure = partial(_measure, self.method, folder.path / MODEL, self.corpus)
        code = (_measure, *self._measured_by())
        return _Trial(self._trial_stage(measure, code, {"model": folder}), made)

    def _measured_by(self) -> tuple[Work, ...]:
        method = self.method
        metric = VALIDATION.target(method.capabilities[0])
        return (*dict.fromkeys((*method.fitted_by, *method.queried_by, metric)),)

    def _trial_stage(
        self, work: Make, code: tuple[Work, ...], inputs: Mapping[str, Artefact | str]
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
        """What validation lists are like, for the key of a stage to which that may ``matter``."""
        return {} if self.corpus.split.exclude_seen or not matter else {"exclude_seen": False}

    def _found(self, needs: Mapping[str, Need]) -> _Found:
        return {name: self._one(need) for name, need in needs.items()}

    def _one(self, need: Need) -> tuple[Path, Artefact | str]:
        among = self.among
        match need:
            case Codes(name):
                ids = among.ids[name]
                return ids[self.nth % len(ids)].path, ids[self.nth % len(ids)]
            case Model(name, hashed):
                if name not in among.methods:
                    return Path(name), digest([hashed(Path(name)), _seen_by(Path(name)).summary()])
                runs = among.methods[name]
                run = runs[self.nth % len(runs)]
                return run.trained, run.made
            case Part(method):
                part = self.part(method)
                made = part.complete(part.fit())
                return made.path / MODEL, made
            case Made():
                needed = self._found(need.needs)
                made = self.prepared.store.stage(
                    need.stage,
                    partial(_make, self, need, _folders(needed)),
                    config={**need.settings, "permute_histories": self.method.permute_histories},
                    code=(_make, *need.code),
                    inputs={"data": self.prepared.data, **_keys(needed)},
                )
                return made.path, made

    def seen(self, lineage: Lineage) -> Lineage:
        """``lineage`` in keys of the events as they were before any were permuted."""
        before, after = (c.interactions.event_keys for c in (self.prepared.corpus, self.corpus))
        return Lineage(before[lineage.among(after)])


_Found = Mapping[str, tuple[Path, Artefact | str]]  # name → a folder, and what is in the key


def _folders(found: _Found) -> Inputs:
    return {name: folder for name, (folder, _) in found.items()}


def _keys(found: _Found) -> dict[str, Artefact | str]:
    return {name: key for name, (_, key) in found.items()}


def _fit(run: _Run, inputs: Inputs, tried: Path | None, folder: Path) -> Lineage:
    """The model of a run: that of its trial, where that kept it, or fitted now."""
    model = folder / MODEL
    if tried is not None and tried.is_dir():
        bring(tried, model)
        return Lineage.read(tried.parent)
    model.mkdir(exist_ok=True)
    seen = run.seen(run.method.fit(run.corpus, model, seed=run.seed, inputs=inputs))
    for name, need in run.method.needs(run.seed).items():
        if isinstance(need, Model):  # a saved one's events, which no stage has noted
            seen = seen | _seen_by(inputs[name])
    return seen


def _seen_by(model: Path) -> Lineage:
    """The events that the model in a folder has seen, as far as it says so."""
    return Lineage.read(model) if (model / LINEAGE).is_file() else Lineage.none()


def _make(run: _Run, need: Made, inputs: Inputs, folder: Path) -> Lineage:
    return run.seen(need.work(run.corpus, inputs, folder))


def _complete(run: _Run, made: Artefact, beside: Inputs, folder: Path) -> Lineage:
    """The folder of a run's model with all that it is queried with, and the events it has seen."""
    with TemporaryDirectory(dir=folder) as work:
        files = complete(run.method, made.path / MODEL, beside, run.corpus.catalog, Path(work))
        bring({**files, LINEAGE: made.path / LINEAGE}, folder / MODEL)
    return Lineage.none()


def _trial(run: _Run, inputs: Inputs, folder: Path) -> Lineage:
    """Fits a run and measures it on validation; the model stays where it is small."""
    model = folder / MODEL
    lineage = _fit(run, inputs, None, folder)
    _measure(run.method, model, run.corpus, folder)
    if sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) > KEPT:
        shutil.rmtree(model)
    return lineage


def _measure(method: Method, model: Path, corpus: Corpus, folder: Path) -> Lineage:
    value = VALIDATION.get(method.capabilities[0])(corpus)(method.load(model))
    write_json(folder / TRIAL, {"value": value})
    return Lineage.none()
