"""RecLLM, fitted: sessions with people, dialogues with simulated users.

B dialogues, N items.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.backbones.encoder import encode
from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.errors import UserError, did_you_mean
from p5rec.core.progress import progress_bar
from p5rec.core.types import Corpus, Histories
from p5rec.data.vector_store import VectorStore
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle
from p5rec.recommend.model_predictions import PROMPTED
from p5rec.recommend.protocols import Recommender
from p5rec.recommend.serving import ServingConfig
from p5rec.tasks.dialogue import DIALOGUE, facts_of, transcript
from p5rec.tasks.dialogues.dialogue import Dialogue, Fact, Retriever, facts_from, facts_uttered
from p5rec.tasks.dialogues.play import Manager, Outcome, play
from p5rec.tasks.dialogues.policies import RuledManager
from p5rec.tasks.dialogues.users import SimulatedUser, simulated
from p5rec.tasks.predictions import Episodes
from p5rec.tasks.queries import Count, histories_before, sample_rows
from p5rec.tasks.view import CorpusView, unnamed_view

from ...folder import read_method
from .catalogue import DialogueCatalogue
from .manager import Cost, ModelManager
from .profile import Told, facts_told
from .retrieval import RETRIEVERS, Sources
from .session import Chat
from .settings import RANKER, TASK, VECTORS, RecllmSettings


@dataclass(frozen=True, eq=False)
class RecllmPredictor:
    """RecLLM, fitted.

    Attributes:
        method: the settings.
        catalogue: the items.
        ranker: orders what a search finds.
        bundle: the language model, ready to predict.
        vectors: ``(N, d)`` of the items' texts, 0 where unknown; None: there are none.
        lineage: None: the folder's manifest has it.
    """

    method: RecllmSettings
    catalogue: DialogueCatalogue
    ranker: Recommender
    bundle: Bundle
    vectors: np.ndarray | None = None
    lineage: Lineage | None = None

    @cached_property
    def retriever(self) -> Retriever:
        """The way of retrieval."""
        method = self.method

        def encoded(texts: Sequence[str]) -> np.ndarray:
            own = encode(texts, method.encoder, max_tokens=method.max_tokens, download=True)
            return np.nan_to_num(own)

        sources = Sources(self.catalogue, self.vectors, encoded, self.bundle, method.batch_tokens)
        return RETRIEVERS[method.retrieval](sources)

    @cached_property
    def manager(self) -> Manager:
        """What decides the next step."""
        rule, understand = self.method.manager, self.method.understand
        if rule == "model":
            return ModelManager.of(self.bundle, self.method, self.catalogue.topics)
        return RuledManager(rule, "exact" if understand == "exact" else "heard")

    def chat(self, history: Sequence[str] = (), profile: Sequence[Told | Fact | str] = ()) -> Chat:
        """A conversation with a user.

        Args:
            history: external ids of liked items, oldest first.
            profile: facts from earlier, in plain language; one may name the events that it comes
                from. They are used until the user wishes otherwise.

        Raises:
            UserError: an item is unknown.
        """
        rows = {name: row for row, name in enumerate(self.catalogue.ids)}
        if unknown := [name for name in history if name not in rows]:
            hint = did_you_mean(unknown[0], rows)
            raise UserError(f"history: expected items of the model, got {unknown[0]!r}; {hint}")
        items = np.array([rows[name] for name in history], dtype=np.int32)
        one = Histories(np.array([-1], np.int32), items, np.array([0, len(items)]))
        topics, method = self.catalogue.topics, self.method
        facts = facts_told(profile, topics)
        if method.memory == "history":
            facts += facts_from(topics, items, range(len(items)))
        dialogue = Dialogue(topics, self.orders(one)[0], facts, method.limits, shown=items.tolist())
        return Chat(self, dialogue, items)

    def orders(self, histories: Histories) -> np.ndarray:
        """``(B, N)`` int64: the rank of each item by the ranker; N where it is not ranked."""
        n_items = len(self.catalogue.ids)
        lists = self.ranker.recommend(histories, n_items, exclude_seen=True).items
        orders = np.full((len(histories), n_items + 1), n_items, dtype=np.int64)
        places = np.broadcast_to(np.arange(lists.shape[1]), lists.shape)
        np.put_along_axis(orders, np.where(lists >= 0, lists, n_items), places, axis=1)
        return orders[:, :-1]

    def predict_split(
        self, serving: ServingConfig, corpus: Corpus, split_name: str, folder: Path
    ) -> None:
        """Writes the dialogues about events of a split."""
        for family, n in serving.prompts.items():
            episodes = self.episodes(corpus, split_name, n, serving.seed)
            write_json(folder / f"{PROMPTED}{family}.json", episodes.dump())

    def episodes(self, corpus: Corpus, split_name: str, n: Count, seed: int) -> Episodes:
        """Dialogues with simulated users who want the items of ``n`` events."""
        started, view = time.perf_counter(), unnamed_view(corpus)
        rows = DIALOGUE.rows(view, split_name)
        rows = sample_rows(rows, DIALOGUE.keys(view)[rows], n, seed)
        parts = [rows[at : at + self.method.together]
                 for at in range(0, len(rows), self.method.together)]  # fmt: skip
        played: list[tuple[Dialogue, Outcome, Cost]] = []
        tools: list[tuple[str, str]] = []
        with progress_bar(len(rows), "talk", "dialogue") as advance:
            for part in parts:
                played += self._played(view, part, seed)
                tools += self._tools(view, part, seed)
                advance(len(part))
        log = corpus.interactions
        return Episodes(
            task=TASK,
            family=TASK,
            users=log.users[rows].tolist(),
            items=log.items[rows].tolist(),
            events=rows.tolist(),
            expected=[view.names.titles[item] for item in log.items[rows].tolist()],
            limit=self.method.turns,
            turns=[outcome.turn for _, outcome, _ in played],
            calls=[list(outcome.calls) for _, outcome, _ in played],
            tools=[chosen for chosen, _ in tools],
            expected_tools=[expected for _, expected in tools],
            written=[cost.written for _, _, cost in played],
            milliseconds=[round(1000 * cost.seconds, 3) for _, _, cost in played],
            transcripts=[dialogue.log for dialogue, _, _ in played],
            tokens=sum(cost.read for _, _, cost in played),
            seconds=round(time.perf_counter() - started, 3),
        )

    def _played(
        self, view: CorpusView, rows: np.ndarray, seed: int
    ) -> list[tuple[Dialogue, Outcome, Cost]]:
        """Dialogues about events, their outcomes and their costs."""
        known = self._facts(view, rows, seed)
        dialogues, users = self._begun(view, rows, known, seed)
        costs = self._costs()
        outcomes = play(dialogues, users, self.manager, self.retriever)
        return [
            (dialogue, outcome, costs.get(id(dialogue), Cost()))
            for dialogue, outcome in zip(dialogues, outcomes, strict=True)
        ]

    def _facts(self, view: CorpusView, rows: np.ndarray, seed: int) -> list[tuple[Fact, ...]]:
        """The facts about the user of each event."""
        past = [view.past(row) for row in rows.tolist()]
        match self.method.memory:
            case "none":
                return [()] * len(rows)
            case "history":
                return [facts_of(view, own) for own in past]
        about_values = np.asarray(view.topics.has.any(axis=1))
        named = view.liked & about_values[view.corpus.interactions.items]
        earlier = [int(own[named[own]][-1]) if named[own].any() else -1 for own in past]
        events = np.array([event for event in earlier if event >= 0], dtype=np.int64)
        dialogues, users = self._begun(view, events, [()] * len(events), seed)
        play(dialogues, users, self.manager, self.retriever)
        found = {
            event: facts_uttered(view.topics, dialogue.state.wishes, event)
            for event, dialogue in zip(events.tolist(), dialogues, strict=True)
        }
        return [found.get(event, ()) for event in earlier]

    def _begun(
        self, view: CorpusView, rows: np.ndarray, known: Sequence[tuple[Fact, ...]], seed: int
    ) -> tuple[list[Dialogue], list[SimulatedUser]]:
        """New dialogues about events, under ``known`` facts, and their users."""
        orders = self.orders(histories_before(view, TASK, rows))
        dialogues, users = [], []
        for row, order, facts in zip(rows.tolist(), orders, known, strict=True):
            rng, past = np.random.default_rng(DIALOGUE.seed(view, row, seed)), view.past(row)
            items = view.corpus.interactions.items
            wish = (int(items[row]), view.names.titles[items[row]])
            users.append(simulated(self.method.user, wish, view.topics, rng, self.method.phrasings))
            dialogues.append(
                Dialogue(
                    view.topics, order, facts, self.method.limits, shown=items[past].tolist(),
                    rng=rng,
                )
            )  # fmt: skip
        return dialogues, users

    def _tools(self, view: CorpusView, rows: np.ndarray, seed: int) -> list[tuple[str, str]]:
        """The tool chosen at a step of a transcript about each event, and the transcript's."""
        listed, half, pairs = self.method.listed, self.method.phrasings, []
        for row in rows.tolist():
            steps, rng = transcript(view, row, 0, listed, half), DIALOGUE.seed(view, row, seed)
            pairs.append(steps[rng % len(steps)])
        chosen = self.manager.steps([dialogue for dialogue, _ in pairs])
        return [
            (own.call.tool, step.call.tool) for own, (_, step) in zip(chosen, pairs, strict=True)
        ]

    def _costs(self) -> Mapping[int, Cost]:
        """The costs of the dialogues that follow, by their ids."""
        if not isinstance(self.manager, ModelManager):
            return {}
        self.manager.costs.clear()
        return self.manager.costs


def load(method: RecllmSettings, folder: Path) -> RecllmPredictor:
    """The predictor in a complete folder."""
    catalogue = DialogueCatalogue.read(folder)
    ranker: Any = read_method(folder / RANKER).load(folder / RANKER)
    bundle = load_bundle(folder, download=True).ready(method.precision)
    vectors = None
    if method.vectors is not None:
        vectors = np.nan_to_num(VectorStore.read(folder / VECTORS).rows(catalogue.keys))
    return RecllmPredictor(method, catalogue, ranker, bundle, vectors)
