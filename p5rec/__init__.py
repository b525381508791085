"""p5rec: a unified generative recommender with parameter-efficient fine-tuning.

The names in ``__all__`` are imported on first use, so ``import p5rec`` is quick and loads no torch.
"""

import logging
import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .core.registry import uncollected

if TYPE_CHECKING:
    from .api.auditing import Findings, audit
    from .api.dataset import Dataset
    from .api.estimators import (
        Apa,
        AutoInt,
        Bias,
        BoostedTrees,
        Bpr,
        Ctrl,
        DcnV2,
        DeepFm,
        Din,
        Ease,
        EaseRecency,
        Elm,
        ElmCommonest,
        Estimator,
        Fm,
        Fusion,
        Generative,
        Genre,
        GlobalMean,
        Hybrid,
        HybridNetwork,
        ItemClickRate,
        ItemKnn,
        ItemKnnRecency,
        ItemMean,
        ItemToItem,
        Kar,
        LeadSentence,
        LogisticRegression,
        M6Rec,
        M6RecRetrieval,
        M6RecZeroShot,
        MatrixFactorization,
        MostFrequent,
        MostFrequentOfItem,
        NearestReview,
        Palr,
        PersonalFrequency,
        PersonalGeneralFrequency,
        Popularity,
        Recgpt,
        RecgptPretraining,
        Recllm,
        Sasrec,
        TifuKnn,
        Ubert,
        UbertPretraining,
        Unillmrec,
        Unisrec,
        UnisrecPretraining,
        UserMean,
    )
    from .api.evaluation import Evaluation, compare, evaluate
    from .api.loading import load
    from .api.model import Model
    from .api.points import describe_points
    from .api.profiles import Profiles
    from .core.errors import UserError
    from .methods.plugins import load_plugins

# no usage reports to the Hugging Face Hub
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# compiled bfloat16 products of oneDNN and its wrapper in torch, one for each shape of a batch: with
# 1024 of them, the default, a training grew by gigabytes
os.environ.setdefault("LRU_CACHE_CAPACITY", "256")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
# no warning at import about kernels that it would download
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# no warning that this machine has no GPU, which DeepSpeed prints wherever it is installed
logging.getLogger("DeepSpeed").addFilter(lambda record: "accelerator to CPU" not in str(record.msg))

__version__ = "0.1.0"
__all__ = [
    "Apa",
    "AutoInt",
    "Bias",
    "BoostedTrees",
    "Bpr",
    "Ctrl",
    "Dataset",
    "DcnV2",
    "DeepFm",
    "Din",
    "Ease",
    "EaseRecency",
    "Elm",
    "ElmCommonest",
    "Estimator",
    "Evaluation",
    "Findings",
    "Fm",
    "Fusion",
    "Generative",
    "Genre",
    "GlobalMean",
    "Hybrid",
    "HybridNetwork",
    "ItemClickRate",
    "ItemKnn",
    "ItemKnnRecency",
    "ItemMean",
    "ItemToItem",
    "Kar",
    "LeadSentence",
    "LogisticRegression",
    "M6Rec",
    "M6RecRetrieval",
    "M6RecZeroShot",
    "MatrixFactorization",
    "Model",
    "MostFrequent",
    "MostFrequentOfItem",
    "NearestReview",
    "Palr",
    "PersonalFrequency",
    "PersonalGeneralFrequency",
    "Popularity",
    "PopularityRecency",
    "Profiles",
    "Recgpt",
    "RecgptPretraining",
    "Recllm",
    "Sasrec",
    "TifuKnn",
    "Ubert",
    "UbertPretraining",
    "Unillmrec",
    "Unisrec",
    "UnisrecPretraining",
    "UserError",
    "UserMean",
    "audit",
    "compare",
    "describe_points",
    "evaluate",
    "load",
    "load_plugins",
]

_METHODS = "p5rec.api.estimators"  # the module of all other capitalised names
_MODULES = {
    "Dataset": "p5rec.api.dataset",
    "Evaluation": "p5rec.api.evaluation",
    "Findings": "p5rec.api.auditing",
    "Model": "p5rec.api.model",
    "Profiles": "p5rec.api.profiles",
    "UserError": "p5rec.core.errors",
    "compare": "p5rec.api.evaluation",
    "describe_points": "p5rec.api.points",
    "load": "p5rec.api.loading",
    "load_plugins": "p5rec.methods.plugins",
}
_FUNCTIONS = {"audit": "p5rec.api.auditing", "evaluate": "p5rec.api.evaluation"}


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return import_module(f"p5rec.{name}")
    if name in _MODULES or name[:1].isupper():
        with uncollected():
            return getattr(import_module(_MODULES.get(name, _METHODS)), name)
    raise AttributeError(f"module 'p5rec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Function(ModuleType):
    """A package that can also be called, as the function with its name."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        return self._function(*args, **settings)

    @property
    def _function(self) -> Any:
        name = self.__name__.rpartition(".")[2]
        return getattr(import_module(_FUNCTIONS[name]), name)

    @property
    def __signature__(self) -> Any:
        from inspect import signature

        return signature(self._function)


class _Package(ModuleType):
    """This package, in which ``audit`` and ``evaluate`` are both subpackages and functions."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _FUNCTIONS and isinstance(value, ModuleType):
            value.__class__ = _Function
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
