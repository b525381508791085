"""Codes for new items: similar items share prefixes, and old codes do not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from p5rec.core.errors import UserError
from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TRAIN, Catalog, Corpus, Interactions, Split
from p5rec.ids.base import fit
from p5rec.ids.config import IdsConfig
from p5rec.ids.encoder import MANIFEST, TENSORS, load_encoder, save_encoder
from p5rec.ids.prefixes import sharing

OLD, NEW, GROUPS = 200, 40, 8


def synthetic(n_items: int, seed: int = 0) -> tuple[Corpus, np.ndarray]:
    """Users of a group take its items; texts name the group. Items from ``OLD`` have no events."""
    rng = np.random.default_rng(seed)
    group = np.arange(n_items) % GROUPS
    users = np.repeat(np.arange(160, dtype=np.int32), 12)
    items = (rng.integers(0, OLD // GROUPS, len(users)) * GROUPS + users % GROUPS).astype(np.int32)
    keys = id_keys(range(160)), id_keys(range(n_items))
    log = Interactions(users, items, np.arange(len(users)), None, *keys)
    table = pa.table(
        {
            "item": [f"i{n}" for n in range(n_items)],
            "title": [f"group {g} number {n}" for n, g in enumerate(group)],
            "path": [[f"group {g}"] for g in group],
        }
    )
    split = Split("all", np.full(len(users), TRAIN, np.int8))
    centres = np.random.default_rng(1).normal(size=(GROUPS, 16))
    text = centres[group] + 0.2 * np.random.default_rng(2).normal(size=(n_items, 16))
    return Corpus(log, Catalog(table), Users.of([f"u{n}" for n in range(160)]), split), text.astype(
        np.float32
    )


def config(scheme: str, **more: object) -> IdsConfig:
    settings = {
        "scheme": scheme, "levels": 2, "codebook": [GROUPS, 64], "attribute": "path",
        "vectors": {"text": "some", "cooccurrence": {"dim": 8}}, "rqvae": {"epochs": 5},
        "accept": ["utilisation", "unique"],
    }  # fmt: skip
    return IdsConfig(**{**settings, **more})


def extended(scheme: str, tmp_path: Path, **more: object) -> tuple[np.ndarray, np.ndarray]:
    old, text = synthetic(OLD)
    settings = config(scheme, **more)
    fitted = fit(settings, old, {"text": text})
    save_encoder(fitted, settings, tmp_path)
    new, texts = synthetic(OLD + NEW)
    rows = np.arange(OLD, OLD + NEW)
    encoder = load_encoder(tmp_path)
    codes = encoder.extend(fitted.codes, new, rows, {"text": texts[rows]})
    again = encoder.extend(fitted.codes, new, rows, {"text": texts[rows]})
    np.testing.assert_array_equal(codes, again)
    assert codes.shape == (NEW, fitted.codes.levels)
    assert (codes < np.array(fitted.codes.sizes)).all()
    assert (codes >= 0).all()
    return fitted.codes.codes, codes


SPACIOUS = {  # levels and codebook with free codes, by scheme
    "random": {}, "rq-kmeans": {}, "h-kmeans": {}, "cid": {}, "rq-vae": {}, "pq": {}, "opq": {},
    "title": {"levels": 4, "codebook": 256},
    "category": {"levels": 1, "codebook": 256},
}  # fmt: skip


@pytest.mark.parametrize("policy", ["nearest-free", "sinkhorn", "extra-level"])
@pytest.mark.parametrize("scheme", list(SPACIOUS))
def test_new_items_get_free_codes(scheme: str, policy: str, tmp_path: Path) -> None:
    more = dict(SPACIOUS[scheme])
    if scheme == "category":
        # the last level is as large as the largest group, so no code is free
        with pytest.raises(UserError, match="at most"):
            extended(scheme, tmp_path, collisions=policy, **more)
        return
    old, new = extended(scheme, tmp_path, collisions=policy, **more)
    assert sharing(np.concatenate([old, new])) == 0


@pytest.mark.parametrize("scheme", ["rq-kmeans", "h-kmeans", "cid", "rq-vae", "opq"])
def test_new_items_share_prefixes_with_similar_items(scheme: str, tmp_path: Path) -> None:
    old, new = extended(scheme, tmp_path)
    group = np.arange(OLD) % GROUPS
    same_group = []
    for code, own in zip(new, np.arange(OLD, OLD + NEW) % GROUPS, strict=True):
        beside = group[old[:, 0] == code[0]]
        same_group.append((beside == own).mean() if len(beside) else 0.0)
    assert np.mean(same_group) > 0.7
    assert np.mean(same_group) > 3 / GROUPS  # chance is one in eight


def test_too_many_new_items_is_an_error_with_the_number_of_free_codes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"at most 16 new items, the codes that are free, got 40"):
        extended("rq-kmeans", tmp_path, codebook=[8, 27])


def test_new_items_fill_the_last_free_codes(tmp_path: Path) -> None:
    old, new = extended("rq-kmeans", tmp_path, codebook=[8, 30])
    assert sharing(np.concatenate([old, new])) == 0
    assert len(old) + len(new) == 8 * 30


def test_permuted_codes_cannot_be_extended(tmp_path: Path) -> None:
    old, text = synthetic(OLD)
    settings = config("rq-kmeans", permute=True)
    save_encoder(fit(settings, old, {"text": text}), settings, tmp_path)
    with pytest.raises(UserError, match="expected codes that can be extended"):
        load_encoder(tmp_path)


def test_a_damaged_encoder_is_an_error_of_one_line(tmp_path: Path) -> None:
    old, text = synthetic(OLD)
    settings = config("rq-kmeans")
    save_encoder(fit(settings, old, {"text": text}), settings, tmp_path)
    (tmp_path / TENSORS).write_bytes((tmp_path / TENSORS).read_bytes()[:-9])
    with pytest.raises(UserError, match=rf"{TENSORS}: expected the file that {MANIFEST} names"):
        load_encoder(tmp_path)
