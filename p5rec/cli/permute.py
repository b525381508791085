"""``--permute``: a recipe rewritten so that one signal is dealt out at random, its control.

A control removes one thing only. So it is the same recipe with a switch turned, at equal
parameters and steps, and nothing else of it changes but its name and its notes.
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

WORDED = ("title", "category")  # id schemes that are made of words


def signals_of(words: Sequence[str]) -> tuple[str, ...]:
    """The signals named by ``--permute a,b --permute c``, each once, in the order of ``SIGNALS``.

    Raises:
        UserError: one is not known.
    """
    named = [name.strip() for word in words for name in word.split(",") if name.strip()]
    for name in named:
        if name not in SIGNALS:
            hint = did_you_mean(name, SIGNALS)
            raise UserError(f"--permute: expected a known signal, got {name!r}; {hint}")
    return tuple(name for name in SIGNALS if name in named)


def permuted(tree: Tree, signals: Sequence[str]) -> Tree:
    """A whole recipe, defaults included, with ``signals`` dealt out at random.

    Args:
        tree: what ``p5rec run --show`` prints.
        signals: names in ``SIGNALS``.

    Raises:
        UserError: the recipe does not have such a signal, or has it permuted already.
    """
    out = deepcopy(tree)
    for signal in signals:
        done = SIGNALS[signal](out)
        out["notes"] = [*out.get("notes", ()), f"Permuted ({signal}): {done}."]
    if signals:
        out["name"] = "-".join((out["name"], "permute", *signals))
    return out


def _ids(tree: Tree) -> str:
    """Codes dealt out anew among the items, of all ids that a method is trained on."""
    used = {
        method["ids"]
        for method in _trained(tree).values()
        # prompts that call items by their titles know no codes
        if method["prompts"]["items"] == "codes" or NEXT_ITEM in method["train"]["tasks"]
    }
    fresh = [name for name in tree["ids"] if name in used and not tree["ids"][name]["permute"]]
    _refuse_none(fresh, "ids", "ids that a method is trained on and that are not permuted already")
    for name in fresh:
        tree["ids"][name]["permute"] = True
    return f"the codes of {', '.join(fresh)} are dealt out anew among the items"


def _text(tree: Tree) -> str:
    """Titles and attributes dealt out anew, before vectors, ids and prompts see them."""
    readers = [
        name for name, method in _trained(tree).items()
        if not tree["data"]["permute_text"]
        and (_families(method) or _worded(tree["ids"].get(method["ids"])))
    ]  # fmt: skip
    wanted = "a method with prompts, or with ids made of texts that are not permuted already"
    _refuse_none(readers, "text", wanted)
    tree["data"]["permute_text"] = True
    return (
        "titles and attributes are dealt out anew among the items, in training and in asking "
        f"(reviews stay); the methods that read them: {', '.join(readers)}"
    )


def _worded(ids: Tree | None) -> bool:
    """Whether codes are made of the items' texts."""
    if ids is None:
        return False
    return ids["scheme"] in WORDED or (
        ids["scheme"] in BY_VECTORS and ids["vectors"]["text"] is not None
    )


def _history(tree: Tree) -> str:
    """Events of the histories swapped between users, in training and in asking."""
    wanted = "a method that reads histories which are not swapped already"
    fresh = [
        name for name, method in tree["methods"].items()
        if not method["permute_histories"]
        and (method["kind"] != DEFAULT or _reads_histories(method))
    ]  # fmt: skip
    _refuse_none(fresh, "history", wanted)
    _keep_views(tree, fresh)
    for name in fresh:
        tree["methods"][name]["permute_histories"] = True
    return (
        f"{', '.join(fresh)}: each event of a history is another user's, in training and in "
        "asking; targets, and what the baselines read, stay"
    )


def _keep_views(tree: Tree, turned: Sequence[str]) -> None:
    """Item vectors in the ids stay those of the methods in ``turned`` as they are now."""
    for ids in tree["ids"].values():
        for view in ids["vectors"]["methods"].values():
            if view["method"] in turned:
                view["method"] = deepcopy(tree["methods"][view["method"]])


def _answers(tree: Tree) -> str:
    """Answers of prompt families dealt out anew among their training rows."""
    wanted = "a method that trains on a prompt family, its answers in place"
    turned = _turn(tree, "answers", "train", "permute_targets", _trains_families, wanted)
    return (
        f"{turned}: the answers of each prompt family are dealt out anew among its "
        "training rows; questions are asked as ever"
    )


def _weights(tree: Tree) -> str:
    """The numbers of each weight of a language model dealt out anew among its places."""
    wanted = "a method with a language model that has learned something"
    turned = _turn(tree, "weights", "backbone", "permute", _has_learned, wanted)
    return (
        f"{turned}: the numbers of each matrix and norm of the language model are dealt "
        "out anew among their places before training"
    )


def _turn(
    tree: Tree, signal: str, part: str, switch: str, has_it: Callable[[Tree], bool], wanted: str
) -> str:
    """Turns ``part.switch`` of the methods whose signal is in place; their names."""
    trained = _trained(tree)
    fresh = [name for name, m in trained.items() if has_it(m) and not m[part][switch]]
    _refuse_none(fresh, signal, wanted)
    for name in fresh:
        trained[name][part][switch] = True
    return ", ".join(fresh)


def _trained(tree: Tree) -> dict[str, Tree]:
    """The methods that train a language model, those among the parts of others as well."""
    every = dict(tree["methods"])
    for name, method in tree["methods"].items():
        every |= {f"{name}.components.{part}": own for part, own in method.get("parts", {}).items()}
    return {
        name: section
        for name, section in every.items()
        if isinstance(section, dict) and section["kind"] == DEFAULT
    }


def _has_learned(method: Tree) -> bool:
    """Whether a method's language model comes with weights that can be dealt out."""
    return "permute" in method["backbone"]


def _trains_families(method: Tree) -> bool:
    """Whether a method learns from prompts."""
    return bool(_families(method) and method["train"]["steps"])


def _families(method: Tree) -> list[str]:
    """The prompt families among a method's tasks."""
    return [task for task in method["train"]["tasks"] if task not in (NEXT_ITEM, RATING_SEQUENCE)]


def _reads_histories(method: Tree) -> bool:
    """Whether a task of the method shows what its user did before."""
    families = _families(method)
    if len(families) < len(method["train"]["tasks"]):
        return True
    library = PromptLibrary.load(extra=[Path(f) for f in method["prompts"]["folders"]])
    posed = [TASKS.get(library.family(family).task) for family in families]
    return any({"history", "liked"} & set(task.given) for task in posed)


def _refuse_none(found: Sequence[Any], signal: str, expected: str) -> None:
    if not found:
        raise UserError(
            f"--permute {signal}: expected {expected}, got a recipe without; there is nothing to "
            "permute, leave it out"
        )


SIGNALS: dict[str, Callable[[Tree], str]] = {
    "ids": _ids,
    "text": _text,
    "history": _history,
    "answers": _answers,
    "weights": _weights,
}
