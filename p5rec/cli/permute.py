"""``--permute``: permutation controls, which rerun a recipe with one signal randomly permuted.

A control removes one signal only: the recipe keeps its parameters and steps, and changes only the
setting of the permutation, its name and its notes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from p5rec.core.config import Tree
from p5rec.core.errors import UserError, did_you_mean
from p5rec.ids.config import BY_VECTORS
from p5rec.methods.registry import DEFAULT
from p5rec.models.config import NEXT_ITEM, RATING_SEQUENCE
from p5rec.prompting.library import PromptLibrary
from p5rec.tasks.registry import TASKS

TEXT_SCHEMES = ("title", "category")  # id schemes built from texts


def signals_of(words: Sequence[str]) -> tuple[str, ...]:
    """The signals named by ``--permute a,b --permute c``, each once, in the order of ``SIGNALS``.

    Raises:
        UserError: a name is unknown.
    """
    named = [name.strip() for word in words for name in word.split(",") if name.strip()]
    for name in named:
        if name not in SIGNALS:
            hint = did_you_mean(name, SIGNALS)
            raise UserError(f"--permute: expected a known signal, got {name!r}; {hint}")
    return tuple(name for name in SIGNALS if name in named)


def permuted(tree: Tree, signals: Sequence[str]) -> Tree:
    """A complete recipe, defaults included, with ``signals`` permuted.

    Args:
        tree: the output of ``p5rec run --show``.
        signals: names in ``SIGNALS``.

    Raises:
        UserError: the recipe lacks a signal, or has it permuted already.
    """
    out = deepcopy(tree)
    for signal in signals:
        done = SIGNALS[signal](out)
        out["notes"] = [*out.get("notes", ()), f"Permuted ({signal}): {done}."]
    if signals:
        out["name"] = "-".join((out["name"], "permute", *signals))
    return out


def _ids(tree: Tree) -> str:
    """Permutes the codes among the items, in all ids that a method is trained on."""
    used = {
        method["ids"]
        for method in _trained(tree).values()
        # prompts with titles instead of codes have no codes
        if method["prompts"]["items"] == "codes" or NEXT_ITEM in method["train"]["tasks"]
    }
    unpermuted = [name for name in tree["ids"] if name in used and not tree["ids"][name]["permute"]]
    _refuse_none(
        unpermuted, "ids", "ids that a method is trained on and that are not permuted already"
    )
    for name in unpermuted:
        tree["ids"][name]["permute"] = True
    return f"the codes of {', '.join(unpermuted)} are permuted among the items"


def _text(tree: Tree) -> str:
    """Permutes titles and attributes, before vectors, ids and prompts are made."""
    readers = [
        name for name, method in _trained(tree).items()
        if not tree["data"]["permute_text"]
        and (_families(method) or _uses_texts(tree["ids"].get(method["ids"])))
    ]  # fmt: skip
    wanted = "a method with prompts, or with ids from texts that are not permuted already"
    _refuse_none(readers, "text", wanted)
    tree["data"]["permute_text"] = True
    return (
        "titles and attributes are permuted among the items, in training and in evaluation "
        f"(reviews are not); methods that use them: {', '.join(readers)}"
    )


def _uses_texts(ids: Tree | None) -> bool:
    """Whether codes are built from the items' texts."""
    if ids is None:
        return False
    return ids["scheme"] in TEXT_SCHEMES or (
        ids["scheme"] in BY_VECTORS and ids["vectors"]["text"] is not None
    )


def _history(tree: Tree) -> str:
    """Permutes the events of histories between users, in training and in evaluation."""
    wanted = "a method with histories that are not permuted already"
    unpermuted = [
        name for name, method in tree["methods"].items()
        if not method["permute_histories"]
        and (method["kind"] != DEFAULT or _reads_histories(method))
    ]  # fmt: skip
    _refuse_none(unpermuted, "history", wanted)
    _keep_views(tree, unpermuted)
    for name in unpermuted:
        tree["methods"][name]["permute_histories"] = True
    return (
        f"{', '.join(unpermuted)}: each event of a history comes from another user, in training "
        "and in evaluation; targets and the inputs of baselines are not permuted"
    )


def _keep_views(tree: Tree, changed: Sequence[str]) -> None:
    """Keeps the item vectors of ids those of the unpermuted methods in ``changed``."""
    for ids in tree["ids"].values():
        for view in ids["vectors"]["methods"].values():
            if view["method"] in changed:
                view["method"] = deepcopy(tree["methods"][view["method"]])


def _targets(tree: Tree) -> str:
    """Permutes the targets of prompt families among their training examples."""
    wanted = "a method that is trained on a prompt family with targets that are not permuted"
    names = _switch_on(tree, "targets", "train", "permute_targets", _trains_families, wanted)
    return (
        f"{names}: the targets of each prompt family are permuted among its training examples; "
        "evaluation prompts are not"
    )


def _weights(tree: Tree) -> str:
    """Permutes the elements of each weight of a pretrained language model."""
    wanted = "a method with a pretrained language model whose weights are not permuted"
    names = _switch_on(tree, "weights", "backbone", "permute", _is_pretrained, wanted)
    return (
        f"{names}: the elements of each matrix and norm of the language model are permuted "
        "before training"
    )


def _switch_on(
    tree: Tree, signal: str, section: str, key: str, has_it: Callable[[Tree], bool], wanted: str
) -> str:
    """Sets ``section.key`` of the methods with an unpermuted signal; returns their names."""
    trained = _trained(tree)
    unpermuted = [name for name, m in trained.items() if has_it(m) and not m[section][key]]
    _refuse_none(unpermuted, signal, wanted)
    for name in unpermuted:
        trained[name][section][key] = True
    return ", ".join(unpermuted)


def _trained(tree: Tree) -> dict[str, Tree]:
    """The methods that train a language model, components of fusions included."""
    every = dict(tree["methods"])
    for name, method in tree["methods"].items():
        components = method.get("components", {})
        every |= {f"{name}.components.{inner}": own for inner, own in components.items()}
    return {
        name: section
        for name, section in every.items()
        if isinstance(section, dict) and section["kind"] == DEFAULT
    }


def _is_pretrained(method: Tree) -> bool:
    """Whether a method's language model has pretrained weights, which can be permuted."""
    return "permute" in method["backbone"]


def _trains_families(method: Tree) -> bool:
    """Whether a method is trained on prompts."""
    return bool(_families(method) and method["train"]["steps"])


def _families(method: Tree) -> list[str]:
    """The prompt families among a method's tasks."""
    return [task for task in method["train"]["tasks"] if task not in (NEXT_ITEM, RATING_SEQUENCE)]


def _reads_histories(method: Tree) -> bool:
    """Whether a task of the method has the user's history as input."""
    families = _families(method)
    if len(families) < len(method["train"]["tasks"]):
        return True
    library = PromptLibrary.load(extra=[Path(f) for f in method["prompts"]["folders"]])
    tasks = [TASKS.get(library.family(family).task) for family in families]
    return any({"history", "liked"} & set(task.source_fields) for task in tasks)


def _refuse_none(permutable: Sequence[Any], signal: str, expected: str) -> None:
    if not permutable:
        raise UserError(
            f"--permute {signal}: expected {expected}, got a recipe without; with nothing to "
            "permute, leave out this signal"
        )


SIGNALS: dict[str, Callable[[Tree], str]] = {
    "ids": _ids,
    "text": _text,
    "history": _history,
    "targets": _targets,
    "weights": _weights,
}
