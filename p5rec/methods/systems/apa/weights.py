"""Weights of the adapters for a prompt, from their errors on similar validation examples.

B prompts, V validation examples, K adapters, D width of an embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from p5rec.metrics.area import auc

from ...baselines.fitting import products
from .settings import EMBEDDINGS, ERRORS
from .stored import LABELS, PROMPTS

TEMPERATURES = (0.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # of which validation chooses


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The validation examples.

    Attributes:
        embeddings: ``(V, D)`` float32 unit vectors.
        errors: ``(V, K)`` float32, of each adapter on each example.
        prompts: ``(V,)`` uint64, hashes of their prompts.
        labels: ``(V,)`` int8, 1 liked or 0 not.
    """

    embeddings: np.ndarray
    errors: np.ndarray
    prompts: np.ndarray
    labels: np.ndarray

    def nearest(self, embeddings: np.ndarray, prompts: np.ndarray, count: int) -> np.ndarray:
        """``(B, n)`` the most similar examples by cosine (Hu et al. 2024, equation 3), n at most
        ``count``; -1 where there are fewer.

        An example with the same prompt is no neighbour, so that a validation example has no weights
        from its own error.

        Args:
            embeddings: ``(B, D)`` float32 unit vectors.
            prompts: ``(B,)`` uint64, hashes of the prompts.
            count: of neighbours.
        """
        similar = products(embeddings, self.embeddings)
        similar[prompts[:, None] == self.prompts] = -np.inf
        near = np.argsort(-similar, axis=1, kind="stable")[:, :count]
        return np.where(np.isinf(np.take_along_axis(similar, near, axis=1)), -1, near)

    def mean_errors(self, embeddings: np.ndarray, prompts: np.ndarray, count: int) -> np.ndarray:
        """``(B, K)`` the mean error of each adapter on the neighbours (equation 7); 0 without
        any."""
        near = self.nearest(embeddings, prompts, count)
        there = (near >= 0)[:, :, None]
        errors = np.where(there, self.errors[near], 0)
        means: np.ndarray = errors.sum(axis=1, dtype=np.float64) / np.maximum(there.sum(axis=1), 1)
        return means


def neighbours_of(arrays: Mapping[str, np.ndarray]) -> Neighbours:
    """The validation examples among the arrays of a model."""
    return Neighbours(*(arrays[name] for name in (EMBEDDINGS, ERRORS, PROMPTS, LABELS)))


def adaptive_weights(errors: np.ndarray, temperature: float) -> np.ndarray:
    """``(B, K)`` float32, each row sums to 1: the softmax of ``-temperature * errors`` (equation
    8); at temperature 0 all weights are equal.

    Args:
        errors: ``(B, K)``.
        temperature: the strength, the paper's tau.
    """
    weights: np.ndarray = softmax(-temperature * errors, axis=1).astype(np.float32)
    return weights


def major_weights(errors: np.ndarray) -> np.ndarray:
    """``(B, K)`` float32: 1 for the adapter with the smallest of ``errors (B, K)``, the first of
    equal ones."""
    best = errors.argmin(axis=1)
    weights: np.ndarray = (np.arange(errors.shape[1]) == best[:, None]).astype(np.float32)
    return weights


def choose_temperature(examples: Neighbours, count: int) -> float:
    """The first of :data:`TEMPERATURES` with the highest AUC of the validation examples.

    An example's prediction is the weighted mean of those of the adapters, which needs no pass;
    queries mix the adapters themselves. No example is its own neighbour.

    Args:
        examples: the validation examples.
        count: of neighbours.
    """
    errors = examples.mean_errors(examples.embeddings, examples.prompts, count)
    positive = examples.labels > 0
    yes = np.where(positive[:, None], 1 - examples.errors, examples.errors)
    mixed = [(yes * adaptive_weights(errors, each)).sum(axis=1) for each in TEMPERATURES]
    areas = np.nan_to_num([float(auc(scores, positive)[0]) for scores in mixed])
    return TEMPERATURES[int(areas.argmax())]
