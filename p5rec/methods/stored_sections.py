"""The sections ``texts`` and ``vectors`` of a recipe, checked without the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from p5rec.backbones.vectors_config import StoredVectorsConfig
from p5rec.core.config import FileName
from p5rec.core.errors import UserError, all_of, did_you_mean, input_error
from p5rec.data.files import existing
from p5rec.recommend.writing.config import TextsConfig, check_texts

from .base import Method
from .needs import Texts, Vectors, needed_names

# sections of a recipe, for commands that read a part of it
STORED: Mapping[str, Any] = {
    "texts": (dict[FileName, TextsConfig], {}),
    "vectors": (dict[FileName, StoredVectorsConfig], {}),
}


def check_stored(recipe: Any, methods: Mapping[str, Method]) -> None:
    """Checks the sections ``texts`` and ``vectors``, and the names that ``methods`` need of them.

    Raises:
        UserError: a line for each error.
    """
    texts, vectors = recipe.texts, recipe.vectors

    def check_vectors(name: str) -> None:
        config = vectors[name]
        if config.texts is not None and config.texts not in texts:
            raise _unknown(f"vectors.{name}.texts", "texts", config.texts, texts)
        if config.file is not None:
            existing(config.file.path)

    def check_needs(name: str) -> None:
        for kind, word, known in ((Texts, "texts", texts), (Vectors, "vectors", vectors)):
            for point in methods[name].points():
                seed = point.first_seed(0)
                needs = {**point.needs(seed), **point.query_needs(seed)}
                for needed in sorted(needed_names(needs, kind, seed) - {*known}):
                    raise _unknown(f"methods.{name}", word, needed, known)

    all_of(
        lambda: check_texts(texts),
        *(partial(check_vectors, name) for name in vectors),
        *(partial(check_needs, name) for name in methods),
    )


def _unknown(where: str, word: str, name: str, known: Iterable[str]) -> UserError:
    return input_error(
        where, f"the name of {word} of the recipe", repr(name), did_you_mean(name, known)
    )
