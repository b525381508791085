"""Every method as an estimator class, with its settings as keywords and a ``fit`` method.

The classes are created from the registry of methods on first use. There is one for each kind of
method, with the name of its config class, and one for each preset: the baselines' short names
(``EaseRecency``) and the shipped configs in ``SHIPPED`` (``Hybrid``, and its network alone,
``HybridNetwork``).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from inspect import Parameter, Signature, cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from p5rec.core.config import bind, merge, read_tree
from p5rec.core.errors import UserError
from p5rec.core.recipes import config_path
from p5rec.ids.config import IdsConfig
from p5rec.methods.base import Method
from p5rec.methods.registry import DEFAULT, METHODS, RANKING

from .field_docs import settings_help

if TYPE_CHECKING:
    from .dataset import Dataset
    from .model import Model

# class → a shipped config, and a method of it
SHIPPED = {"Hybrid": ("hybrid", "hybrid"), "HybridNetwork": ("hybrid", "hybrid-network")}
START = "start"  # name of the method that initialises a fit


@dataclass(frozen=True)
class Preset:
    """The default settings of a class.

    Attributes:
        kind: the kind of the method.
        settings: the method's section of a recipe.
        ids: the section of its semantic ids.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    ids: Mapping[str, Any] = field(default_factory=dict)


class Estimator:
    """A method's settings, ready to be fitted.

    Attributes:
        preset: the default settings of the class.
        config: the settings, as a section of a recipe's ``methods:``.
        ids: the settings of the semantic ids, where the method uses them.
        seed: see :meth:`__init__`.
    """

    preset: ClassVar[Preset]

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        """Settings that override the defaults of the class. Nested settings (``train={"batch":
        64}``) override the keys that they name.

        Args:
            seed: added to the method's own seed (that of the split or of the training); the seed
                ``n`` gives the model of a recipe's ``n + 1``-th run.
            **settings: the method's settings; ``tune`` maps settings to candidate values, of which
                validation selects one; ``ids`` has the settings of the semantic ids; ``start`` is
                a fitted model, or the folder of a saved one, that initialises the fit.

        Raises:
            UserError: one line for each unknown setting or invalid value.
        """
        name, kind = type(self).__name__, self.preset.kind
        self.seed = seed
        self._start: Any = None
        ids = settings.pop("ids", {}) if _has_ids(METHODS.get(kind)) else {}
        start: Any = settings.get("start")
        if hasattr(start, "fitted"):  # a model
            self._start = start
            settings["start"] = START if start.fitted is not None else str(start.folder)
        elif isinstance(start, Path):
            settings["start"] = str(start)
        tree = {**merge(dict(self.preset.settings), settings), "kind": kind}
        self.config: Method = bind(METHODS.get(kind), tree, {}, name)
        self.ids: IdsConfig | None = None
        if self.config.semantic_ids is not None:
            section = merge(dict(self.preset.ids), dict(ids))
            self.ids = bind(IdsConfig, section, {}, f"{name}: ids")

    def fit(
        self, dataset: Dataset, *, store: str | Path | None = None, verbose: bool = True
    ) -> Model:
        """The model fitted to the training events of ``dataset``.

        A model that a recipe or an earlier call has fitted comes from the cache.

        Args:
            dataset: the data set; its validation events select settings and stop the training.
            store: the cache folder; None: the command line's.
            verbose: print a line for each stage, and progress bars.

        Raises:
            UserError: the data lack what the method needs.
        """
        from p5rec.core.progress import no_progress_bars
        from p5rec.evaluate.config import EvaluateConfig
        from p5rec.pipeline.fitting import fit_method
        from p5rec.pipeline.method_runs import RunContext

        from .dataset import data_set
        from .model import Model

        name = type(self).__name__
        prepared = data_set(dataset, f"{name}.fit").prepared(store, verbose=verbose)
        exclude_seen = prepared.corpus.split.exclude_seen
        method = self.config.resolve_names({}, exclude_seen=exclude_seen)
        if errors := [f"{name}: {line}" for line in method.check_data(prepared.corpus, ())]:
            raise UserError(*errors)
        with nullcontext() if verbose else no_progress_bars():
            context = RunContext(self._codes(prepared), self._starts())
            (fitted,) = fit_method(method, prepared, context, first=self.seed)
        serving = EvaluateConfig().serving(fitted.method, dataset.config.seed, fitted.seed)
        return Model(fitted.folder, fitted.method, serving, dataset, fitted)

    def __repr__(self) -> str:
        changed = self.config.model_dump(exclude_defaults=True, exclude={"kind", "tune"})
        words = [f"{name}={value!r}" for name, value in changed.items()]
        return f"{type(self).__name__}({', '.join([*words, f'seed={self.seed}'])})"

    def _codes(self, prepared: Any) -> dict[str, Any]:
        """The artefacts of its semantic ids, by name."""
        from p5rec.methods.views import view_methods
        from p5rec.pipeline.ids import build_ids

        if self.ids is None:
            return {}
        name = str(self.config.semantic_ids)
        if errors := list(self.config.check({name: self.ids})):
            raise UserError(*errors)
        views = view_methods({name: self.ids}, {})[name]
        return {name: build_ids(self.ids, views, prepared, first=self.seed)}

    def _starts(self) -> dict[str, Any]:
        start = self._start
        return {START: [start.fitted]} if start is not None and start.fitted is not None else {}


