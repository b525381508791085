"""Logits of the click networks against deepctr-torch 0.3.0 on equal weights.

scripts/oracle_clicks runs it, with deepctr-torch in a folder of its own.
"""

from __future__ import annotations

import sys

import torch
from deepctr_models import KINDS, Fields, Problem, as_input, copy_weights, ours, theirs
from torch import nn

WIDTH, INSTANCES, TOLERANCE = 8, 512, 1e-5
USER, ITEM = {"user": 50, "age": 7, "job": 11}, {"item": 80, "year": 9}


@torch.no_grad()
def difference(kind: str) -> tuple[float, float]:
    """The largest absolute difference of two logits, and the standard deviation of the logits."""
    history = {"history": 20} if kind == "din" else {"values": 15}
    problem = Problem.of(Fields(USER, ITEM, **history), INSTANCES)
    torch.manual_seed(1)
    model = ours(kind, problem, WIDTH).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    for lookup in (model.fields.embeddings, model.fields.weights):
        if lookup is not None:
            lookup.table[0] = 0
    if kind == "din":
        nn.init.zeros_(model.interaction.labels.weight)  # deepctr-torch has no labels
    other = theirs(kind, problem.fields, WIDTH).eval()
    copy_weights(kind, model, other, problem.fields)
    other.out.task = "regression"  # logits, not probabilities
    logits = model(problem.instances)
    expected = other(as_input(other, problem.columns()))[:, 0]
    return float((logits - expected).abs().max()), float(expected.std())


def main() -> int:
    """Prints a row for each network; 1 if one differs."""
    print("| network | largest difference | standard deviation of the logits |\n|---|---|---|")
    wrong = 0
    for kind in KINDS:
        gap, spread = difference(kind)
        wrong += not gap < TOLERANCE
        print(f"| {kind} | {gap:.1e} | {spread:.2f} |")
    print(f"tolerance {TOLERANCE:.0e}: {'fails' if wrong else 'passes'}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
