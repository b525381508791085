"""Bundles as folders.

A bundle's folder holds ``manifest.json`` (settings and the hash of every other file), ``adapter/``
(the low-rank adapters in peft's format, those of earlier trainings in subfolders),
``trained.safetensors`` (all other trained weights: new token embeddings, heads, and without
adapters every weight), ``tokenizer/``, ``codes/`` and ``prompts.json``. A frozen base model is
referenced by name, not copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from p5rec.backbones.adapters import LAST, is_adapted, stack_names
from p5rec.core.artefacts import digest, file_sha256, library_versions, read_json, write_json
from p5rec.core.config import bind
from p5rec.core.errors import UserError, input_error
from p5rec.core.item_codes import ItemCodes
from p5rec.data.known import item_indices
from p5rec.ids.files import load_codes, load_item_ids, save_codes

from .bundle import Bundle, BundleSettings, build
from .config import BUNDLE

WEIGHTS, PROMPTS = "trained.safetensors", "prompts.json"
ITEM_EMBEDDINGS = "item_embeddings"  # name of the weight
MANIFEST = BUNDLE
CONTENTS = ("adapter", "codes", "tokenizer", PROMPTS, WEIGHTS)


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Every trainable weight by name; a shared weight occurs once."""
    return {
        name: parameter.detach().contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def load_trainable(model: nn.Module, state: dict[str, Tensor], source: Path) -> None:
    """Loads ``state`` into the trainable weights of ``model``.

    Raises:
        UserError: ``state`` is not exactly the set of trainable weights.
    """
    if differ := state.keys() ^ trainable_state(model).keys():
        got = f"others ({', '.join(sorted(differ)[:3])})"
        raise input_error(
            source, "this model's weights", got, "train again with this configuration"
        )
    try:
        model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        got = str(error).splitlines()[-1].strip()
        raise input_error(source, "weights of this shape", got, "train again") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises a class of its own
        raise input_error(path, "a complete safetensors file", str(error), "train again") from None


def save_bundle(bundle: Bundle, folder: Path, about: dict[str, Any] | None = None) -> None:
    """Writes the bundle into ``folder``, the manifest last.

    Args:
        about: further facts for the manifest (tasks, steps, prompt versions).
    """
    folder.mkdir(parents=True, exist_ok=True)
    lm = bundle.model.lm
    adapter = set()
    if is_adapted(lm):
        for own in lm.peft_config.values():  # the name, not this machine's path; no set's order
            own.base_model_name_or_path = bundle.settings.backbone.source
            own.target_modules = sorted(own.target_modules)
        lm.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
        (folder / "adapter" / "README.md").unlink()  # a form to fill in, with this machine's path
        adapter = {name for name, _ in bundle.model.named_parameters() if "lora_" in name}
    state = trainable_state(bundle.model)
    save_file({n: t for n, t in state.items() if n not in adapter}, folder / WEIGHTS)
    bundle.tokenizer.save_pretrained(str(folder / "tokenizer"))
    save_codes(bundle.layout.codes, folder / "codes", bundle.item_ids)
    write_json(folder / PROMPTS, bundle.prompts)
    contents = [folder / name for name in CONTENTS]
    files = sorted(p for path in contents for p in (path, *path.rglob("*")) if p.is_file())
    write_json(
        folder / MANIFEST,
        {
            "settings": bundle.settings.dump(),
            "about": about or {},
            "versions": library_versions(),
            "files": {p.relative_to(folder).as_posix(): file_sha256(p) for p in files},
        },
    )


def read_settings(folder: Path) -> tuple[BundleSettings, dict[str, Any]]:
    """The settings of the bundle in ``folder`` and the facts of its manifest.

    Every file is checked against its hash.

    Raises:
        UserError: a file is missing, damaged, or differs from the manifest.
    """
    if not (folder / MANIFEST).is_file():
        raise input_error(folder, "a trained model's folder", f"no {MANIFEST}", "check the path")
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not all(
        isinstance(manifest.get(key), dict) for key in ("files", "settings")
    ):
        raise input_error(folder / MANIFEST, "a manifest", "another file", "train again")
    broken = [n for n, h in manifest["files"].items() if not _intact(folder / n, h)]
    if broken:
        raise UserError(
            *(f"{folder / n}: expected the file that was saved, got a missing or changed one; "
              "copy the folder anew or train again" for n in broken)
        )  # fmt: skip
    settings = bind(BundleSettings, manifest["settings"], {}, folder / MANIFEST)
    return settings, manifest.get("about", {})


def network_hash(folder: Path) -> str:
    """A short hash of the trained network in ``folder``.

    Raises:
        UserError: a file is missing, damaged, or differs from the manifest.
    """
    settings, about = read_settings(folder)
    return digest([settings.dump(), read_json(folder / MANIFEST)["files"], about])


def load_bundle(folder: Path, ids: Path | None = None, *, download: bool = False) -> Bundle:
    """The bundle in ``folder``; every file is checked against its hash.

    Args:
        ids: a folder of codes that extend the model's own (``p5rec ids extend``); the model then
            ranks their items. A new item is represented by its codes only; its item embedding, if
            the model has them, is zero.
        download: whether the backbone may be downloaded; nothing else ever is.

    Raises:
        UserError: a file is missing, damaged, or differs from the manifest; the backbone is not on
            this machine and may not be downloaded; or ``ids`` assign other codes to an item of
            the model.
    """
    settings, _ = read_settings(folder)
    known, trained = load_item_ids(folder / "codes"), load_codes(folder / "codes")
    item_ids, codes = (known, trained) if ids is None else (load_item_ids(ids), load_codes(ids))
    bundle = build(settings, codes, item_ids, read_json(folder / PROMPTS), download=download)
    state = read_tensors(folder / WEIGHTS)
    if ids is not None:
        indices = item_indices(item_ids, known)
        if mismatch := codes_mismatch(codes, trained, indices):
            raise input_error(ids, *mismatch)
        if ITEM_EMBEDDINGS in state:
            state[ITEM_EMBEDDINGS] = scatter_embeddings(state[ITEM_EMBEDDINGS], indices)
    if settings.backbone.lora is not None:
        names = stack_names(len(settings.base_adapters) + 1)
        load_adapters(bundle.model.lm, folder, dict(zip(names, names, strict=True)))
        state |= {n: t for n, t in trainable_state(bundle.model).items() if "lora_" in n}
    load_trainable(bundle.model, state, folder / WEIGHTS)
    return bundle


def load_adapters(lm: Any, folder: Path, names: Mapping[str, str]) -> None:
    """Loads adapters of the bundle in ``folder`` into ``lm``.

    Args:
        names: name of the adapter in the bundle → its name in ``lm``.
    """
    from peft import set_peft_model_state_dict

    for saved, name in names.items():
        inner = "adapter" if saved == LAST else f"adapter/{saved}"
        tensors = read_tensors(folder / inner / "adapter_model.safetensors")
        set_peft_model_state_dict(lm, tensors, name)


def scatter_embeddings(
    embeddings: Tensor, indices: np.ndarray, default: Tensor | None = None
) -> Tensor:
    """``(N, D)``: ``embeddings`` at ``indices (N,)``; for -1 those of ``default (N, D)`` or 0."""
    shape = len(indices), embeddings.shape[1]
    out = torch.zeros(shape) if default is None else default.detach().clone()
    out[indices >= 0] = embeddings[indices[indices >= 0]]
    return out


def codes_mismatch(
    codes: ItemCodes, trained: ItemCodes, indices: np.ndarray
) -> tuple[str, str, str] | None:
    """Why ``codes`` do not extend the codes that a model was trained with; None: they do.

    Args:
        indices: ``(N,)`` the index in the model's codes of each item of ``codes``, -1 for new
            items.

    Returns:
        For an error message: what is expected, what there is, and what to do.
    """
    known = indices >= 0
    if codes.sizes != trained.sizes or codes.tied != trained.tied:
        return (
            f"levels of {', '.join(map(str, trained.sizes))} codes, as the model's",
            ", ".join(map(str, codes.sizes)),
            "extend the codes that it was trained with",
        )
    changed = int((codes.codes[known] != trained.codes[indices[known]]).any(axis=1).sum())
    if changed or not known.any():
        return (
            "the model's items with the codes of its training",
            f"{changed} with other codes" if changed else "none of its items",
            "extend the codes that it was trained with (RUN_FOLDER/models/METHOD/codes)",
        )
    return None


def _intact(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256
