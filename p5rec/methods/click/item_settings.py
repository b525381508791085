"""The settings of the item's id in a click model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from p5rec.core.types import Corpus
from p5rec.ids.files import ENCODER_FILES, ITEMS, MANIFEST, TENSORS, load_codes

from ..baselines.iterative import IterativeMethod
from ..needs import Codes, Inputs, Need
from .item_values import ItemValues, Ngram, hash_values, ngram_values, piece_values

CODES_FILES = (MANIFEST, TENSORS, ITEMS, *ENCODER_FILES)
INPUT = "ids"  # the name of the semantic ids among the inputs of a fit


class ItemSettings(IterativeMethod):
    """How a click model represents an item's id."""

    item: Literal["id", "hash", "ngrams", "pieces"] = "id"
    """Representation of an item's id. ``id``: an embedding for each item with training events.
    ``hash``: the embedding of a hash of the id. ``ngrams``: the mean embedding of the n-grams of
    its semantic id. ``pieces``: the mean embedding of the pieces of its semantic id, learned by
    byte-pair encoding from the items of training events.
    """
    rows: int | None = Field(default=None, ge=1)
    """Rows of the table of hashes, n-grams or pieces. null: the number of items with training
    events.
    """
    ngram: Ngram = "prefixes"
    """N-grams of a semantic id. ``prefixes``: its first code, its first two codes, and so on.
    ``unigrams``: each code. ``bigrams``: codes 1 and 2, codes 3 and 4, and so on.
    """
    ids: str = "semantic"
    """Semantic ids of the recipe that n-grams and pieces read."""

    @property
    def semantic_ids(self) -> str | None:
        """See :class:`p5rec.methods.base.Method`."""
        return self.ids if self.item in ("ngrams", "pieces") else None

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the semantic ids."""
        return self._codes

    def query_needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the semantic ids, for a refit."""
        return self._codes

    @property
    def _codes(self) -> dict[str, Need]:
        return {} if self.semantic_ids is None else {INPUT: Codes(self.semantic_ids)}

    def files(self, model: Path, query_inputs: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`p5rec.methods.base.Method`: adds the semantic ids."""
        files = super().files(model, query_inputs, work)
        if INPUT in query_inputs:
            own = {f"codes/{name}": query_inputs[INPUT] / name for name in CODES_FILES}
            files |= {name: path for name, path in own.items() if path.is_file()}
        return files

    def item_values(self, corpus: Corpus, seed: int, inputs: Inputs) -> ItemValues | None:
        """The values of the items' ids; None: each item with training events has its own.

        Args:
            corpus: the data.
            seed: of the hashes.
            inputs: the semantic ids.

        Raises:
            UserError: the semantic ids belong to other items, or ``rows`` is too small.
        """
        if self.item == "id":
            return None
        log = corpus.interactions
        events = np.bincount(log.items[corpus.split.mask("train")], minlength=log.n_items)
        rows = self.rows or max(1, int((events > 0).sum()))
        if self.item == "hash":
            return hash_values(log.item_keys, rows, seed)
        codes = load_codes(inputs[INPUT], corpus.catalog.ids)
        if self.item == "ngrams":
            return ngram_values(codes, rows, self.ngram, seed)
        return piece_values(codes, events, rows)
