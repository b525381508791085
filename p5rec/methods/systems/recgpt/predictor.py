"""Fitted models of RecGPT: stage 1 reads users, stage 2 also reads items that it generated.

B requests, S events, R windows, T events of a window, P targets, W generated items after an event,
U users, N items, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from p5rec.core.types import NOBODY, Histories, Interactions, RankedLists, Split, check_rows
from p5rec.models.sasrec import Sasrec as Network
from p5rec.models.sasrec import SasrecShape
from p5rec.models.woven import Events, generate, woven_states
from p5rec.recommend.ranking import rank, rank_all

from ...baselines import fitting
from ...baselines.iterative import SasrecSettings
from ...baselines.sasrec_training import SasrecPredictor
from ...baselines.sequences import WindowBatch
from .settings import PretrainingSettings, TuningSettings

if TYPE_CHECKING:
    from p5rec.decode.allowed import Allowed

USERS = "users.weight"  # the network's user embeddings
POOL = 2**12  # generated items that the control draws from
PRIMES = (7919, 104729, 1299709)  # of the hash of an item, its position, and a number up to W
APART = np.float32(3)  # more than two cosines differ


@dataclass(frozen=True, eq=False)
class UserPredictor(SasrecPredictor):
    """Stage 1: :class:`~p5rec.methods.baselines.sasrec_training.SasrecPredictor` with an embedding
    of the user.

    Attributes:
        user_keys: ``(U,)`` uint64, keys of the users' external ids.
    """

    method: PretrainingSettings
    user_keys: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))

    stored: ClassVar[tuple[str, ...]] = (*SasrecPredictor.stored, "user_keys")
    keyed: ClassVar[Mapping[str, str]] = {**SasrecPredictor.keyed, USERS: "user_keys"}

    @classmethod
    def untrained(
        cls,
        method: SasrecSettings,
        interactions: Interactions,
        split: Split,
        behaviours: tuple[str, ...],
    ) -> Self:
        """See :class:`~p5rec.methods.baselines.sasrec_training.SasrecPredictor`; the embedding of a
        user whom no training window has a target of is 0."""
        made = super().untrained(method, interactions, split, behaviours)
        read = np.flatnonzero(split.mask("train"))
        follows = np.append(False, interactions.users[read[1:]] == interactions.users[read[:-1]])
        targets = read[follows & interactions.is_target[read]]
        trained = np.unique(interactions.users[targets])
        strangers = np.setdiff1d(np.arange(interactions.n_users), trained)
        with torch.no_grad():
            made.network.get_parameter(USERS)[torch.from_numpy(strangers)] = 0
        return made

    @classmethod
    def own_arrays(cls, interactions: Interactions, split: Split) -> dict[str, Any]:
        """See :class:`~p5rec.methods.baselines.sasrec_training.SasrecPredictor`."""
        own = super().own_arrays(interactions, split)
        return {**own, "user_keys": interactions.user_keys}

    @classmethod
    def shape(
        cls, method: SasrecSettings, arrays: Mapping[str, Any], behaviours: tuple[str, ...]
    ) -> SasrecShape:
        """See :class:`~p5rec.methods.baselines.sasrec_training.SasrecPredictor`; the last behaviour
        is the segment of generated items."""
        plain = super().shape(method, arrays, behaviours)
        segments = max(1, len(behaviours)) + 1
        return replace(plain, behaviours=segments, users=len(arrays["user_keys"]))

    def columns(self, histories: Histories) -> tuple[np.ndarray, ...]:
        """See :class:`~p5rec.methods.baselines.sequence_scorer.SequenceScorer`; and users."""
        check_rows("user", histories.users, len(self.user_keys), NOBODY)
        users = np.where(histories.users == NOBODY, len(self.user_keys), histories.users)
        return (*super().columns(histories), np.repeat(users, histories.lengths))

    def target_states(self, network: Network, batch: WindowBatch) -> Tensor:
        """See :class:`~p5rec.methods.baselines.sasrec_training.SasrecPredictor`."""
        states: Tensor = network(*self.events(batch))
        return states[batch.row, batch.after]

    def events(self, batch: WindowBatch) -> Events:
        """The events of windows that predict others, some windows without their user."""
        dropped = torch.rand(len(batch.users)) < self.method.user_dropout
        users = batch.users.masked_fill(dropped, len(self.user_keys))
        items = batch.items[:, :-1]
        return Events(items, batch.done[:, :-1], users[:, None].expand_as(items))


@dataclass(frozen=True, eq=False)
class WovenPredictor(UserPredictor):
    """Stage 2: the averaged network generates the items that histories contain in training.

    Attributes:
        others: ``(POOL,)`` items generated after events of training windows, for the control; they
            change in training.
    """

    method: TuningSettings
    others: np.ndarray = field(default_factory=lambda: np.zeros(POOL, np.int64))

    stored: ClassVar[tuple[str, ...]] = (*UserPredictor.stored, "others")

    @property
    def segment(self) -> int:
        """The behaviour of a generated item."""
        return max(1, len(self.behaviours))

    def target_states(self, network: Network, batch: WindowBatch) -> Tensor:
        """See :class:`~p5rec.methods.baselines.sasrec_training.SasrecPredictor`."""
        events = self.events(batch)
        generated = generate(self.network, events, self.method.generated)
        if self.method.permute_generated:
            own = generated[batch.row, batch.after].flatten()
            self.others[:] = own[torch.randint(len(own), (POOL,))].numpy()
            generated = self.of_others(events.items)
        states = woven_states(network, events, generated, self.segment)
        return states[batch.row, batch.after, 0]

    def current(self) -> Self:
        """See :class:`~p5rec.methods.baselines.sasrec_training.SasrecPredictor`; recall takes one
        step, because a fit does not depend on ``first``."""
        return replace(self, method=self.method.model_copy(update={"first": None}))

    def of_others(self, items: Tensor) -> Tensor:
        """``(R, T, W)`` items generated after other events: drawn by a hash of ``items (R, T)``."""
        length, count = items.shape[1], self.method.generated
        places = PRIMES[0] * items[..., None] + PRIMES[1] * torch.arange(length)[:, None]
        slots = places + PRIMES[2] * torch.arange(count)
        return torch.from_numpy(self.others)[slots % POOL]

    def states(self, *columns: Tensor) -> Tensor:
        """``(B, T, D)`` unit states of the events; with W more columns, those after the generated
        items, which these columns replace where they are not negative (not in the control)."""
        events, given = Events(*columns[:3]), columns[3:]
        if self.method.permute_generated:
            generated = self.of_others(events.items)
        else:
            generated = generate(self.network, events, self.method.generated)
            if given:
                added = torch.stack(given, dim=2)
                generated = torch.where(added >= 0, added, generated)
        states = woven_states(self.network, events, generated, self.segment)
        return states[:, :, -1 if given else 0]

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """See :class:`p5rec.methods.predictors.Recommends`."""
        score = partial(self.recalled, exclude_seen=exclude_seen)
        return rank_all(score, histories, k, self.tie, exclude_seen=exclude_seen, allowed=allowed)

    def recalled(self, histories: Histories, *, exclude_seen: bool) -> np.ndarray:
        """``(B, N)`` float32 scores of recall in two steps.

        The first items of a list have the scores of the history. All others have lower ones, those
        of the history with the best ``generated`` of the first items. Like all scores they do not
        depend on what may be recommended, so an item that a request denies can be among the first.

        Args:
            histories: the requests.
            exclude_seen: whether the first items are none of the history's target events.
        """
        scores, first = self.scores(histories), self.method.first
        if first is None:
            return scores
        seen = histories.of_targets() if exclude_seen else None
        listed, _ = rank(scores, first, self.tie, seen)
        read = histories.tail(self.method.window)
        given = np.full((self.method.generated, len(read.items)), -1, dtype=np.int64)
        known = read.lengths > 0
        given[:, read.offsets[1:][known] - 1] = listed[known, : self.method.generated].T
        second = fitting.products(self.last_states(read, *given), self.vectors) - APART
        second[~known] = scores[~known]
        row, column = np.nonzero(listed >= 0)
        second[row, listed[row, column]] = scores[row, listed[row, column]]
        return second
