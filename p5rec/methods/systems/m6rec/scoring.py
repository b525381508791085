"""Click prediction by option tuning. B instances, n items of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import sampled, tie_order
from p5rec.core.types import Corpus, Histories, check_rows
from p5rec.metrics.area import auc

from ...baselines import fitting
from ...baselines.iterative import EPOCHS
from ...click.instances import training_instances, validation_instances
from ...click.ranking import RanksPairs
from ...needs import Inputs
from .reading import BLOCK, SegmentReader, Sequences, load_reader
from .segments import Segments, read_segments
from .settings import SEGMENTS, TEACHER, ScoringSettings
from .training import batches, optimizer_of, untrained

VALIDATED = 2000  # instances of a validation check, at most
CLASSES = 2  # no and yes


@dataclass(frozen=True, eq=False)
class ScoringPredictor(RanksPairs):
    """Predicts clicks, and ranks by their probability.

    Attributes:
        reader: the model and its segments.
        tie: ``(N,)`` tie order.
        epochs: the length of the training.
        lineage: the training events.
    """

    reader: SegmentReader
    tie: np.ndarray
    epochs: int = 0
    lineage: Lineage | None = None

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsClicks`.

        Raises:
            ValueError: item rows outside the data.
        """
        check_rows("item", items, len(self.tie))
        sequences = self.reader.sequences(histories, self.reader.segments.items[items])
        hidden = self.reader.ends(sequences)
        return self._clicks(hidden)

    @torch.inference_mode()
    def scores(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.click.ranking.RanksPairs`; prompts and history are read
        once."""
        from transformers import DynamicCache

        segments, model = self.reader.segments, self.reader.model
        last = segments.items[items]
        width = int(segments.states.lengths[segments.items].max())  # of all items
        numbers, offsets = segments.prefixes(histories, self.reader.method.history)
        out = np.empty((len(histories), len(items)), dtype=np.float32)
        for row in range(len(histories)):
            own = numbers[offsets[row] : offsets[row + 1]]
            prefix = Sequences(segments.states, own, np.array([0, len(own)]))
            cache = DynamicCache()
            with self.reader.autocast:
                model.read(prefix.read(), cache)
            cache.batch_repeat_interleave(BLOCK)
            seen = cache.get_seq_length()
            for start in range(0, len(items), BLOCK):
                at = np.arange(start, start + BLOCK).clip(max=len(items) - 1)
                asked = Sequences(segments.states, last[at], np.arange(BLOCK + 1))
                lengths = torch.from_numpy(asked.lengths)
                with self.reader.autocast:
                    hidden = model.follow(asked.read(width), lengths, seen, deepcopy(cache))
                clicks = self._clicks(hidden.float())
                out[row, start : start + BLOCK] = clicks[: len(items) - start]
        return out

    def _clicks(self, hidden: Tensor) -> np.ndarray:
        """``(B,)`` float32 probabilities at the ends ``hidden (B, D)`` of sequences."""
        options = self.reader.model.options(CLASSES).detach().numpy()
        no, yes = torch.from_numpy(fitting.products(hidden.numpy(), options)).unbind(1)
        clicks: np.ndarray = (yes - no).sigmoid().numpy()
        return clicks

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        self.reader.save(folder, tie=self.tie, **{EPOCHS: np.array([self.epochs])})


def load(method: ScoringSettings, folder: Path) -> ScoringPredictor:
    """The predictor that :meth:`ScoringPredictor.save` wrote."""
    reader, arrays = load_reader(method, folder)
    return ScoringPredictor(reader, arrays["tie"], int(arrays[EPOCHS][0]))


def fit(
    method: ScoringSettings, corpus: Corpus, folder: Path, seed: int, inputs: Inputs
) -> Lineage:
    """Trains on labelled training events, and saves the model.

    Args:
        method: the settings.
        corpus: the data.
        folder: receives the model.
        seed: of all random draws.
        inputs: the segments, and the teacher, if any.

    Raises:
        UserError: the training instances have one label only.
    """
    log = corpus.interactions
    segments = segments_of(method, corpus, seed, inputs)
    most = max(each.history for each in (method, method.teacher) if each is not None)
    instances = training_instances(corpus, seed, most)
    keys = log.event_keys[instances.events]
    instances = instances.take(sampled(keys, method.rows, seed, "scored rows"))
    targets = torch.from_numpy(instances.labels.astype(np.float32))
    if method.teacher is not None:
        teacher: Any = method.teacher.load(inputs[TEACHER])
        taught = torch.from_numpy(teacher.predict_click(instances.histories, instances.items))
        targets = torch.lerp(targets, taught, method.distillation)
    with fitting.seeded(seed, method.kind):
        own = untrained(method, segments, seed)
        sequences = own.sequences(instances.histories, segments.items[instances.items])
        steps = -(-len(targets) // method.batch)
        copy, mean = fitting.with_average(own.model, method.ema_epochs * steps)
        lineage = Lineage(log.event_keys[corpus.split.mask("train")])
        tie = tie_order(log.item_keys, seed)
        fitted = ScoringPredictor(replace(own, model=copy), tie, lineage=lineage)
        optimizer = optimizer_of(method, own.model)
        epochs = fitting.train(
            copy,
            lambda _: fitting.updates(_losses(own, sequences, targets), optimizer, mean),
            _validation_auc(fitted, corpus, seed),
            epochs=method.epochs,
            patience=method.patience,
            name=method.kind,
            metric_name="AUC",
        )
        replace(fitted, epochs=epochs).save(folder)
    return lineage


def segments_of(method: Any, corpus: Corpus, seed: int, inputs: Inputs) -> Segments:
    """The stored segments; in the control, those of other items."""
    segments = read_segments(inputs[SEGMENTS])
    return segments.permuted(corpus.interactions.item_keys, seed) if method.permuted else segments


def _losses(reader: SegmentReader, sequences: Sequences, targets: Tensor) -> Iterator[Tensor]:
    """The log loss of each step of one epoch; ``targets (R,)`` are probabilities."""
    reader.model.train()
    for rows in batches(sequences.lengths, reader.method.batch):
        hidden = reader.hidden(sequences.take(rows))
        no, yes = (hidden @ reader.model.options(CLASSES).T).unbind(1)
        yield F.binary_cross_entropy_with_logits(yes - no, targets[torch.from_numpy(rows)])


def _validation_auc(
    predictor: ScoringPredictor, corpus: Corpus, seed: int
) -> Callable[[], float] | None:
    """The AUC of validation instances; None: they lack one of the labels."""
    instances = validation_instances(corpus, seed, predictor.reader.method.history)
    if instances is None:
        return None
    keys = corpus.interactions.event_keys[instances.events]
    instances = instances.take(sampled(keys, VALIDATED, seed, "validation instances"))
    positive, histories, items = instances.labels > 0, instances.histories, instances.items
    return lambda: float(auc(predictor.predict_click(histories, items), positive)[0])
