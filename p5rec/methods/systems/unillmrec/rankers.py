"""Rankers of the children of a node: a language model, and the control that draws at random.

B requests, N items, C children of a node, E edges.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from p5rec.core.examples import Example
from p5rec.core.rng import keyed, uniform
from p5rec.core.types import Histories
from p5rec.data.item_tree import ItemTree
from p5rec.models.bundle import Bundle
from p5rec.models.inputs import fit_prompt
from p5rec.models.scorer import prompt_reader
from p5rec.models.sibling_texts import SiblingTexts
from p5rec.prompting.render import render
from p5rec.prompting.template import Template
from p5rec.recommend.batching import prompt_batches
from p5rec.tasks.fields import Record
from p5rec.tasks.item_tree import NAME


@dataclass
class Cost:
    """What a descent read.

    Attributes:
        prompts: the number of prompts.
        tokens: of prompts and labels; a beginning that several prompts share counts for each.
    """

    prompts: int = 0
    tokens: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """The cost of lists; the control reads no tokens."""
        return {"requests": self.prompts} | ({"tokens": self.tokens} if self.tokens else {})


@dataclass(frozen=True, eq=False)
class TreePrompts:
    """The prompts about the nodes of a tree.

    Attributes:
        bundle: the model that reads them.
        template: of the prompts.
        tree: the items.
        titles: ``(N,)`` of the items, without control tokens.
    """

    bundle: Bundle
    template: Template
    tree: ItemTree
    titles: Sequence[str]

    @classmethod
    def of(
        cls, bundle: Bundle, template: Template, tree: ItemTree, titles: Sequence[str]
    ) -> TreePrompts:
        """The prompts about items with these ``titles (N,)``."""
        return cls(bundle, template, tree, [bundle.literal(title) for title in titles])

    def tokens(self, labels: Sequence[str], items: np.ndarray, note: str | None) -> np.ndarray:
        """``(T,)`` token ids of a prompt, at most as many as the model reads.

        Args:
            labels: the options.
            items: the history, oldest first.
            note: a text about the user.
        """
        limit = self.bundle.settings.max_tokens
        return fit_prompt(self.bundle.tokenizer, self._example(labels, items, note), limit).ids

    def flat_tokens(self, items: np.ndarray, note: str | None) -> int:
        """The tokens of a prompt whose options are all items; see :meth:`tokens`."""
        example = self._example(self.titles, items, note)
        return len(fit_prompt(self.bundle.tokenizer, example, sys.maxsize).ids)

    def _example(self, labels: Sequence[str], items: np.ndarray, note: str | None) -> Example:
        settings = self.bundle.settings
        shown = tuple(self.titles[item] for item in items[-settings.prompts.max_history :].tolist())
        values = dict.fromkeys(self.template.fields, "") | {
            "history_titles": shown,
            "last_title": shown[-1] if shown else "",
            "notes": settings.prompts.limits.cut(self.bundle.literal(note or "")),
            "branches": tuple(labels),
        }
        return render(self.template, Record(NAME, values))


@dataclass(frozen=True, eq=False)
class ModelRanker:
    """A language model scores the labels of all children: log-probabilities that sum to one.

    A label is read up to the token that tells it from its siblings.

    Attributes:
        prompts: about the nodes.
        histories: B requests.
        notes: ``(B,)`` a text about each user; None without one.
        prior: ``(E,)`` log-probabilities without a history, subtracted with the weight
            ``calibration`` before the children are normalised (contextual calibration, Zhao et al.
            2021, arXiv:2102.09690).
        calibration: 0..1.
        batch_tokens: most tokens of a batch of prompts, padding included.
        cost: counts what is read.
    """

    prompts: TreePrompts
    histories: Histories
    notes: Sequence[str | None]
    prior: np.ndarray
    calibration: float
    batch_tokens: int
    cost: Cost = field(default_factory=Cost)

    @torch.inference_mode()
    def __call__(self, node: int, requests: np.ndarray) -> np.ndarray:
        """See :data:`.descent.RankChildren`."""
        bundle, edges = self.prompts.bundle, self.prompts.tree.edges(node)
        labels = self.prompts.tree.labels[edges]
        if len(labels) == 1:
            return np.zeros((len(requests), 1), dtype=np.float32)
        texts = SiblingTexts(bundle.tokenizer, labels, bundle.model.device)
        prompts = [
            self.prompts.tokens(labels, self.histories[b], self.notes[b]) for b in requests.tolist()
        ]
        logs = np.empty((len(requests), len(labels)), dtype=np.float32)
        for numbers, ids, mask in prompt_batches(
            bundle, prompts, self.batch_tokens, extra=texts.read, desc="descend", unit="prompt"
        ):
            reader = prompt_reader(bundle.model, ids, mask)
            logs[numbers] = texts.logs(bundle.model, reader).cpu().numpy()
        self.cost.prompts += len(prompts)
        self.cost.tokens += sum(map(len, prompts)) + texts.read * len(prompts)
        if not self.calibration:
            return logs
        logs -= np.float32(self.calibration) * self.prior[edges]
        return np.asarray(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))


def without_history(prompts: TreePrompts, batch_tokens: int) -> np.ndarray:
    """``(E,)`` float32: the log-probability of every edge of the tree, given its node alone."""
    nobody = Histories(np.array([-1], np.int32), np.empty(0, np.int32), np.array([0, 0]))
    nothing = np.zeros(len(prompts.tree.children), dtype=np.float32)
    ranker = ModelRanker(prompts, nobody, [None], nothing, 0.0, batch_tokens)
    first = np.array([0])
    return np.concatenate([ranker(node, first)[0] for node in range(len(prompts.tree))])


@dataclass(frozen=True, eq=False)
class RandomRanker:
    """Random log-probabilities of the children, for each request its own.

    Attributes:
        tree: the items.
        keys: ``(B,)`` uint64 of the requests.
        seed: of the draws.
        cost: counts the prompts that a language model would read.
    """

    tree: ItemTree
    keys: np.ndarray
    seed: int
    cost: Cost = field(default_factory=Cost)

    def __call__(self, node: int, requests: np.ndarray) -> np.ndarray:
        """See :data:`.descent.RankChildren`."""
        edges = range(*self.tree.edges(node).indices(len(self.tree.children)))
        draws = [uniform(keyed(self.keys[requests], self.seed, "descent", e)) for e in edges]
        noise = -np.log(-np.log(np.clip(np.stack(draws, axis=1), 1e-12, 1 - 1e-12)))
        self.cost.prompts += len(requests) * (len(edges) > 1)
        return np.asarray(noise - np.logaddexp.reduce(noise, axis=1, keepdims=True))
