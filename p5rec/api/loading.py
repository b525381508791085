"""A saved model from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.errors import input_error
from p5rec.methods.folder import check_items, read_method
from p5rec.methods.provenance import read_news, read_provenance
from p5rec.recommend.serving import ServingConfig, read_serving

from .model import Model

if TYPE_CHECKING:  # a model makes lists for histories without data
    from .dataset import Dataset


def load(
    folder: str | Path, dataset: Dataset | None = None, *, ids: str | Path | None = None
) -> Model:
    """The model in a folder: saved by :meth:`Model.save`, or ``RUN_FOLDER/models/METHOD``.

    Args:
        folder: the model's folder.
        dataset: a data set with the model's items, for predictions about its users; None: the
            model ranks for given histories only.
        ids: a folder of codes that extend the model's own (``p5rec ids extend``) to the new items
            of ``dataset``; None: no new items.

    Raises:
        UserError: there is no model, it is damaged, the data set has other items, or ``ids`` comes
            without a data set or extends other codes.
    """
    path, extended = Path(folder).expanduser(), None if ids is None else Path(ids).expanduser()
    method = read_method(path)
    serving = read_serving(path) or ServingConfig()
    provenance, news = read_provenance(path), read_news(path)
    model = Model(path, method, serving, dataset, ids=extended, provenance=provenance, news=news)
    if dataset is not None:
        from .dataset import data_set

        data_set(dataset, "load")
        check_items(path, dataset.corpus, extended)
    if extended is not None:
        if dataset is None:
            todo = "write p5rec.load(folder, dataset, ids=...)"
            raise input_error("load: ids", "a data set with the new items", "none", todo)
        model.predictor()
    return model
