"""Sequences of segments, and their hidden states under a model.

B sequences, T positions, D width, n segments of all sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from p5rec.backbones.precision import computing, dtype_of
from p5rec.backbones.split_decoder import empty_blocks
from p5rec.backbones.split_encoder import TokenStates
from p5rec.core.artefacts import read_json, write_json
from p5rec.core.types import Histories, ranges
from p5rec.models.segments import SegmentModel, Settled, add_adapters

from ...arrays import load_arrays, save_arrays
from .segments import Segments
from .settings import M6Settings

BLOCK, STEP = 32, 16  # sequences of a forward pass; their padded length is a multiple of STEP
SHAPE, NETWORK, OF_SEGMENTS = "upper.json", "network.", "segments."


@dataclass(frozen=True, eq=False)
class Sequences:
    """B sequences, each the segments of a prefix and a last one.

    Attributes:
        states: of all segments.
        segments: ``(n,)`` int64 numbers of the segments.
        offsets: ``(B + 1,)`` int64, the first segment of each sequence.
    """

    states: TokenStates
    segments: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(
        cls, segments: Segments, prefixes: tuple[np.ndarray, np.ndarray], last: np.ndarray
    ) -> Sequences:
        """Sequences of B ``prefixes`` (:meth:`.segments.Segments.prefixes`), each with its last
        segment ``(B,)``."""
        numbers, offsets = prefixes
        joined = np.insert(numbers, offsets[1:], last)
        return cls(segments.states, joined, offsets + np.arange(len(offsets)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """``(B,)`` positions of each sequence."""
        passed = np.concatenate([[0], np.cumsum(self.states.lengths[self.segments])])
        lengths: np.ndarray = np.diff(passed[self.offsets])
        return lengths

    @property
    def last(self) -> np.ndarray:
        """``(B,)`` positions of each last segment."""
        return self.states.lengths[self.segments[self.offsets[1:] - 1]]

    def take(self, rows: np.ndarray) -> Sequences:
        """The sequences ``rows``, in that order."""
        at, offsets = ranges(self.offsets[:-1][rows], np.diff(self.offsets)[rows])
        return Sequences(self.states, self.segments[at], offsets)

    def read(self, width: int | None = None) -> Tensor:
        """``(B, T, D)`` float32 states, padded on the right to ``width``; None: to the longest."""
        starts, counts = self.states.offsets[self.segments], self.states.lengths[self.segments]
        tokens, _ = ranges(starts, counts)
        lengths = self.lengths
        at = np.arange(int(lengths.max(initial=0)) if width is None else width)
        rows = np.zeros((len(self), len(at)), np.int64)
        rows[at < lengths[:, None]] = tokens
        return torch.from_numpy(self.states.states[rows])

    def blocks(self) -> Iterator[tuple[np.ndarray, int]]:
        """The sequences ``(b,)`` in blocks, and the padded length of each block, which depends on
        the sequences' own lengths alone."""
        padded = -(-self.lengths // STEP) * STEP
        for width in np.unique(padded):
            same = np.flatnonzero(padded == width)
            for start in range(0, len(same), BLOCK):
                yield same[start : start + BLOCK], int(width)


@dataclass(frozen=True, eq=False)
class SegmentReader:
    """A model over segments.

    Attributes:
        model: the network.
        segments: what it reads.
        method: the settings of the fit.
    """

    model: SegmentModel
    segments: Segments
    method: M6Settings

    def sequences(self, histories: Histories, last: np.ndarray) -> Sequences:
        """The sequences of B requests, each with its last segment ``(B,)``."""
        prefixes = self.segments.prefixes(histories, self.method.history)
        return Sequences.of(self.segments, prefixes, last)

    def hidden(self, sequences: Sequences, width: int | None = None) -> Tensor:
        """``(B, D)`` the states at the ends of B sequences, padded to ``width``."""
        lengths, last = (torch.from_numpy(each) for each in (sequences.lengths, sequences.last))
        states = sequences.read(width)
        with self.autocast:
            hidden: Tensor = self.model(states, lengths - last, lengths)
        return hidden.float()

    @torch.inference_mode()
    def ends(self, sequences: Sequences) -> Tensor:
        """``(B, D)`` the same; forward passes have one shape, so that a state does not depend on
        the other sequences."""
        self.model.eval()
        out = torch.empty(len(sequences), self.segments.width)
        for rows, width in sequences.blocks():
            filled = rows[np.minimum(np.arange(BLOCK), len(rows) - 1)]
            out[torch.from_numpy(rows)] = self.hidden(sequences.take(filled), width)[: len(rows)]
        return out

    @property
    def autocast(self) -> torch.autocast:
        """The number format of matrix products."""
        dtype = dtype_of(self.method.precision)
        return computing(dtype)

    def save(self, folder: Path, **more: np.ndarray) -> None:
        """Writes all that :func:`load_reader` reads, and further arrays."""
        with torch.inference_mode(), self.autocast:
            settled = Settled(self.model.prompt_states().float())
        served = SegmentModel(settled, self.model.upper, self.model.prompts.detach())
        weights = {NETWORK + name: each.numpy() for name, each in served.state_dict().items()}
        segments = {OF_SEGMENTS + name: each for name, each in self.segments.arrays().items()}
        save_arrays(folder, {**more, **weights, **segments})
        write_json(folder / SHAPE, dict(self.model.upper.shape))


def load_reader(method: M6Settings, folder: Path) -> tuple[SegmentReader, dict[str, np.ndarray]]:
    """The reader that :meth:`SegmentReader.save` wrote, and the further arrays."""
    arrays = load_arrays(folder)
    upper = empty_blocks(read_json(folder / SHAPE))
    weights = _under(NETWORK, arrays)
    states = torch.from_numpy(weights["lower.states"])
    model = SegmentModel(Settled(states), upper, torch.from_numpy(weights["prompts"]))
    if method.tuning == "option-adapter":
        add_adapters(upper, states.shape[-1], method.adapter_rank)
    model.load_state_dict({name: torch.from_numpy(each) for name, each in weights.items()})
    model.requires_grad_(False).eval()
    segments = Segments.of(_under(OF_SEGMENTS, arrays))
    return SegmentReader(model, segments, method), arrays


def _under(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names start with ``prefix``, without it."""
    return {n.removeprefix(prefix): each for n, each in arrays.items() if n.startswith(prefix)}
