"""A training that begins where another ended: public data first, then one's own.

Adapters of the first training stay as they are, below a new one that starts at zero; a model that
was trained whole goes on with its weights. The second bundle holds all it needs but the base model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from p5rec.backbones.adapters import stack_names
from p5rec.core.errors import fault
from p5rec.data.known import rows_among
from p5rec.ids.files import load_codes, load_item_ids

from .checkpoint import (
    ROWS,
    WEIGHTS,
    Bundle,
    BundleSettings,
    load_adapters,
    network,
    placed,
    read_settings,
    read_tensors,
    trainable_state,
    unlike,
)


def begun_from(settings: BundleSettings, start: Path) -> BundleSettings:
    """``settings`` with the adapters of the bundle in ``start`` below.

    Raises:
        UserError: the bundle is not whole, or its backbone is another; adapters may differ.
    """
    first, _ = read_settings(start)
    differ = [
        f"backbone.{name}"
        for name, value in settings.backbone
        if name != "lora" and value != getattr(first.backbone, name, None)
    ]
    if first.behaviours and not {*first.behaviours} & {*settings.behaviours}:
        differ.append("data.behaviour")
    here, there = settings.backbone.lora, first.backbone.lora
    if (here is None) != (there is None):
        differ.append("backbone.lora")
    drawn = here is not None and settings.backbone.source is None
    if drawn and settings.seed != first.seed:
        differ.append("train.seed, under which its frozen weights were drawn")
    if differ:
        raise fault(
            start, "a model of the same backbone to start from", f"another {', '.join(differ)}",
            "give both the same; where both have adapters these may differ",
        )  # fmt: skip
    below = first.below if there is None else (*first.below, there)
    return settings.model_copy(update={"below": below})


def carry_over(start: Path, bundle: Bundle) -> None:
    """Fills ``bundle``, fresh from :func:`begun_from`, with what was learned in ``start``.

    Rows of codes, behaviours and items are taken where the codes are the same or extend the old
    ones, otherwise they begin anew, as do those of new items; rating heads are taken where the
    scale is the same.
    """
    first, _ = read_settings(start)
    state = read_tensors(start / WEIGHTS)
    known, taught = load_item_ids(start / "codes"), load_codes(start / "codes")
    row_of = rows_among(bundle.item_ids, known)
    if unlike(bundle.layout.codes, taught, row_of):
        state = {n: t for n, t in state.items() if n != ROWS and not n.endswith(".new")}
    else:
        if ROWS in state:
            state[ROWS] = placed(state[ROWS], row_of, bundle.model.item_rows)
        if first.behaviours != bundle.settings.behaviours:
            state |= _with_behaviours(state, bundle, first.behaviours)
    if first.scale != bundle.settings.scale:
        state = {n: t for n, t in state.items() if not n.startswith("heads.")}
    wanted = trainable_state(bundle.model).keys()
    bundle.model.load_state_dict({n: t for n, t in state.items() if n in wanted}, strict=False)
    if below := len(bundle.settings.below):
        names = zip(stack_names(below), stack_names(below + 1), strict=False)
        load_adapters(bundle.model.lm, start, dict(names))


def _with_behaviours(
    state: Mapping[str, Tensor], bundle: Bundle, names: Sequence[str]
) -> dict[str, Tensor]:
    """The token rows of ``state``, whose behaviours are ``names``, in the order of ``bundle``'s;
    a behaviour that is new has the row that was drawn for it."""
    codes, now = sum(bundle.layout.codes.sizes), bundle.settings.behaviours
    both = [name for name in now if name in names]
    own = [*range(codes), *(codes + now.index(name) for name in both)]
    there = [*range(codes), *(codes + names.index(name) for name in both)]
    fresh = {n: t.clone() for n, t in trainable_state(bundle.model).items() if n.endswith(".new")}
    for name, rows in fresh.items():
        rows[own] = state[name][there]
    return fresh


def origin(start: Path, *, whole: bool = True) -> dict[str, Any]:
    """What a manifest says of where a training began: the bundle's hash and its own account.

    Args:
        whole: with where that one began; without, a chain of many trainings stays short.
    """
    about = read_settings(start)[1]
    kept = {name: told for name, told in about.items() if whole or name != "start"}
    return {"bundle": network(start), **kept}
