"""The work of the stage that gives items their codes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.types import Corpus

from .base import fit
from .config import IdsConfig
from .encoder import save_encoder
from .files import CONFIG, save_codes
from .quality import FILE, report
from .vectors import file_vectors

VECTORS = "vectors.npy"


def make_codes(
    config: IdsConfig, corpus: Corpus, views: Mapping[str, Path], folder: Path
) -> Lineage:
    """Fits codes and writes them into ``folder``, with what codes further items, how they were
    made, and a report.

    Args:
        views: the parts of the vectors that other stages made, by name: a folder with ``VECTORS``.

    Raises:
        UserError: see :func:`p5rec.ids.base.fit`, or the user's own vectors do not fit the items.
    """
    sized = config.sized(len(corpus.catalog))
    given = {name: np.load(made / VECTORS) for name, made in views.items()}
    if config.vectors.file is not None:
        given["file"] = file_vectors(Path(config.vectors.file.path), corpus.catalog.ids)
    fitted = fit(sized, corpus, given)
    save_codes(fitted.codes, folder, corpus.catalog.ids, fitted.collisions)
    save_encoder(fitted, sized, folder)
    write_json(folder / CONFIG, config.dump())
    write_json(folder / FILE, report(fitted.codes, corpus, config.seed))
    return fitted.lineage
