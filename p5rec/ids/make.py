"""Fits and writes the codes of a recipe; the work of the ids stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.types import Corpus
from p5rec.data.vector_store import VectorStore

from .base import fit
from .codebook_metrics import FILE, report
from .config import IdsConfig
from .encoder import save_encoder
from .files import CONFIG, save_codes
from .vectors import file_vectors


def make_codes(
    config: IdsConfig, corpus: Corpus, views: Mapping[str, Path], folder: Path
) -> Lineage:
    """Fits codes and writes codes, encoder, config and codebook metrics into ``folder``.

    Args:
        config: the recipe's ``ids`` section.
        corpus: the corpus.
        views: views of other stages: name to the folder of a
            :class:`p5rec.data.vector_store.VectorStore`.
        folder: the output folder.

    Raises:
        UserError: see :func:`p5rec.ids.base.fit`; or the vectors of ``file`` do not fit the items.
    """
    sized = config.sized(len(corpus.catalog))
    keys = corpus.interactions.item_keys
    arrays = {name: VectorStore.read(view).rows(keys) for name, view in views.items()}
    if config.vectors.file is not None:
        arrays["file"] = file_vectors(Path(config.vectors.file.path), corpus.catalog.ids)
    fitted = fit(sized, corpus, arrays)
    save_codes(fitted.codes, folder, corpus.catalog.ids, fitted.collisions)
    save_encoder(fitted, sized, folder)
    write_json(folder / CONFIG, config.dump())
    write_json(folder / FILE, report(fitted.codes, corpus, config.seed))
    return fitted.lineage