def names() -> list[str]:
    """The names of all classes."""
    return [*_kinds(), *_short(), *SHIPPED]


def __getattr__(name: str) -> type[Estimator]:
    if name not in names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return estimator(name)


@cache
def estimator(name: str) -> type[Estimator]:
    """The class of that name; the same object on every call.

    Raises:
        KeyError: the name is unknown.
    """
    preset = _preset(name)
    schema: type[Method] = METHODS.get(preset.kind)
    about = {
        "preset": preset,
        "__doc__": _doc(schema, preset),
        "__signature__": _signature(schema, preset),
        "__module__": __name__,
    }
    return type(name, (Estimator,), about)


def _preset(name: str) -> Preset:
    if name in SHIPPED:
        config, method = SHIPPED[name]
        tree, _ = read_tree(config_path(config))
        methods = tree["methods"]
        section = dict(methods[method])
        if "components" in section:  # names of methods become sections
            named = section["components"].items()
            section["components"] = {n: methods[c] if isinstance(c, str) else c for n, c in named}
        return Preset(section.pop("kind", DEFAULT), section, tree["ids"]["semantic"])
    if name in (short := _short()):
        section = dict(short[name])
        return Preset(section.pop("kind"), section)
    return Preset(_kinds()[name])


def _kinds() -> dict[str, str]:
    """Name of a class → its kind of method."""
    return {METHODS.target(kind).partition(":")[2]: kind for kind in METHODS}


def _short() -> dict[str, Mapping[str, Any]]:
    """Name of a class → the section of a baseline whose short name is no kind."""
    return {_class_name(name): RANKING[name] for name in RANKING if name not in METHODS}


def _class_name(word: str) -> str:
    """``ease-recency`` as ``EaseRecency``."""
    return "".join(syllable.capitalize() for syllable in word.split("-"))


def _has_ids(schema: type[Method]) -> bool:
    return schema.semantic_ids is not Method.semantic_ids


def _signature(schema: type[Method], preset: Preset) -> Signature:
    """The settings as keywords, with their types and defaults."""
    fields = {name: info for name, info in schema.model_fields.items() if name != "kind"}
    if _has_ids(schema):
        fields.pop("ids", None)
    defaults = {"tune": dict(schema.grid), **preset.settings}
    options = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=defaults.get(name, info.get_default(call_default_factory=True)),
            annotation=info.annotation,
        )
        for name, info in fields.items()
    ]
    ids = [Parameter("ids", Parameter.KEYWORD_ONLY, default={}, annotation=Mapping[str, Any])]
    seed = Parameter("seed", Parameter.KEYWORD_ONLY, default=0, annotation=int)
    return Signature([*options, *(ids if _has_ids(schema) else []), seed])


def _doc(schema: type[Method], preset: Preset) -> str:
    about = (schema.__doc__ or "").strip()
    defaults = f"Defaults of this class: {preset.settings}" if preset.settings else ""
    usage = cleandoc(Estimator.__init__.__doc__ or "")
    return "\n\n".join(filter(None, (about, settings_help(schema), defaults, usage)))
