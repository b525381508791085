"""Texts about points of a space, and what they are measured by.

B points or requests, N items, V vectors of a prompt, d width of the space.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.backbones.encoder import encode
from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.errors import UserError, did_you_mean
from p5rec.core.examples import Example
from p5rec.core.rng import id_keys, tie_order
from p5rec.core.types import SPLITS, Corpus, Histories, RankedLists
from p5rec.data.points import means
from p5rec.decode.allowed import Allowed
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle
from p5rec.prompting.instances import EvaluationSource
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.render import render
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.list_files import write_recommendations
from p5rec.recommend.model_predictions import PROMPTED
from p5rec.recommend.prompt_predictions import generate_texts
from p5rec.recommend.ranking import rank_all
from p5rec.recommend.serving import ServingConfig
from p5rec.tasks.fields import FIELDS, Record, Value
from p5rec.tasks.points import COMPARED
from p5rec.tasks.predictions import Answers
from p5rec.tasks.queries import Count, sample_rows
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, unnamed_view

from ...folder import ITEMS
from .concepts import Concept, concept_named, read_concepts
from .mapping import mapped
from .settings import CommonestSettings, ElmSettings, SpaceSettings
from .space import Space, points_of

PairPredictor = Callable[[np.ndarray, np.ndarray], list[str]]  # users and items (B,) → B texts

ANSWERS = "answers.json"
REASONS = "point-reasons"


@dataclass(frozen=True, eq=False)
class PointPredictor:
    """Writes about points of a space.

    Attributes:
        method: the settings.
        space: the vectors.
        item_keys: ``(N,)`` keys of the items' external ids.
        library: the prompt templates.
        concepts: the directions of the most common attribute values.
        lineage: None: the folder's manifest has it.
    """

    method: SpaceSettings
    space: Space
    item_keys: np.ndarray
    library: PromptLibrary
    concepts: Mapping[str, Concept] = field(default_factory=dict)
    lineage: Lineage | None = None

    def answer_prompts(self, examples: Sequence[Example]) -> list[str]:
        """B texts for prompts."""
        raise NotImplementedError

    def describe(
        self,
        points: np.ndarray | Mapping[str, np.ndarray],
        family: str | None = None,
        template: str | None = None,
        **words: str,
    ) -> list[str]:
        """B texts about points, of an item or of none.

        Args:
            points: ``(B, d)`` of the field ``point``, or the vectors of each field of kind
                ``point`` by its name.
            family: prompt family; None: that of the setting ``described``.
            template: its slug; None: the first.
            words: the other fields of the template, such as ``trait="Drama"``.

        Raises:
            UserError: the family or the template is unknown, a field is missing, or points have
                another width.
        """
        family = self.method.described if family is None else family
        if family not in self.method.families:
            hint = did_you_mean(family, self.method.families)
            raise UserError(f"family: expected a trained one, got {family!r}; {hint}")
        templates = {each.slug: each for each in self.library.templates(family)}
        slug = next(iter(templates)) if template is None else template
        if slug not in templates:
            hint = did_you_mean(slug, templates)
            raise UserError(f"template: expected one of {family}, got {slug!r}; {hint}")
        chosen = templates[slug]
        named = {"point": points} if isinstance(points, np.ndarray) else dict(points)
        given = {*named, *words}
        if given != chosen.source_fields:
            wanted = ", ".join(sorted(chosen.source_fields))
            got = ", ".join(sorted(given))
            raise UserError(f"{chosen.id}: expected the fields {wanted}, got {got}; give all")
        for name, shown in named.items():
            if FIELDS[name].kind != "point" or shown.shape[1:] != (self.space.points.width,):
                width, size = self.space.points.width, shown.shape
                raise UserError(
                    f"{name}: expected points of width {width}, got {size}; give others"
                )
        values: dict[str, Value] = {**dict.fromkeys(named, ""), **words, "answer": ""}
        examples = [
            render(
                chosen,
                Record(chosen.task, values, points=dict(zip(named, vectors_of, strict=True))),
            )
            for vectors_of in zip(*named.values(), strict=True)
        ]
        return self.answer_prompts(examples)

    def described(self, points: np.ndarray) -> list[str]:
        """B texts of the family ``described`` about ``points (B, d)``, of items, users or none."""
        fields = TASKS.get(self.method.described).source_fields
        field = next(name for name in fields if FIELDS[name].kind == "point")
        return self.describe({field: points})

    def concept(self, trait: str) -> Concept:
        """The concept of a common attribute value.

        Raises:
            UserError: there is none.
        """
        return concept_named(self.concepts, trait)

    def of_pairs(self, what: str, corpus: Corpus) -> PairPredictor:
        """A function that writes why a user would like an item, and why not, from their points.

        A user's point is that of the user's training events in ``corpus``.

        Args:
            what: ``explanations``; there are no others.
            corpus: the data.

        Raises:
            UserError: reasons were not trained, or something else is asked for. The function: a
                user has no training event whose item has a vector, or an item has no vector.
        """
        if what != "explanations" or REASONS not in self.method.families:
            got, todo = f"an elm trained on {', '.join(self.method.families)}", "take another model"
            raise UserError(f"expected a method that predicts {what}, got {got}; {todo}")
        points = points_of(corpus, self.space.points)

        def explain(users: np.ndarray, items: np.ndarray) -> list[str]:
            shown = {"user_point": points.users[users], "point": points.items[items]}
            for vectors, ids, rows in zip(
                shown.values(), (corpus.user_ids, corpus.catalog.ids), (users, items), strict=True
            ):
                if len(missing := np.flatnonzero(~np.isfinite(vectors).all(axis=1))):
                    got = repr(ids[rows[missing[0]]])
                    raise UserError(f"pairs: expected ids with a point, got {got}; leave it out")
            return self.describe(shown, REASONS)

        return explain

    def points(self, items: Sequence[str]) -> np.ndarray:
        """``(n, d)``: the vectors of items, by their external ids.

        Raises:
            UserError: an item has no vector.
        """
        keys = id_keys(items)
        if len(missing := np.flatnonzero(self.space.points.find(keys) < 0)):
            got = repr(items[missing[0]])
            raise UserError(f"points: expected items with a vector, got {got}; leave it out")
        return self.space.points.rows(keys)

    @cached_property
    def item_points(self) -> np.ndarray:
        """``(N, d)`` float32; NaN for an item without a vector."""
        return self.space.points.rows(self.item_keys)

    @cached_property
    def _item_texts(self) -> np.ndarray:
        """``(N, t)`` unit vectors of the items' texts; 0 for an item without one."""
        return np.nan_to_num(self.space.texts.rows(self.item_keys))

    @cached_property
    def _tie(self) -> np.ndarray:
        return tie_order(self.item_keys, 0)

    def encoded(self, texts: Sequence[str]) -> np.ndarray:
        """``(B, t)`` unit vectors of texts, 0 for a text without tokens."""
        settings = self.method
        distinct = sorted({*texts})
        vectors = encode(distinct, settings.encoder, max_tokens=settings.max_tokens, download=True)
        at = {text: n for n, text in enumerate(distinct)}
        return np.nan_to_num(vectors[[at[text] for text in texts]])

    def points_after(self, histories: Histories) -> np.ndarray:
        """``(B, d)``: the mean of the items of each history; 0 where none has a vector."""
        points, users = self.item_points, np.repeat(np.arange(len(histories)), histories.lengths)
        known = np.isfinite(points).all(axis=1)[histories.items]
        return np.nan_to_num(means(points, users, histories.items, known, len(histories)))

    def scores(self, histories: Histories) -> np.ndarray:
        """``(B, N)`` float32: cosine of the text about each history's point with the items' texts.

        It is ELM's behavioural consistency (section 4): what a text about a user's point says
        should lead to what the user takes next.
        """
        texts = self.described(self.points_after(histories))
        return np.asarray(self.encoded(texts) @ self._item_texts.T, np.float32)

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """See :class:`p5rec.methods.predictors.Recommends`."""
        return rank_all(
            self.scores, histories, k, self._tie, exclude_seen=exclude_seen, allowed=allowed
        )

    def predict_split(
        self, serving: ServingConfig, corpus: Corpus, split_name: str, folder: Path
    ) -> None:
        """Writes ranked lists, and answers to the prompts about held-out points."""
        if serving.lists:
            write_recommendations(
                self, corpus, split_name, serving.k, folder, {}, exclude_seen=serving.exclude_seen
            )
        view = self.view(corpus)
        for family, n in serving.prompts.items():
            answers = self.answers(view, family, split_name, n, serving.seed)
            write_json(folder / f"{PROMPTED}{family}.json", answers.dump())

    def view(self, corpus: Corpus) -> CorpusView:
        """``corpus`` with the points of the space."""
        points = points_of(corpus, self.space.points)
        return CorpusView(corpus, unnamed_view(corpus).names, points=points)

    def answers(
        self, view: CorpusView, family: str, split_name: str, n: Count, seed: int
    ) -> Answers:
        """Answers to ``n`` prompts of a family about points of a split of the points."""
        started = time.perf_counter()
        source = EvaluationSource(
            view, self.library, family, split_name, seed=seed, config=self.method.prompts
        )
        source = source.select(sample_rows(source.rows, source.keys, n, seed))
        examples = list(source)
        texts = self.answer_prompts(examples)
        items = np.array([example.item for example in examples])
        return Answers(
            task=TASKS.get(family).name,
            family=family,
            prompt_ids=tuple(sorted({example.prompt_id for example in examples})),
            users=[example.user for example in examples],
            items=items.tolist(),
            events=[-1] * len(examples),
            expected=[example.target for example in examples],
            texts=texts,
            seconds=round(time.perf_counter() - started, 3),
            **(self._compared(view, texts, items, split_name) if family in COMPARED else {}),
        )

    def _compared(
        self, view: CorpusView, texts: Sequence[str], items: np.ndarray, split_name: str
    ) -> dict[str, Any]:
        """Cosine of each text and its item's own text, and the item's rank among held-out items.

        An item counts as many ranks as held-out items have no lower cosine; ties are not in its
        favour.
        """
        assert view.points is not None
        own = np.nan_to_num(self.space.texts.rows(view.corpus.interactions.item_keys))
        among = np.flatnonzero(
            view.points.known_items & (view.points.item_split == SPLITS[split_name])
        )
        vectors = self.encoded(texts)
        cosines = (vectors * own[items]).sum(axis=1)
        every = vectors @ own[among].T
        ranks = (every >= cosines[:, None] - 1e-6).sum(axis=1)
        return {"similarities": cosines.tolist(), "ranks": ranks.tolist()}


