"""Initialises a training from an earlier bundle, for example pretraining on public data.

The adapters of the first training stay frozen, and a new adapter that starts at zero is added. A
model without adapters continues with its weights. The second bundle is complete but for the base
model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from p5rec.backbones.adapters import stack_names
from p5rec.core.errors import input_error
from p5rec.data.known import item_indices
from p5rec.ids.files import load_codes, load_item_ids

from .bundle import Bundle, BundleSettings
from .checkpoint import (
    ITEM_EMBEDDINGS,
    WEIGHTS,
    codes_mismatch,
    load_adapters,
    network_hash,
    read_settings,
    read_tensors,
    scatter_embeddings,
    trainable_state,
)


def resolve_initialisation(settings: BundleSettings, start: Path) -> BundleSettings:
    """``settings`` with the adapters of the bundle in ``start`` as base adapters.

    Raises:
        UserError: the bundle is incomplete, or its backbone differs (adapters may differ).
    """
    first, _ = read_settings(start)
    differ = [
        f"backbone.{name}"
        for name, value in settings.backbone
        if name != "lora" and value != getattr(first.backbone, name, None)
    ]
    if first.behaviours and not {*first.behaviours} & {*settings.behaviours}:
        differ.append("data.behaviour")
    lora, first_lora = settings.backbone.lora, first.backbone.lora
    if (lora is None) != (first_lora is None):
        differ.append("backbone.lora")
    random = lora is not None and settings.backbone.source is None
    if random and settings.seed != first.seed:
        differ.append("train.seed, the seed of its random frozen weights")
    if differ:
        raise input_error(
            start, "a model of the same backbone to start from", f"another {', '.join(differ)}",
            "give both the same backbone; the settings of adapters may differ",
        )  # fmt: skip
    base_adapters = (
        first.base_adapters if first_lora is None else (*first.base_adapters, first_lora)
    )
    return settings.model_copy(update={"base_adapters": base_adapters})


def initialise_from(start: Path, bundle: Bundle) -> None:
    """Copies trained weights from the bundle in ``start`` to ``bundle``.

    ``bundle`` is built with the settings of :func:`resolve_initialisation`. Embeddings of codes,
    behaviours and items are copied if the codes are the same or extend the old ones. The
    embeddings of new items and behaviours keep their initial values. Rating heads are copied if
    the scale is the same.
    """
    first, _ = read_settings(start)
    state = read_tensors(start / WEIGHTS)
    known, trained = load_item_ids(start / "codes"), load_codes(start / "codes")
    indices = item_indices(bundle.item_ids, known)
    if codes_mismatch(bundle.layout.codes, trained, indices):
        state = {n: t for n, t in state.items() if n != ITEM_EMBEDDINGS and not n.endswith(".new")}
    else:
        if ITEM_EMBEDDINGS in state:
            state[ITEM_EMBEDDINGS] = scatter_embeddings(
                state[ITEM_EMBEDDINGS], indices, bundle.model.item_embeddings
            )
        if first.behaviours != bundle.settings.behaviours:
            state |= _with_behaviours(state, bundle, first.behaviours)
    if first.scale != bundle.settings.scale:
        state = {n: t for n, t in state.items() if not n.startswith("heads.")}
    wanted = trainable_state(bundle.model).keys()
    bundle.model.load_state_dict({n: t for n, t in state.items() if n in wanted}, strict=False)
    if n := len(bundle.settings.base_adapters):
        names = zip(stack_names(n), stack_names(n + 1), strict=False)
        load_adapters(bundle.model.lm, start, dict(names))


def _with_behaviours(
    state: Mapping[str, Tensor], bundle: Bundle, names: Sequence[str]
) -> dict[str, Tensor]:
    """The token embeddings of ``state``, with behaviours ``names``, in the order of ``bundle``.

    New behaviours keep their initial embeddings.
    """
    codes, now = sum(bundle.layout.codes.sizes), bundle.settings.behaviours
    both = [name for name in now if name in names]
    target = [*range(codes), *(codes + now.index(name) for name in both)]
    source = [*range(codes), *(codes + names.index(name) for name in both)]
    out = {n: t.clone() for n, t in trainable_state(bundle.model).items() if n.endswith(".new")}
    for name, embeddings in out.items():
        embeddings[target] = state[name][source]
    return out


def provenance(start: Path, *, full: bool = True) -> dict[str, Any]:
    """The provenance entry of a manifest: the hash and the facts of the bundle in ``start``.

    Args:
        full: with the provenance of that bundle itself; without it, manifests of a long chain of
            trainings stay short.
    """
    about = read_settings(start)[1]
    facts = {name: value for name, value in about.items() if full or name != "start"}
    return {"bundle": network_hash(start), **facts}
