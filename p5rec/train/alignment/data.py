"""The training data of alignment: histories with candidate items at target positions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from p5rec.core.rng import derive_rng, derive_seed

from ..examples.example import IGNORE, TrainingExample
from ..examples.histories import NextItemExamples

NAMES = ("offsets", "positions", "items", "scores")  # of the files of preference pairs


def target_tokens(
    examples: NextItemExamples, i: int, positions: int | None, seed: int
) -> np.ndarray:
    """``(P,)`` ascending: the first tokens of the target items of example ``i``.

    Of a basket whose items are predicted together only the first item is a target.

    Args:
        positions: maximum number of targets, a random choice; None: all.
    """
    windows = examples.windows
    order = derive_rng(seed, "positions", int(windows.keys[i])).permutation(int(windows.lengths[i]))
    events, _ = windows.draw(i)
    targets = windows.is_target(events) & (windows.steps_back(events) == 1)
    order = order[targets[order]]
    return 1 + np.sort(order[:positions]) * examples.layout.stride


def sampling_seeds(examples: NextItemExamples, i: int, tokens: np.ndarray, seed: int) -> np.ndarray:
    """``(P,)`` positive, well separated seeds, one for each of ``tokens (P,)`` of example ``i``."""
    key = int(examples.windows.keys[i])
    return np.array([derive_seed(seed, "draws", key, int(token)) >> 1 for token in tokens])


def with_labels_at(example: TrainingExample, tokens: np.ndarray, levels: int) -> TrainingExample:
    """``example`` with only the items that start at ``tokens`` as targets."""
    labels = np.full_like(example.labels, IGNORE)
    targets = (tokens[:, None] + np.arange(levels)).ravel()
    labels[targets] = example.labels[targets]
    return replace(example, labels=labels)


class SampledExamples:
    """Histories with sampling seeds at target positions, where items are sampled and rewarded.

    Args:
        examples: the histories.
        positions: target positions per example; None: all.
        seed: of the choice of positions and of the samples.
    """

    def __init__(self, examples: NextItemExamples, positions: int | None, seed: int) -> None:
        self.examples, self.positions, self.seed = examples, positions, seed
        self.lengths = examples.lengths

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, i: int) -> TrainingExample:
        example = self.examples[i]
        tokens = target_tokens(self.examples, i, self.positions, self.seed)
        seeds = np.zeros(len(example.labels), dtype=np.int64)
        seeds[tokens] = sampling_seeds(self.examples, i, tokens, self.seed)
        levels = self.examples.layout.codes.levels
        return replace(with_labels_at(example, tokens, levels), sample_seeds=seeds)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Target items and their rejected items, memory-mapped.

    Attributes:
        offsets: ``(R + 1,)``: example r has the entries ``offsets[r]:offsets[r + 1]``.
        positions: ``(P,)`` int64, the first token of each target item.
        items: ``(P, 1 + J)`` int32: the target, then rejected items; -1 for missing ones.
        scores: ``(P, 1 + J)`` float32, log-probabilities under the reference model.
    """

    offsets: np.ndarray
    positions: np.ndarray
    items: np.ndarray
    scores: np.ndarray

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The target tokens ``(p,)`` of example ``i``, their items and scores ``(p, 1 + J)``."""
        own = slice(self.offsets[i], self.offsets[i + 1])
        return self.positions[own], self.items[own], self.scores[own]


def load_pairs(folder: Path) -> Pairs:
    """Memory-maps the pairs in ``folder`` (:func:`.hard_negatives.mine_negatives`)."""
    return Pairs(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in NAMES))


class PreferenceExamples:
    """Histories with preference pairs; the examples of one epoch are repeated.

    Args:
        examples: the histories of one epoch.
        pairs: mined from the same examples.
        n_examples: number of examples over all epochs.
    """

    def __init__(self, examples: NextItemExamples, pairs: Pairs, n_examples: int) -> None:
        self.examples, self.pairs, self.n_examples = examples, pairs, n_examples
        self.lengths = np.resize(examples.lengths, n_examples)

    def __len__(self) -> int:
        return self.n_examples

    def __getitem__(self, i: int) -> TrainingExample:
        i %= len(self.examples)
        example, (tokens, items, scores) = self.examples[i], self.pairs[i]
        candidates = np.full((len(example.labels), items.shape[1]), -1, dtype=np.int64)
        reference = np.zeros(candidates.shape, dtype=np.float32)
        has_pair = items[:, 1] >= 0  # without a rejected item there is no pair
        candidates[tokens[has_pair]] = items[has_pair]
        reference[tokens[has_pair]] = scores[has_pair]
        labelled = with_labels_at(example, tokens, self.examples.layout.codes.levels)
        return replace(labelled, candidates=candidates, reference=reference)