@dataclass(frozen=True, eq=False)
class ElmPredictor(PointPredictor):
    """ELM, fitted.

    Attributes:
        bundle: the language model and its adapter, ready to predict.
    """

    method: ElmSettings
    bundle: Bundle | None = None

    def answer_prompts(self, examples: Sequence[Example]) -> list[str]:
        """See :class:`PointPredictor`: greedy texts of the language model."""
        assert self.bundle is not None
        method = self.method
        decode = DecodeConfig(
            max_new_tokens=method.max_new_tokens, batch_tokens=method.batch_tokens
        )
        return generate_texts(self.bundle, examples, decode)

    def predict_split(
        self, serving: ServingConfig, corpus: Corpus, split_name: str, folder: Path
    ) -> None:
        """See :class:`PointPredictor`; also writes a map of the space for the report."""
        super().predict_split(serving, corpus, split_name, folder)
        mapped(self.view(corpus), self.concepts, self.described, split_name).save(folder)


@dataclass(frozen=True, eq=False)
class CommonestPredictor(PointPredictor):
    """The commonest training answer to a prompt, whatever its points.

    Attributes:
        common: family → prompt → answer; the prompt "": of all prompts of the family.
    """

    common: Mapping[str, Mapping[str, str]] | None = None

    def answer_prompts(self, examples: Sequence[Example]) -> list[str]:
        """See :class:`PointPredictor`."""
        assert self.common is not None
        known = self.common
        return [known[e.task].get(e.source, known[e.task][""]) for e in examples]


def load(method: ElmSettings, folder: Path) -> ElmPredictor:
    """The predictor in a complete folder."""
    bundle = load_bundle(folder, download=True).ready(method.precision)
    keys, library = (
        id_keys(read_json(folder / ITEMS)["ids"]),
        PromptLibrary.from_dump(bundle.prompts),
    )
    return ElmPredictor(
        method, Space.read(folder), keys, library, read_concepts(folder), bundle=bundle
    )


def load_commonest(method: CommonestSettings, folder: Path) -> CommonestPredictor:
    """The predictor in a complete folder."""
    keys, common = id_keys(read_json(folder / ITEMS)["ids"]), read_json(folder / ANSWERS)
    return CommonestPredictor(
        method,
        Space.read(folder),
        keys,
        PromptLibrary.load(),
        read_concepts(folder),
        common=common,
    )
