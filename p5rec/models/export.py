"""Exports a trained model as a plain transformers folder, without adapters or p5rec code."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from secrets import token_hex
from typing import Any

import torch
from safetensors.torch import save_file

from p5rec.backbones.merge import can_export, merge
from p5rec.core.artefacts import file_sha256, library_versions, read_json, write_json, writing
from p5rec.core.errors import input_error
from p5rec.ids.tokens import item_strings

from .bundle import Bundle
from .checkpoint import MANIFEST, load_bundle

HEADS = "rating_heads.safetensors"
ITEMS = "items.json"


def export(model: Path, out: Path, dtype: str = "float32", *, download: bool = False) -> None:
    """Writes the bundle in ``model`` as a plain language model's folder, atomically.

    The folder has weights, config, tokenizer, generation settings, ``items.json`` (the tokens of
    each item id), a manifest, and the rating heads if there are any, in a file of their own.

    Args:
        dtype: of the weights: ``float32`` or ``bfloat16``.
        download: whether a backbone that is not on this machine may be downloaded.

    Raises:
        UserError: ``out`` exists, the bundle is incomplete, or a plain language model cannot
            represent it: its items are no plain tokens, or it has an item head.
    """
    if out.exists():
        raise input_error(out, "a new folder", "one that exists", "name another or delete it")
    bundle = load_bundle(model, download=download)
    if not can_export(bundle.model.causal):
        raise input_error(
            model, "a model around a network of transformers",
            f"backbone.kind: {bundle.settings.backbone.kind}",
            "only such models can be exported; use this one through p5rec",
        )  # fmt: skip
    if bundle.settings.backbone.items != "tokens":
        raise input_error(
            model, "a model with one token for each code", "one with one position for each item",
            "train it with backbone.items: tokens and item_embeddings: false",
        )  # fmt: skip
    if bundle.settings.item_head:
        raise input_error(
            model, "a model without an item head", "one with", "train it without item_head"
        )
    work = out.with_name(f".{out.name}.{token_hex(4)}.work")
    with writing(out):
        try:
            work.mkdir(parents=True)
            _write(bundle, work, dtype)
            _write_manifest(bundle, work, model, dtype)
            os.replace(work, out)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _write(bundle: Bundle, folder: Path, dtype: str) -> None:
    plain = merge(bundle.model.causal).to(getattr(torch, dtype))
    plain.save_pretrained(folder)
    bundle.tokenizer.save_pretrained(folder)
    words = item_strings(bundle.layout.codes)
    write_json(folder / ITEMS, dict(zip(bundle.item_ids, words, strict=True)))
    if bundle.model.heads is not None:
        save_file(bundle.model.heads.state_dict(), folder / HEADS)


def _write_manifest(bundle: Bundle, folder: Path, model: Path, dtype: str) -> None:
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    source: dict[str, Any] = read_json(model / MANIFEST)
    write_json(
        folder / MANIFEST,
        {
            "model": file_sha256(model / MANIFEST),
            "settings": source["settings"],
            "about": source["about"],
            "dtype": dtype,
            "bos": bundle.bos,
            "versions": library_versions(),
            "files": files,
        },
    )
