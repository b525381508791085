"""Requests → the language model's order of their candidates.

B requests, M candidates, k titles of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from p5rec.core.examples import Example
from p5rec.core.rng import derive_seed
from p5rec.core.types import Histories
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.grammar import Grammar, in_order, literal, text
from p5rec.decode.token_tree import TokenTree
from p5rec.models.bundle import Bundle
from p5rec.models.title_lines import title_lines
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.render import render
from p5rec.prompting.template import Template
from p5rec.recommend.generation import generate
from p5rec.recommend.prompt_predictions import encode_prompts
from p5rec.recommend.title_lists import WrittenLists, write_lists
from p5rec.tasks.fields import Record, Value
from p5rec.tasks.item_names import item_names

from .profiles import Profiles
from .settings import PalrSettings

PROFILE = Grammar.of(in_order(text(200), literal("\n")))  # one line


class Ordered(NamedTuple):
    """The order of the candidates of B requests.

    Attributes:
        ranks: ``(B, M)`` int64, the rank of each candidate from 0 on.
        requests, tokens: to the language model, and read and written by it.
    """

    ranks: np.ndarray
    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, eq=False)
class ListRanker:
    """A language model that lists candidates.

    Attributes:
        bundle: ready to predict.
        settings: of the method.
        titles: ``(N,)`` of the items.
        profiles: texts about users; None: prompts show none.
        seed: of the candidates' order in prompts.
    """

    bundle: Bundle
    settings: PalrSettings
    titles: Sequence[str]
    profiles: Profiles | None
    seed: int

    @cached_property
    def names(self) -> Sequence[str]:
        """``(N,)`` the items as prompts write them."""
        rows = [f"<{row}>" for row in range(len(self.titles))]
        return item_names("title", rows, self.titles, self.bundle.literal).ids

    @cached_property
    def tree(self) -> TokenTree:
        """The tree of the items' lines."""
        return title_lines(self.bundle.tokenizer, self.names)

    @cached_property
    def template(self) -> Template:
        """The template of queries."""
        return PromptLibrary.from_dump(self.bundle.prompts).get(self.settings.queried)

    def order(self, histories: Histories, candidates: np.ndarray) -> Ordered:
        """The order of ``candidates (B, M)``, -1 after the end of a shorter row.

        Unlisted candidates follow in the order in which they were given.
        """
        shown, notes, keys = histories.of_targets(), self._notes(histories), histories.request_keys
        examples = [
            self.example(shown[n], own[own >= 0], notes[n], int(keys[n]))
            for n, own in enumerate(candidates)
        ]
        prompts, settings = encode_prompts(self.bundle, examples), self.settings
        extra = 0
        if settings.form == "written":
            prompts, extra = self._with_profiles(prompts)
        lists = write_lists(
            self.bundle,
            prompts,
            self.tree,
            settings.length,
            Allowed(allow=ItemLists.from_table(candidates)),
            beams=settings.beams,
            batch_tokens=settings.batch_tokens,
        )
        return Ordered(_ranks(candidates, lists.items), *self._cost(histories, lists, extra))

    def example(self, history: np.ndarray, candidates: np.ndarray, note: str, key: int) -> Example:
        """The prompt of a request.

        Args:
            history: items, oldest first.
            candidates: items; the prompt shows them in an order that depends on ``key`` alone.
            note: the text about the user.
            key: of the request.
        """
        limits, names = self.bundle.settings.prompts.limits, self.names
        rng = np.random.default_rng(derive_seed(self.seed, "candidates", key))
        shuffled = rng.permutation(np.sort(candidates))
        values: dict[str, Value] = {
            "history": tuple(names[item] for item in history[-limits.max_history :]),
            "notes": limits.cut(self.bundle.literal(note)),
            "candidate_lines": tuple(names[item] for item in shuffled),
            "next_lines": (),
            "profile": "",
        }
        return render(self.template, Record(self.template.task, values))

    def _notes(self, histories: Histories) -> list[str]:
        if self.profiles is None or histories.keys is None:
            return [""] * len(histories)
        return self.profiles.notes(histories.keys)

    def _with_profiles(self, prompts: list[np.ndarray]) -> tuple[list[np.ndarray], int]:
        """The prompts, each followed by a profile that the model writes; the tokens of a second
        reading of the prompts."""
        tokenizer = self.bundle.tokenizer
        written = generate(
            self.bundle,
            prompts,
            PROFILE,
            max_new_tokens=self.settings.prompts.max_words,
            batch_tokens=self.settings.batch_tokens,
        )
        lines = tokenizer([f"{each.text}\n" for each in written], add_special_tokens=False)
        joined = [
            np.concatenate([prompt, np.array(line, dtype=np.int64)])
            for prompt, line in zip(prompts, lines["input_ids"], strict=True)
        ]
        return joined, sum(map(len, prompts)) + sum(each.tokens for each in written)

    def _cost(self, histories: Histories, lists: WrittenLists, extra: int) -> tuple[int, int]:
        """The requests to the model, and the tokens that it reads and writes."""
        requests = len(histories)
        tokens = int(lists.prompt_tokens.sum() + lists.new_tokens.sum()) + extra
        if self.settings.form != "read" or self.profiles is None or histories.keys is None:
            return requests, tokens
        rows = self.profiles.rows(histories.keys)
        own = rows[rows >= 0]
        return requests + len(own), tokens + int(self.profiles.tokens[own].sum())


def random_order(histories: Histories, candidates: np.ndarray, seed: int) -> Ordered:
    """A random order of ``candidates (B, M)``, which depends on a request's key alone."""
    keys = histories.request_keys.tolist()
    seeds = [derive_seed(seed, "random order", key) for key in keys]
    ranks = [np.random.default_rng(each).permutation(candidates.shape[1]) for each in seeds]
    return Ordered(np.array(ranks, dtype=np.int64).reshape(candidates.shape))


def _ranks(candidates: np.ndarray, listed: np.ndarray) -> np.ndarray:
    """``(B, M)``: each candidate's rank: by its place in ``listed (B, k)``, then by its own."""
    match = (candidates[..., None] == listed[:, None]) & (listed >= 0)[:, None]
    place = np.where(match.any(2), match.argmax(2), listed.shape[1])
    order = np.argsort(place, axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")
