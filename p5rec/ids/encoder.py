"""The fitted encoder saved beside the codes; it codes new items later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from p5rec.core.artefacts import file_sha256, read_json, write_json
from p5rec.core.atomic import atomic_write
from p5rec.core.config import Config, bind
from p5rec.core.errors import input_error
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import by_key
from p5rec.core.types import Corpus

from .assignment import assign
from .base import Fitted
from .collisions import separate
from .config import QUANTISERS, IdsConfig
from .files import ENCODER, ENCODER_TENSORS, REBUILD
from .prefixes import sharing
from .quantiser import ItemData, Quantiser, code_all
from .vectors import Fusion

MANIFEST, TENSORS = ENCODER, ENCODER_TENSORS


class EncoderManifest(Config):
    """The contents of ``encoder.json``: the ids' config, the quantiser, and the tensors' hash."""

    config: IdsConfig
    kind: str
    sizes: tuple[int, ...]
    sha256: str


@dataclass(frozen=True, eq=False)
class ItemEncoder:
    """Codes new items with the quantiser of an earlier fit.

    Attributes:
        config: config of the fit.
        quantiser, fusion: the learned state.
    """

    config: IdsConfig
    quantiser: Quantiser
    fusion: Fusion | None

    def extend(
        self, codes: ItemCodes, corpus: Corpus, rows: np.ndarray, views: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Unused codes ``(M, L)`` int32 for new items; existing items keep their codes.

        A new item gets the codes that the fit would have chosen, or the nearest free codes. It
        needs no events: ``Fusion`` estimates missing views from the other views.

        Args:
            codes: codes of the existing items.
            corpus: the corpus with the new items in its item table.
            rows: ``(M,)`` row numbers of the new items.
            views: name to ``(M, d)``, the views of the fit for the new items; a NaN row, or a
                missing view, is unknown.

        Raises:
            UserError: more new items than free codes.
        """
        if len(codes) + len(rows) > prod(codes.sizes):
            raise input_error(
                "ids extend",
                f"at most {prod(codes.sizes) - len(codes)} new items, the codes that are free",
                str(len(rows)),
                "build the ids again with a larger codebook, and train again",
            )
        vectors = self._vectors(views, len(rows))
        items = ItemData(vectors, corpus.catalog.take(rows), corpus.interactions, corpus.split)
        coded = code_all(self.quantiser, items)
        order = by_key(items.keys, self.config.seed, "ids", "extend")
        # the level of policy extra-level has no quantiser: it starts at code 0
        extra = np.zeros((len(rows), codes.levels - coded.codes.shape[1]), dtype=np.int32)
        new = np.concatenate([coded.codes, extra], axis=1)
        separated = separate(
            self.quantiser,
            coded.points,
            np.concatenate([codes.codes, new]),
            codes.sizes,
            np.append(np.arange(len(codes)), len(codes) + order),
            np.arange(len(codes) + len(rows)) >= len(codes),
            assign,
        )
        assert not sharing(separated)
        return separated[len(codes) :]

    def _vectors(self, views: Mapping[str, np.ndarray], n_items: int) -> np.ndarray:
        if self.fusion is None:
            return np.zeros((n_items, 0), dtype=np.float32)
        unknown = {
            name: np.full((n_items, view.width), np.nan, dtype=np.float32)
            for name, view in self.fusion.views.items()
        }
        return self.fusion({name: views.get(name, blank) for name, blank in unknown.items()})


def save_encoder(fitted: Fitted, config: IdsConfig, folder: Path) -> None:
    """Writes the encoder of ``fitted`` beside its codes; permuted codes have none."""
    if fitted.quantiser is None:
        return
    state = {f"quantiser {name}": array for name, array in fitted.quantiser.state().items()}
    if fitted.fusion is not None:
        state |= {f"fusion {name}": array for name, array in fitted.fusion.state().items()}
    with atomic_write(folder / TENSORS, "wb") as handle:
        handle.write(save({name: np.ascontiguousarray(array) for name, array in state.items()}))
    manifest = EncoderManifest(
        config=config,
        kind=fitted.quantiser.kind,
        sizes=fitted.quantiser.sizes,
        sha256=file_sha256(folder / TENSORS),
    )
    write_json(folder / MANIFEST, manifest.dump())


def load_encoder(folder: Path) -> ItemEncoder:
    """Loads the encoder of the codes in ``folder``.

    Raises:
        UserError: it was not saved, or is damaged.
    """
    if not (folder / MANIFEST).is_file():
        raise input_error(
            folder, "codes that can be extended", f"no {MANIFEST} (permuted or imported codes?)",
            "build the codes with an id scheme of p5rec",
        )  # fmt: skip
    manifest = bind(EncoderManifest, read_json(folder / MANIFEST), {}, folder / MANIFEST)
    path = folder / TENSORS
    if not path.is_file() or file_sha256(path) != manifest.sha256:
        raise input_error(
            path, f"the file that {MANIFEST} names", "another or a damaged one", REBUILD
        )
    state = load(path.read_bytes())
    own, fusing = (
        {n.removeprefix(kind): array for n, array in state.items() if n.startswith(kind)}
        for kind in ("quantiser ", "fusion ")
    )
    names = list(manifest.config.vectors.weights)
    quantiser = QUANTISERS.get(manifest.kind).restored(manifest.sizes, own)
    fusion = Fusion.restored(fusing, names) if names else None
    return ItemEncoder(manifest.config, quantiser, fusion)
