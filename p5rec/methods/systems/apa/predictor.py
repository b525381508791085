"""Predictions of APA: one pass with mixed adapters. B requests, K adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.types import Histories, check_rows

from ...arrays import load_arrays
from ...folder import ITEMS
from .examples import prompts_of
from .reading import PromptReader, open_reader
from .settings import ApaSettings
from .stored import BANK, SEED, TEMPERATURE, prompt_hashes
from .weights import Neighbours, adaptive_weights, major_weights, neighbours_of


@dataclass(frozen=True, eq=False)
class ApaPredictor:
    """Predicts the probability that a user likes an item.

    Attributes:
        method: the settings.
        arrays: what the fit wrote.
        titles: ``(N,)`` of the items.
        download: whether the backbone may be downloaded.
        lineage: None: the folder's manifest has it.
    """

    method: ApaSettings
    arrays: Mapping[str, np.ndarray]
    titles: Sequence[str]
    download: bool = True
    lineage: Lineage | None = None

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsClicks`.

        Raises:
            ValueError: item rows outside the data.
        """
        check_rows("item", items, len(self.titles))
        if not len(items):
            return np.zeros(0, np.float32)
        prompts = prompts_of(histories, items, self.method.prompt, self.titles)
        tokens = self._reader.tokens(prompts)
        weights = self._weights(prompts, tokens)
        level = self.method.aggregate
        if level != "predictions":
            return self._reader.yes(tokens, weights, level)
        each = [self._reader.yes(tokens, one) for one in _single(weights)]
        clicks: np.ndarray = (np.stack(each, axis=1) * weights).sum(axis=1)
        return clicks.clip(0, 1)

    def weights(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B, K)`` float32: the weights of the adapters for each request, which sum to 1."""
        prompts = prompts_of(histories, items, self.method.prompt, self.titles)
        return self._weights(prompts, self._reader.tokens(prompts))

    def _weights(self, prompts: Sequence[str], tokens: Sequence[np.ndarray]) -> np.ndarray:
        count = len(self.method.adapters)
        if not self.method.adapts:
            return np.full((len(prompts), count), 1 / count, np.float32)
        embeddings = self._reader.embeddings(tokens)
        errors = self._neighbours.mean_errors(
            embeddings, prompt_hashes(prompts), self.method.neighbours
        )
        if self.method.weights == "major":
            return major_weights(errors)
        return adaptive_weights(errors, float(self.arrays[TEMPERATURE][0]))

    @cached_property
    def _neighbours(self) -> Neighbours:
        return neighbours_of(self.arrays)

    @cached_property
    def _reader(self) -> PromptReader:
        matrices = {
            name.removeprefix(BANK): torch.from_numpy(each)
            for name, each in self.arrays.items()
            if name.startswith(BANK)
        }
        seed = int(self.arrays[SEED][0])
        return open_reader(self.method, seed, matrices, download=self.download)


def load(method: ApaSettings, folder: Path, *, download: bool) -> ApaPredictor:
    """The predictor in a complete folder."""
    titles: Any = read_json(folder / ITEMS)["titles"]
    return ApaPredictor(method, load_arrays(folder), titles, download)


def _single(weights: np.ndarray) -> list[np.ndarray]:
    """Weights ``(B, K)`` with all on one adapter, for each of K."""
    return [np.tile(row, (len(weights), 1)) for row in np.eye(weights.shape[1], dtype=np.float32)]
