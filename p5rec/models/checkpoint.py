"""One bundle: what was trained, its tokenizer, codes, prompts, and how to build it again.

A folder holds ``manifest.json`` (settings and the hash of every other file), ``adapter/`` (the
low-rank adapters as peft writes them, those of earlier trainings in folders within),
``trained.safetensors`` (new token rows, heads, and every weight of a model trained whole),
``tokenizer/``, ``codes/``, ``prompts.json``. The frozen base model is named, not copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from p5rec.backbones.adapters import LAST, is_adapted, stack_names
from p5rec.backbones.attention import shorten
from p5rec.backbones.config import LoraSettings
from p5rec.backbones.load import load_backbone
from p5rec.backbones.registry import AnyBackbone
from p5rec.backbones.transformer import quantised
from p5rec.core.artefacts import digest, file_sha256, library_versions, read_json, write_json
from p5rec.core.config import Config, bind
from p5rec.core.errors import UserError, fault
from p5rec.core.rng import derive_seed, id_keys
from p5rec.core.types import Corpus, Histories, ItemCodes
from p5rec.data.known import rows_among
from p5rec.ids.files import load_codes, load_item_ids, save_codes
from p5rec.ids.tokens import item_strings, token_strings
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.view import CorpusView, item_names

from .config import BUNDLE, HeadsConfig, ItemHeadConfig
from .inputs import CodeLayout, literal_for
from .multitask import MultitaskModel
from .ratings import RatedHistories

WEIGHTS, PROMPTS = "trained.safetensors", "prompts.json"
ROWS = "item_rows"  # the items' own rows, among the weights
MANIFEST = BUNDLE
PARTS = ("adapter", "codes", "tokenizer", PROMPTS, WEIGHTS)


class BundleSettings(Config):
    """What it takes to build the model again and to ask it as it was taught."""

    backbone: AnyBackbone
    seed: int  # of every weight that was drawn
    tie_seed: int = 0  # of the order of items whose scores are equal, and of what lists draw
    scale: tuple[float, ...] = ()  # the ratings it knows; empty: none, and no heads
    heads: HeadsConfig = HeadsConfig()
    item_head: ItemHeadConfig | None = None
    tasks: tuple[str, ...] = ("dense",)
    window: int = 100  # events the model reads of a history
    opens: bool = True  # a start token opens every history, not the empty ones alone
    statistics: bool = False  # what is known of item and user is told before a rating
    behaviours: tuple[str, ...] = ()  # told apart in histories, first that of an event without one
    max_tokens: int = 768  # of a prompt
    prompts: PromptsConfig = PromptsConfig()
    below: tuple[LoraSettings, ...] = ()  # adapters of earlier trainings, oldest first
    trained: bool = True  # false: asked as it is, without heads; it knows no item codes


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model and everything needed to ask it.

    Attributes:
        model: in eval mode.
        tokenizer: with the item tokens.
        layout: the items' codes and where they lie in the vocabulary.
        settings: how it was built.
        item_ids: ``(N,)`` external ids of the items it knows.
        prompts: the prompt library it was taught with, as plain data; empty where none.
    """

    model: MultitaskModel
    tokenizer: PreTrainedTokenizerBase
    layout: CodeLayout
    settings: BundleSettings
    item_ids: Sequence[str]
    prompts: dict[str, Any]

    @cached_property
    def item_keys(self) -> np.ndarray:
        """``(N,)`` uint64, the keys of the items' external ids."""
        return id_keys(self.item_ids)

    @property
    def bos(self) -> int:
        """The token that opens a history."""
        bos = self.tokenizer.bos_token_id
        return self.tokenizer.eos_token_id if bos is None else bos

    def view(self, corpus: Corpus) -> CorpusView:
        """``corpus`` as this model's prompts show it, its items written as the model knows them."""
        ids, written = item_strings(self.layout.codes), self.settings.prompts.items
        plain = literal_for(self.tokenizer)
        return CorpusView(corpus, item_names(written, ids, corpus.catalog.titles, plain))

    def histories(self, histories: Histories) -> list[np.ndarray]:
        """B prompts, token ids: the latest events of each history as this model reads them."""
        start = np.array([self.bos])
        return [
            np.concatenate([start, tokens]) if self.settings.opens or not len(tokens) else tokens
            for tokens in self.layout.histories(histories.tail(self.settings.window))
        ]

    def rated_histories(self) -> RatedHistories:
        """How this model reads a history with its ratings."""
        return RatedHistories(self.layout, self.tokenizer, self.settings.scale, self.bos)

    def ready(self, precision: str = "float32") -> Bundle:
        """This bundle for answering: in eval mode, on the GPU if there is one, in ``precision``.

        float32 is the default because lists must not depend on which requests share a batch.
        """
        self.model.eval()
        if not quantised(self.model.causal):
            self.model.lm.to(dtype=getattr(torch, precision))  # the heads stay in float32
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        if self.model.device.type == "cpu" and not self.model.seq2seq:
            shorten(self.model.causal)
        return self


