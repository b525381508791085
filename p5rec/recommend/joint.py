"""Predictions of several tasks about users from one encoding of each history.

G users, B pairs of a user and an item, K items of a ranked list.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessorList

from p5rec.core.examples import Past
from p5rec.core.types import Corpus
from p5rec.data.split import histories_of
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.models.bundle import Bundle
from p5rec.models.config import NEXT_ITEM
from p5rec.models.decoder_readers import DecoderBranchReader
from p5rec.models.inputs import fit_prompt, pad
from p5rec.models.ratings import TASK
from p5rec.models.readers import BranchReader, Reader, TakenReader
from p5rec.models.scorer import branch_reader
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import PairPrompts

from .capabilities import require_task
from .config import LISTS, DecodeConfig
from .generation import texts_after
from .prompt_ranking import rank_after
from .ratings import preferred_estimate, rate_after, scale_words, verdict_words, yes_after
from .tables import RankingTables

# what is predicted of pairs → the prompt family that asks for it
FAMILIES = {"ratings": "rating", "clicks": "sequential-yesno", "explanations": "explanation"}


class JointPredictor:
    """Answers several questions about pairs; the model reads each user's history once.

    Args:
        bundle: ready to predict; trained with ``train.shared_history``.
        corpus: the users' histories are all their events.
        decode: precision, batch size and search.
        what: of :data:`FAMILIES`, and :data:`LISTS`: the ``decode.k`` best items for the user, of
            those that are new to them.

    Raises:
        UserError: the model was not trained on a family, or the data lack its fields.
    """

    def __init__(
        self, bundle: Bundle, corpus: Corpus, decode: DecodeConfig, what: Collection[str]
    ) -> None:
        self.bundle, self.decode, self.log = bundle, decode, corpus.interactions
        view, library = bundle.view(corpus), PromptLibrary.from_dump(bundle.prompts)
        self.what, self.prompts = tuple(name for name in what if name != LISTS), {}
        self.tables = None
        if LISTS in what:
            require_task(bundle.settings.tasks, NEXT_ITEM)
            self.tables = RankingTables.build(bundle, decode, bundle.settings.tie_seed)
        for name in self.what:
            if name == "ratings" and TASK in bundle.settings.tasks:
                continue  # the rating at the end of a history and the item
            require_task(bundle.settings.tasks, FAMILIES[name])
            self.prompts[name] = PairPrompts(
                view, library, FAMILIES[name], seed=corpus.split.seed,
                config=bundle.settings.prompts,
            )  # fmt: skip
        self.answers = {name: self._answers(name) for name in self.what}

    @torch.inference_mode()
    def __call__(self, users: np.ndarray, items: np.ndarray) -> dict[str, Any]:
        """What is predicted → B predictions: ratings, probabilities, texts, lists of K items.

        Args:
            users, items: ``(B,)`` rows of the b-th pair.
        """
        asked = {name: self._asked(name, users, items) for name in self.what}
        found = {name: np.empty(len(users), dtype=object) for name in asked}
        lists = np.empty((len(users), self.decode.k), dtype=np.int32)
        for chunk in self._chunks(users, asked):
            owners, history_of = np.unique(users[chunk], return_inverse=True)
            prompts = [asked[name][pair] for name in asked for pair in chunk]
            reader = self._reader(owners, prompts, np.tile(history_of, len(asked)))
            states = reader.read()
            for number, name in enumerate(asked):
                own = torch.arange(len(chunk)) + number * len(chunk)
                answers = self.answers[name](TakenReader(reader, states, own.to(states.device)))
                found[name][chunk] = np.array(answers, dtype=object)
            if self.tables is not None:
                lists[chunk] = self._lists(self.tables, reader.of_histories(), owners)[history_of]
        answered: dict[str, Any] = {name: answers.tolist() for name, answers in found.items()}
        return answered if self.tables is None else answered | {LISTS: lists}

    def _lists(self, tables: RankingTables, reader: Reader, owners: np.ndarray) -> np.ndarray:
        """``(G, K)`` the best items after the histories of ``reader``, which are those of
        ``owners (G,)``."""
        unseen = Allowed(deny=ItemLists.seen(histories_of(self.log, owners)))
        return rank_after(tables, reader, self.decode.k, unseen, self.log.user_keys[owners])[0]

    def _chunks(
        self, users: np.ndarray, asked: Mapping[str, Sequence[np.ndarray]]
    ) -> Iterator[np.ndarray]:
        """Pairs in batches, those of a user together."""
        if not len(users):
            return
        order = np.argsort(users, kind="stable")
        tokens = np.array([sum(len(each[n]) for each in asked.values()) for n in order])
        new = np.diff(users[order], prepend=-1) != 0
        lengths = np.minimum(np.diff(self.log.offsets), self.bundle.settings.window)
        tokens += new * lengths[users[order]] * (self.bundle.layout.codes.levels + 1)
        number = np.cumsum(tokens) // self.decode.batch_tokens
        yield from np.split(order, np.flatnonzero(np.diff(number)) + 1)

    def _asked(self, name: str, users: np.ndarray, items: np.ndarray) -> list[np.ndarray]:
        """The tokens after the history of each pair: a prompt, or for ratings the item alone."""
        if name not in self.prompts:
            return list(self.bundle.layout.items[items])
        tokenizer, most = self.bundle.tokenizer, self.bundle.settings.max_tokens
        examples = self.prompts[name].examples(users, items)
        return [fit_prompt(tokenizer, example, most).ids for example in examples]

    def _reader(
        self, owners: np.ndarray, prompts: Sequence[np.ndarray], history_of: np.ndarray
    ) -> BranchReader | DecoderBranchReader:
        device, filler = self.bundle.model.device, self.bundle.vocabulary.pad
        histories = [self._history(user) for user in owners.tolist()]
        read, asked = (
            (ids.to(device), mask.to(device))
            for ids, mask in (pad(each, filler) for each in (histories, prompts))
        )
        of = torch.from_numpy(history_of).to(device)
        return branch_reader(self.bundle.model, read, asked, of)

    def _history(self, user: int) -> np.ndarray:
        log = self.log
        own = slice(log.offsets[user], log.offsets[user + 1])
        ratings = np.full(own.stop - own.start, np.nan) if log.ratings is None else log.ratings[own]
        return self.bundle.history(Past(log.items[own], ratings))

    def _answers(self, what: str) -> Callable[[Reader], Sequence[Any]]:
        """Makes one kind of predictions after the prompts of a reader."""
        match what:
            case "ratings":
                scale = scale_words(self.bundle)
                return lambda reader: preferred_estimate(
                    rate_after(self.bundle, reader, scale).estimates
                ).tolist()
            case "clicks":
                verdicts = verdict_words(self.bundle)
                return lambda reader: yes_after(reader, verdicts).tolist()
        rules, most = LogitsProcessorList(), self.decode.max_new_tokens
        return lambda reader: texts_after(self.bundle, reader, rules, most)
