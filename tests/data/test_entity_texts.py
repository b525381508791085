"""Texts of items: the attributes that are read, and texts without some of their words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from p5rec.core.errors import UserError
from p5rec.core.types import Catalog
from p5rec.data.entity_texts import item_texts, without_words

CATALOG = Catalog(
    pa.table(
        {"item": ["a", "b"], "title": ["Heat", "Up"], "genre": ["Crime", None], "year": [1, 2]}
    )
)


def test_the_attributes_of_a_text_can_be_chosen():
    assert item_texts(CATALOG) == ["Heat. genre: Crime. year: 1", "Up. year: 2"]
    assert item_texts(CATALOG, ["genre"]) == ["Heat. genre: Crime", "Up"]
    assert item_texts(CATALOG, []) == ["Heat", "Up"]
    with pytest.raises(UserError, match="expected an attribute of the data, got 'genres'"):
        item_texts(CATALOG, ["genres"])


def test_dropped_words_depend_on_the_text_alone():
    texts = ["one two three four five six", "seven", "", "eight nine ten eleven"]
    keys = np.arange(4, dtype=np.uint64)
    dropped = without_words(texts, keys, 0.5, seed=1)
    assert dropped[0].split() == [w for w in texts[0].split() if w in dropped[0].split()]
    assert 0 < len(dropped[0]) < len(texts[0])
    assert dropped[1:3] == ["seven", ""]
    assert without_words(texts[::-1], keys[::-1], 0.5, seed=1) == dropped[::-1]
    assert without_words(texts, keys, 0.5, seed=2) != dropped


def test_an_external_id_is_no_text() -> None:
    table = pa.table(
        {"item": ["1", "2", "3"], "title": ["1", None, "Heat"], "year": [None, 7, None]}
    )
    catalog = Catalog(table)
    assert catalog.titles == ["1", "item 2", "Heat"]
    assert item_texts(catalog) == ["", "year: 7", "Heat"]
