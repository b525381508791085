"""Speed of the click networks beside deepctr-torch: training and scoring.

scripts/oracle_clicks bench [--rows 60000] [--rounds 3] [--json out.json]

Training: epochs over the same random instances in batches of 2,048, by each library's own loop,
with equal networks, Adam and no penalty. Scoring: the candidates of a request, through a loaded
predictor's network. The two libraries take turns; the best round of each counts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from deepctr_models import Fields, Problem, as_input, ours, theirs
from torch import Tensor
from torch.nn import functional as F

from p5rec.models.click.model import ClickModel, Events, Instances

WIDTH, BATCH = 16, 2048
USER = {"user": 6040, "gender": 2, "age": 7, "job": 21}
ITEM = {"item": 3700, "year": 18, "studio": 40}
HISTORY = 20
TRAINED = {"deepfm": 3.0, "dcnv2": None, "autoint": None, "din": 1.5}  # and the least ratio
SCORED = {"deepfm": 100_000, "dcnv2": 100_000, "din": 25_000}  # pairs a second, at least


def our_epoch(kind: str, problem: Problem) -> Callable[[], None]:
    """One epoch of p5rec's training."""
    from p5rec.methods.click.training import optimizer_of

    model = ours(kind, problem, WIDTH).train()
    optimizer = optimizer_of(model, 1e-3)

    def run() -> None:
        for rows in torch.randperm(len(problem.labels)).split(BATCH):
            optimizer.zero_grad()
            logits = model(_take(problem.instances, rows))
            F.binary_cross_entropy_with_logits(logits, problem.labels[rows]).backward()
            optimizer.step()

    return run


def _take(instances: Instances, rows: Tensor) -> Instances:
    users, items, context, events = instances
    own = Events(*(each[rows] for each in events)) if events else None
    return Instances(users[rows], items[rows], context[rows], own)


def their_epoch(kind: str, problem: Problem) -> Callable[[], None]:
    """One epoch of deepctr-torch's training."""
    model = theirs(kind, problem.fields, WIDTH)
    model.compile("adam", "binary_crossentropy")
    columns, labels = problem.columns(), problem.labels.numpy()

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            model.fit(dict(columns), labels, batch_size=BATCH, epochs=1, verbose=0)

    return run


def score_candidates(model: ClickModel, problem: Problem, candidates: Tensor) -> Callable[[], None]:
    """Scores ``candidates (B,)`` for one request, whose history is read once."""
    one = _take(problem.instances, torch.arange(1))
    model.eval()

    @torch.inference_mode()
    def run() -> None:
        model.rank(one, candidates)

    return run
