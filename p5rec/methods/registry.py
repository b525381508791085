"""Methods by kind, their config sections, and the short names of baselines.

``item-knn`` and ``ease`` are the published methods, which read a history as a set. The
``-recency`` variants give recent events more weight. On next-item data they are much stronger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from p5rec.core.kinds import Kinds, one_of
from p5rec.core.registry import Registry
from p5rec.data.matrices import HALF_LIVES

from .named import resolve_all

METHODS = Registry(
    "kind of method",
    {
        "generative": "p5rec.methods.generative.method:Generative",
        "fusion": "p5rec.methods.fusion.method:Fusion",
        "popularity": "p5rec.methods.baselines.popularity:Popularity",
        "item-knn": "p5rec.methods.baselines.itemknn:ItemKnn",
        "ease": "p5rec.methods.baselines.ease:Ease",
        "personal-frequency": "p5rec.methods.baselines.frequency:PersonalFrequency",
        "personal-general-frequency": "p5rec.methods.baselines.frequency:PersonalGeneralFrequency",
        "tifu-knn": "p5rec.methods.baselines.tifu_knn:TifuKnn",
        "item-to-item": "p5rec.methods.baselines.item_to_item:ItemToItem",
        "bpr": "p5rec.methods.baselines.bpr:Bpr",
        "sasrec": "p5rec.methods.baselines.sasrec:Sasrec",
        "unisrec": "p5rec.methods.systems.unisrec.method:Unisrec",
        "unisrec-pretraining": "p5rec.methods.systems.unisrec.method:UnisrecPretraining",
        "unillmrec": "p5rec.methods.systems.unillmrec.method:Unillmrec",
        "recgpt": "p5rec.methods.systems.recgpt.method:Recgpt",
        "recgpt-pretraining": "p5rec.methods.systems.recgpt.method:RecgptPretraining",
        "global-mean": "p5rec.methods.baselines.rating:GlobalMean",
        "user-mean": "p5rec.methods.baselines.rating:UserMean",
        "item-mean": "p5rec.methods.baselines.rating:ItemMean",
        "bias": "p5rec.methods.baselines.rating:Bias",
        "mf": "p5rec.methods.baselines.factors:MatrixFactorization",
        "u-bert-pretraining": "p5rec.methods.systems.ubert.kinds:UbertPretraining",
        "u-bert": "p5rec.methods.systems.ubert.kinds:Ubert",
        "item-click-rate": "p5rec.methods.baselines.click_rate:ItemClickRate",
        "logistic": "p5rec.methods.click.kinds:LogisticRegression",
        "fm": "p5rec.methods.click.kinds:Fm",
        "deepfm": "p5rec.methods.click.kinds:DeepFm",
        "dcnv2": "p5rec.methods.click.kinds:DcnV2",
        "autoint": "p5rec.methods.click.kinds:AutoInt",
        "din": "p5rec.methods.click.kinds:Din",
        "boosted-trees": "p5rec.methods.click.trees:BoostedTrees",
        "kar": "p5rec.methods.systems.kar.method:Kar",
        "ctrl": "p5rec.methods.systems.ctrl.method:Ctrl",
        "genre": "p5rec.methods.systems.genre.method:Genre",
        "m6-rec": "p5rec.methods.systems.m6rec.method:M6Rec",
        "m6-rec-retrieval": "p5rec.methods.systems.m6rec.method:M6RecRetrieval",
        "m6-rec-zero-shot": "p5rec.methods.systems.m6rec.method:M6RecZeroShot",
        "palr": "p5rec.methods.systems.palr.method:Palr",
        "apa": "p5rec.methods.systems.apa.method:Apa",
        "elm": "p5rec.methods.systems.elm.method:Elm",
        "recllm": "p5rec.methods.systems.recllm.method:Recllm",
        "elm-commonest": "p5rec.methods.systems.elm.method:ElmCommonest",
        "lead-sentence": "p5rec.methods.baselines.text:LeadSentence",
        "most-frequent": "p5rec.methods.baselines.text:MostFrequent",
        "most-frequent-of-item": "p5rec.methods.baselines.text:MostFrequentOfItem",
        "nearest-review": "p5rec.methods.baselines.text:NearestReview",
    },
)

RECENCY = {"half_life": HALF_LIVES}
# short name → its section in `methods:`
RANKING: Mapping[str, Mapping[str, Any]] = {
    "popularity": {"kind": "popularity"},
    "popularity-recency": {"kind": "popularity", "tune": {"half_life": (0.3, 0.1, 0.03, 0.01)}},
    "item-knn": {"kind": "item-knn"},
    "item-knn-recency": {
        "kind": "item-knn",
        "tune": {"neighbours": (20, 100, 500), "shrink": (0.0, 10.0), **RECENCY},
    },
    "ease": {"kind": "ease"},
    "ease-recency": {
        "kind": "ease",
        "tune": {"l2": (100.0, 250.0, 500.0, 1000.0), **RECENCY},
    },
    "personal-frequency": {"kind": "personal-frequency"},
    "personal-general-frequency": {"kind": "personal-general-frequency"},
    "tifu-knn": {"kind": "tifu-knn"},
    "bpr": {"kind": "bpr"},
    "sasrec": {"kind": "sasrec"},
}

Baseline = Annotated[str, one_of("baseline", RANKING)]
DEFAULT = "generative"  # the kind of a section that names none


def any_method(*, named: bool = False) -> Any:
    """The annotation of a method's section: its ``kind`` selects the config class.

    Args:
        named: whether the name of another method is allowed.
    """
    return Annotated[Any, Kinds(METHODS, DEFAULT, named=named)]


def named_methods(recipe: Any) -> dict[str, Any]:
    """The methods of a recipe by name, baselines first, as they are written."""
    return {name: baseline(name) for name in recipe.baselines} | recipe.methods


def methods_of(recipe: Any) -> dict[str, Any]:
    """All methods of a recipe by name, baselines first, with names of methods resolved.

    Raises:
        UserError: a line for each unknown name, or methods that name each other in a circle.
    """
    unseen = getattr(getattr(recipe, "evaluate", None), "exclude_seen", True)
    return resolve_all(named_methods(recipe), exclude_seen=unseen)


def baseline(name: str) -> Any:
    """The method with a short name.

    Raises:
        UserError: the name is unknown.
    """
    section = RANKING.get(name, {"kind": name})
    return METHODS.get(section["kind"])(**section)
