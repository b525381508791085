"""Writes the texts about all items or users, in shards; the work of the texts stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.examples import Example
from p5rec.core.rng import sampled
from p5rec.core.types import TRAIN, Corpus
from p5rec.data.stored_texts import SCHEMA, TEXTS, StoredTexts
from p5rec.decode.grammar import Grammar
from p5rec.recommend.answer_grammar import grammar_of
from p5rec.recommend.sharded_output import write_in_shards

from .config import TextsConfig
from .port import Answer, Assignment, Request, Writer
from .prompts import EntityPrompts

SHARD_SIZE = 128  # texts: what an interrupted run loses at most


def write_texts(config: TextsConfig, corpus: Corpus, notes: Path | None, folder: Path) -> Lineage:
    """Writes :class:`p5rec.data.stored_texts.StoredTexts` into ``folder``.

    Complete shards of an interrupted run are reused.

    Args:
        config: the section.
        corpus: the data.
        notes: the folder of earlier texts about the users; None: the prompts show none.
        folder: receives the texts.

    Returns:
        The events that the prompts may show: none for items; for users the profile events, or all
        training events. Earlier texts about users show the same.

    Raises:
        UserError: the generator cannot be opened or fails, or no template fits the data.
    """
    work = _Writing.of(config, corpus, None if notes is None else StoredTexts.read(notes))
    write_in_shards(
        work.table,
        len(work.rows),
        [folder / TEXTS],
        {"of": config.of},
        unit="text",
        shard_size=SHARD_SIZE,
        summarize=lambda files: _summary(files, work.writer),
    )
    if config.of == "items":
        return Lineage.none()
    profile, train = corpus.split.profile, corpus.split.of_event == TRAIN
    return Lineage(corpus.interactions.event_keys[train if profile is None else profile])


@dataclass(frozen=True, eq=False)
class _Writing:
    """The texts of one section.

    Attributes:
        ids, keys: external ids and keys of all items or users.
        rows: ``(R,)`` those to write about, in the order of their keys.
        writer: the opened generator.
        prompts: None if it reads none.
        grammar: of the answers; None: any text.
    """

    ids: Sequence[str]
    keys: np.ndarray
    rows: np.ndarray
    writer: Writer
    prompts: EntityPrompts | None
    grammar: Grammar | None

    @classmethod
    def of(cls, config: TextsConfig, corpus: Corpus, notes: StoredTexts | None) -> _Writing:
        """The texts of ``config``."""
        log, users = corpus.interactions, config.of == "users"
        ids = corpus.user_ids if users else corpus.catalog.ids
        keys = log.user_keys if users else log.item_keys
        most = len(keys) if config.sample is None else config.sample
        rows = sampled(keys, most, config.seed, "texts")
        if not len(rows):
            raise input_error("texts", f"{config.of} to write about", "none", "check the data")
        form = config.open_family()[0].answer if config.generator.prompted else None
        writer = config.generator.open(
            Assignment(config.of, ids, corpus.catalog, form, config.seed)
        )
        prompts = None
        if config.generator.prompted:
            shown = () if notes is None else notes.of_keys(log.user_keys)
            prompts = EntityPrompts.of(config, corpus, writer.escape, shown)
        order = np.argsort(keys[rows], kind="stable")
        return cls(ids, keys, rows[order], writer, prompts, grammar_of(form))

    def table(self, numbers: np.ndarray) -> pl.DataFrame:
        """The texts about ``rows[numbers]``."""
        rows = self.rows[numbers]
        requests = [Request(self.ids[row], self._prompt(row)) for row in rows.tolist()]
        asked = [
            n for n, each in enumerate(requests) if each.prompt is not None or self.prompts is None
        ]
        answers = [Answer()] * len(requests)
        for n, answer in zip(asked, self.writer.write([requests[n] for n in asked]), strict=True):
            answers[n] = answer
        columns = {
            "key": self.keys[rows],
            "text": [each.text for each in answers],
            "prompt_tokens": [each.prompt_tokens for each in answers],
            "new_tokens": [each.new_tokens for each in answers],
            "seconds": [each.seconds for each in answers],
            "off_form": [self._off_form(each.text) for each in answers],
        }
        return pl.DataFrame(columns, schema=SCHEMA)

    def _prompt(self, row: int) -> Example | None:
        return None if self.prompts is None else self.prompts.example(row)

    def _off_form(self, text: str | None) -> bool:
        return bool(self.grammar and text and not self.grammar.matches(text))


def _summary(files: Sequence[Path], writer: Writer) -> Mapping[str, Any]:
    """The counts and sums of all shards, for the manifest."""
    table = pl.concat([pl.read_parquet(file, glob=False) for file in files])
    return {
        "without_text": table["text"].null_count(),
        "off_form": int(table["off_form"].sum()),
        "prompt_tokens": int(table["prompt_tokens"].sum()),
        "new_tokens": int(table["new_tokens"].sum()),
        "seconds": round(float(table["seconds"].sum()), 3),
        **writer.facts,
    }