def build(
    settings: BundleSettings,
    codes: ItemCodes,
    item_ids: Sequence[str],
    prompts: dict[str, Any] | None = None,
    *,
    empty: bool = False,
    download: bool = False,
) -> Bundle:
    """A bundle before training.

    Args:
        empty, download: let the language model have shapes alone, and fetch it where it is not on
            this machine (see :func:`load_backbone`).
    """
    done = settings.behaviours
    words = [*token_strings(codes.sizes), *(f"<behaviour_{n}>" for n in range(len(done)))]
    backbone = load_backbone(
        settings.backbone, words, settings.seed, settings.below, empty=empty, download=download
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(settings.seed, "heads"))
        model = MultitaskModel(
            backbone,
            codes,
            settings.backbone,
            settings.scale,
            heads=settings.heads,
            item_head=settings.item_head,
        ).eval()
    merged = settings.backbone.items == "positions"
    layout = CodeLayout(codes, backbone.first_new, done, merged)
    return Bundle(model, backbone.tokenizer, layout, settings, item_ids, prompts or {})


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Every trainable weight by name, each shared one once."""
    return {
        name: parameter.detach().contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def load_trainable(model: nn.Module, state: dict[str, Tensor], source: Path) -> None:
    """Fills trainable weights of ``model`` with ``state``.

    Raises:
        UserError: ``state`` does not hold exactly the trainable weights.
    """
    if differ := state.keys() ^ trainable_state(model).keys():
        got = f"others ({', '.join(sorted(differ)[:3])})"
        raise fault(source, "this model's weights", got, "train again with this configuration")
    try:
        model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        got = str(error).splitlines()[-1].strip()
        raise fault(source, "weights of this shape", got, "train again") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises a class of its own
        raise fault(path, "a whole safetensors file", str(error), "train again") from None


def save_bundle(bundle: Bundle, folder: Path, about: dict[str, Any] | None = None) -> None:
    """Writes the bundle into ``folder``, its manifest last.

    Args:
        about: whatever else the manifest should say (tasks, steps, prompt versions).
    """
    folder.mkdir(parents=True, exist_ok=True)
    lm = bundle.model.lm
    adapter = set()
    if is_adapted(lm):
        lm.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
        adapter = {name for name, _ in bundle.model.named_parameters() if "lora_" in name}
    state = trainable_state(bundle.model)
    save_file({n: t for n, t in state.items() if n not in adapter}, folder / WEIGHTS)
    bundle.tokenizer.save_pretrained(str(folder / "tokenizer"))
    save_codes(bundle.layout.codes, folder / "codes", bundle.item_ids)
    write_json(folder / PROMPTS, bundle.prompts)
    own = [folder / name for name in PARTS]
    files = sorted(p for part in own for p in (part, *part.rglob("*")) if p.is_file())
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
    """How the bundle in ``folder`` was built and what its manifest says about it, every file
    checked against its hash.

    Raises:
        UserError: a file is missing, damaged, or not what the manifest says.
    """
    if not (folder / MANIFEST).is_file():
        raise fault(folder, "a trained model's folder", f"no {MANIFEST}", "check the path")
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not all(
        isinstance(manifest.get(key), dict) for key in ("files", "settings")
    ):
        raise fault(folder / MANIFEST, "a manifest", "another file", "train again")
    broken = [n for n, h in manifest["files"].items() if not _intact(folder / n, h)]
    if broken:
        raise UserError(
            *(f"{folder / n}: expected the file that was saved, got a missing or changed one; "
              "copy the folder anew or train again" for n in broken)
        )  # fmt: skip
    settings = bind(BundleSettings, manifest["settings"], {}, folder / MANIFEST)
    return settings, manifest.get("about", {})


def network(folder: Path) -> str:
    """A short hash of the trained network in ``folder``.

    Raises:
        UserError: a file is missing, damaged, or not what the manifest says.
    """
    settings, about = read_settings(folder)
    return digest([settings.dump(), read_json(folder / MANIFEST)["files"], about])


def load_bundle(folder: Path, ids: Path | None = None, *, download: bool = False) -> Bundle:
    """The bundle in ``folder``, every file checked against its hash.

    Args:
        ids: a folder of codes that extend the model's own (``p5rec ids extend``): it then ranks
            their items. A new item has what its codes say and, where items have rows of their own,
            a row of zeros.
        download: whether a backbone that it names may be fetched; nothing else ever is.

    Raises:
        UserError: a file is missing, damaged, or not what the manifest says; its backbone is not
            on this machine and may not be downloaded; or ``ids`` give an
            item of the model other codes.
    """
    settings, _ = read_settings(folder)
    known, taught = load_item_ids(folder / "codes"), load_codes(folder / "codes")
    item_ids, codes = (known, taught) if ids is None else (load_item_ids(ids), load_codes(ids))
    bundle = build(settings, codes, item_ids, read_json(folder / PROMPTS), download=download)
    state = read_tensors(folder / WEIGHTS)
    if ids is not None:
        row_of = rows_among(item_ids, known)
        if wrong := unlike(codes, taught, row_of):
            raise fault(ids, *wrong)
        if ROWS in state:
            state[ROWS] = placed(state[ROWS], row_of)
    if settings.backbone.lora is not None:
        names = stack_names(len(settings.below) + 1)
        load_adapters(bundle.model.lm, folder, dict(zip(names, names, strict=True)))
        state |= {n: t for n, t in trainable_state(bundle.model).items() if "lora_" in n}
    load_trainable(bundle.model, state, folder / WEIGHTS)
    return bundle


def load_adapters(lm: Any, folder: Path, names: Mapping[str, str]) -> None:
    """Fills adapters of ``lm`` with those of the bundle in ``folder``.

    Args:
        names: an adapter in the bundle → the one in ``lm``.
    """
    from peft import set_peft_model_state_dict

    for saved, name in names.items():
        inner = "adapter" if saved == LAST else f"adapter/{saved}"
        tensors = read_tensors(folder / inner / "adapter_model.safetensors")
        set_peft_model_state_dict(lm, tensors, name)


def placed(rows: Tensor, row_of: np.ndarray, others: Tensor | None = None) -> Tensor:
    """``(N, D)``: ``rows`` at ``row_of (N,)``; where that is -1 those of ``others (N, D)``, or
    zeros."""
    out = torch.zeros(len(row_of), rows.shape[1]) if others is None else others.detach().clone()
    out[row_of >= 0] = rows[row_of[row_of >= 0]]
    return out


def unlike(codes: ItemCodes, taught: ItemCodes, row_of: np.ndarray) -> tuple[str, str, str] | None:
    """Why ``codes`` do not extend those that a model was taught; None: they do.

    Args:
        row_of: ``(N,)`` the row in the model's table of each item of ``codes``, -1 for new ones.

    Returns:
        What is expected, what there is, and what to do.
    """
    kept = row_of >= 0
    if codes.sizes != taught.sizes or codes.tied != taught.tied:
        return (
            f"levels of {', '.join(map(str, taught.sizes))} codes, as the model's",
            ", ".join(map(str, codes.sizes)),
            "extend the codes that it was trained with",
        )
    other = int((codes.codes[kept] != taught.codes[row_of[kept]]).any(axis=1).sum())
    if other or not kept.any():
        return (
            "the model's items with the codes it was taught",
            f"{other} with others" if other else "none of its items",
            "extend the codes that it was trained with (RUN_FOLDER/models/METHOD/codes)",
        )
    return None


def _intact(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256
