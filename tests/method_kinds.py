"""Every kind of method, with settings that are fast to fit on the sample corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fits import Fits
from tiny_models import scratch

from p5rec.core.item_codes import ItemCodes
from p5rec.methods.base import Method
from p5rec.methods.generative.method import Generative
from p5rec.methods.registry import METHODS
from p5rec.prompting.sample import sample_view

CLICK_MODELS = ("logistic", "fm", "deepfm", "dcnv2", "autoint", "din")
WRITERS = ("most-frequent", "most-frequent-of-item", "nearest-review")
COMPACT = {"kind": "scratch", "width": 8, "layers": 2, "heads": 1, "feedforward": 8}
M6_REC = {"backbone": COMPACT, "cached_layers": 1, "rows": 20, "history": 1, "adapter_rank": 1}
UBERT = {"width": 4, "heads": 1, "epochs": 1, "reviews": 2, "max_words": 4}
ELM = {
    "texts": "texts", "encoder": "tiny", "families": {"point-description": 1, "point-has": 1},
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {  # fast settings, and the task of a kind that needs one
    "bpr": {"factors": 4, "epochs": 1},
    "sasrec": {"width": 4, "heads": 1, "epochs": 1},
    **{kind: {"width": 4, "heads": 1, "epochs": 1} for kind in ("recgpt", "recgpt-pretraining")},
    "fusion": {
        "components": {n: {"kind": n, "tune": {}} for n in ("item-to-item", "personal-frequency")}
    },
    **{kind: {"width": 4, "epochs": 1} for kind in ("unisrec", "unisrec-pretraining")},
    "u-bert-pretraining": UBERT,
    "u-bert": UBERT,
    "kar": {"base": {"kind": "logistic", "tune": {}, "epochs": 1}, "hidden": (4, 2)},
    "ctrl": {
        "base": {"kind": "autoint", "epochs": 1},
        "texts": {"encoder": "tiny"},
        "alignment": {"epochs": 1, "batch": 8, "width": 8},
    },
    "genre": {"epochs": 1, "synthetic": ["users"], "profile": "users"},
    "m6-rec": M6_REC,
    "m6-rec-retrieval": {**M6_REC, "width": 4},
    "m6-rec-zero-shot": {"backbone": COMPACT, "history": 1},
    "unillmrec": {
        "model": {
            "backbone": {"kind": "scratch", "width": 8, "layers": 1, "heads": 2, "feedforward": 8},
            "train": {"tasks": {"item-tree": {}}, "steps": 1, "batch": 2, "precision": "float32"},
        }
    },
    "palr": {
        "retriever": {"kind": "popularity", "tune": {}},
        "candidates": 3,
        "backbone": scratch(width=8, layers=1, feedforward=8),
        "train": {"steps": 1, "batch": 2, "precision": "float32"},
        "weight": 0,
    },
    "apa": {
        "backbone": {**COMPACT, "lora": {"rank": 1}},
        "prompt": {"history": 1},
        "train": {"epochs": 1, "batch": 8},
        "shards": 2,
        "similarity": "tokens",
        "validation": 4,
    },
    "elm": {
        **ELM,
        "backbone": scratch(width=8, layers=1, feedforward=8, items="tokens"),
        "adapter": {"tokens": 2, "hidden": 4},
        "train": {"steps": 2, "adapter_steps": 1, "batch": 2, "precision": "float32"},
        "max_new_tokens": 4,
    },
    "elm-commonest": ELM,
    "recllm": {
        "ranker": {"kind": "popularity", "tune": {}},
        "backbone": scratch(width=8, layers=1, feedforward=8, items="tokens"),
        "train": {"steps": 1, "batch": 2, "precision": "float32"},
        "manager": "recommend",
    },
    "lead-sentence": {"task": "summary"},
    **{kind: {"task": "explanation"} for kind in WRITERS},
    **{kind: {"epochs": 1} for kind in CLICK_MODELS},
    "boosted-trees": {"trees": 3, "leaf_instances": 2},
}
BASELINES = tuple(kind for kind in METHODS if kind != Generative().kind)


def baseline_of(kind: str, **changes: Any) -> Method:
    """A baseline without a grid search."""
    method: Method = METHODS.get(kind)(**{"tune": {}, **SETTINGS.get(kind, {}), **changes})
    return method


def generative(*tasks: str, **changes: Any) -> Generative:
    """A language model that trains one step on ``tasks``."""
    train = {"tasks": {task: {} for task in tasks}, "steps": 1, "batch": 2, "precision": "float32"}
    backbone = scratch(width=8, layers=1, feedforward=8)
    return Generative.model_validate({"backbone": backbone, "train": train, **changes})


def sample_fits(root: Path) -> Fits:
    """The sample corpus with semantic ids and a store in ``root``."""
    corpus = sample_view().corpus
    rows = np.arange(len(corpus.catalog))
    return Fits.of(corpus, ItemCodes(np.stack([rows // 3, rows % 3], 1), (3, 3), "plain"), root)
