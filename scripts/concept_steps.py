"""Steps along the concepts of a space: how often a model's texts name the concept.

python scripts/concept_steps.py RUN METHOD [--concepts 10] [--points 20] [--out FILE]

For each of the most common attribute values, held-out items are moved along its concept activation
vector, and the model of METHOD in the folder RUN describes the points on the way. Printed are the
shares of the texts that name the value at each step, and the Spearman correlation of steps and
shares.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.config import bind
from p5rec.core.rng import by_key
from p5rec.core.types import TEST
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.methods.folder import read_method
from p5rec.methods.systems.elm.concepts import Concept, common_traits, mentions
from p5rec.methods.systems.elm.predictor import PointPredictor
from p5rec.methods.systems.elm.space import points_of
from p5rec.tasks.view import CorpusView, unnamed_view

STEPS = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])  # spreads of the items along the concept


def main() -> None:
    """Measures the concepts of one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("method")
    parser.add_argument("--concepts", type=int, default=10)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--family", default="point-values")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    data = read_json(options.run / "report.json")["manifest"]["config"]["data"]
    corpus = build(bind(DataConfig, data, {}, options.run))[0]
    folder = options.run / "models" / options.method
    predictor: PointPredictor = read_method(folder).load(folder)
    points = points_of(corpus, predictor.space.points)
    view = CorpusView(corpus, unnamed_view(corpus).names, points=points)
    rows = np.flatnonzero(points.known_items & (points.item_split == TEST))
    order = by_key(corpus.interactions.item_keys[rows], 0, "concept steps")
    chosen = points.items[rows[order[: options.points]]]
    found = {
        trait: measure(predictor, Concept.of(view, trait), chosen, options.family)
        for trait, _ in common_traits(view, options.concepts)
    }
    for trait, each in found.items():
        shares = "  ".join(f"{share:.2f}" for share in each["shares"])
        print(f"{trait:20} {shares}   Spearman {each['spearman']:+.2f}")
    mean = float(np.mean([each["spearman"] for each in found.values()]))
    print(f"mean Spearman of {len(found)} concepts: {mean:.3f}")
    if options.out is not None:
        write_json(options.out, {"steps": STEPS.tolist(), "concepts": found, "mean": mean})


def measure(
    predictor: PointPredictor, concept: Concept, points: np.ndarray, family: str
) -> dict[str, Any]:
    """The share of texts that name a concept at each step, and its correlation with the steps."""
    moved = concept.steps(points, STEPS)
    words = {"attribute": "genres"} if family == "point-values" else {}
    texts = predictor.describe(moved.reshape(-1, moved.shape[2]), family, **words)
    named = mentions(texts, concept.trait).reshape(moved.shape[:2])
    shares = named.mean(axis=0)
    constant = len(set(shares.tolist())) == 1
    correlation = 0.0 if constant else float(spearmanr(STEPS, shares).statistic)
    return {"shares": shares.tolist(), "spearman": correlation}


if __name__ == "__main__":
    main()
