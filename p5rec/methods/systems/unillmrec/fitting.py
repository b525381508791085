"""What UniLLMRec stores: the tree, and the log-probabilities of its edges without a history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.rng import tie_order
from p5rec.core.types import Corpus
from p5rec.data.stored_texts import StoredTexts
from p5rec.prompting.library import PromptLibrary

from ...arrays import save_arrays
from ...folder import read_method
from .rankers import TreePrompts, without_history
from .settings import UnillmrecSettings

ABOUT = "unillmrec.json"


def fit(method: UnillmrecSettings, corpus: Corpus, folder: Path, model: Path, seed: int) -> Lineage:
    """Grows the tree of ``corpus`` and saves it.

    Args:
        method: the settings.
        corpus: the data.
        folder: receives the tree.
        model: the complete folder of the language model.
        seed: of ties and of the control's draws.

    Returns:
        The training events, which order the titles in labels.
    """
    reader = read_method(model)
    opened: Any = reader.open_predictor(model, download=True)
    view = opened.bundle.view(corpus)
    tree, titles = view.tree, view.names.titles
    template = PromptLibrary.from_dump(opened.bundle.prompts).get(method.template)
    prompts = TreePrompts.of(opened.bundle, template, tree, titles)
    prior = without_history(prompts, opened.decode.batch_tokens)
    save_arrays(
        folder,
        {
            "starts": tree.starts,
            "children": tree.children,
            "prior": prior,
            "tie": tie_order(corpus.interactions.item_keys, seed),
            "seed": np.array([seed]),
        },
    )
    flat = prompts.flat_tokens(np.empty(0, np.int64), None)
    about = {"tree_nodes": len(tree), "flat_prompt_tokens": flat, "labels": list(tree.labels)}
    write_json(folder / ABOUT, about)
    return Lineage(corpus.interactions.event_keys[corpus.split.mask("train")])


def facts(model: Path) -> dict[str, Any]:
    """The number of inner nodes, and the tokens of a prompt with all items and no history."""
    about = read_json(model / ABOUT)
    return {name: about[name] for name in ("tree_nodes", "flat_prompt_tokens")}


def notes_of(folder: Path) -> dict[str, str]:
    """The texts about users in the folder of a stage, by the key of the user."""
    keys, texts = StoredTexts.read(folder).usable()
    return {f"{key:016x}": text for key, text in zip(keys.tolist(), texts, strict=True)}
