"""The language model of APA reads prompts: their embeddings, and the probability of yes.

B prompts, T tokens, D width, K adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from p5rec.backbones.adapter_bank import AdapterBank, Level, add_bank, scale_of
from p5rec.backbones.control_tokens import literal_for
from p5rec.backbones.load import load_backbone
from p5rec.core.errors import input_error
from p5rec.core.examples import Example
from p5rec.models.inputs import fit_prompt, pad
from p5rec.models.language import LanguageModel, OpenedModel
from p5rec.recommend.batching import equal_blocks

from .examples import WORDS
from .settings import TASK, ApaSettings, PromptText


@dataclass(frozen=True, eq=False)
class PromptReader:
    """A language model that reads prompts, with a bank of adapters or without.

    Forward passes have one shape for prompts of about one length, so a prediction does not depend
    on the others.

    Attributes:
        opened: the model, ready to predict, and its vocabulary.
        text: the form of the prompts.
        by_tokens: whether embeddings are those of the tokens alone.
        bank: the adapters in the model; None: it has none.
    """

    opened: OpenedModel
    text: PromptText
    by_tokens: bool
    bank: AdapterBank | None = None

    def tokens(self, prompts: Sequence[str]) -> list[np.ndarray]:
        """The token ids ``(T,)`` of each of B prompts."""
        tokenizer, escape = self.opened.vocabulary.tokenizer, self._literal
        asked = (example(prompt, self.text, escape) for prompt in prompts)
        return [fit_prompt(tokenizer, each, self.text.max_tokens).ids for each in asked]

    @torch.inference_mode()
    def embeddings(self, tokens: Sequence[np.ndarray]) -> np.ndarray:
        """``(B, D)`` float32 unit vectors of prompts in the model without adapters.

        The mean over the positions of a prompt; the paper's "hidden representation" names no
        position.
        """
        model, width = self.opened.model, self.opened.model.traits.width
        out = np.empty((len(tokens), width), np.float32)
        for rows, ids, real in self._blocks(tokens):
            embedded, _ = model.embed(ids)
            states = embedded if self.by_tokens else model.states(inputs_embeds=embedded)
            sums = (states.float() * real[..., None]).sum(1)
            out[rows] = normalize(sums, dim=1)[: len(rows)].cpu().numpy()
        return out

    @torch.inference_mode()
    def yes(
        self,
        tokens: Sequence[np.ndarray],
        weights: np.ndarray | None = None,
        level: Level = "products",
    ) -> np.ndarray:
        """``(B,)`` float32: the probability of yes after each prompt, where the answer is yes or
        no. Only the first token of each word is read.

        Args:
            tokens: B prompts.
            weights: ``(B, K)`` of the adapters; None: the model without them.
            level: what is mixed.
        """
        model, out = self.opened.model, np.empty(len(tokens), np.float32)
        for rows, ids, real in self._blocks(tokens):
            context = nullcontext()
            if weights is not None:
                assert self.bank is not None, "weights need adapters"
                filled = rows[np.minimum(np.arange(len(ids)), len(rows) - 1)]
                context = self.bank.mixed(  # type: ignore[assignment]
                    torch.from_numpy(weights[filled]).to(model.device), level
                )
            with context:
                embedded, _ = model.embed(ids)
                states = model.states(inputs_embeds=embedded)
            ends = states[torch.arange(len(ids)), real.sum(1) - 1]
            logits = model.causal.get_output_embeddings()(ends).float()
            no, yes = logits[:, self._answers].unbind(1)
            out[rows] = (yes - no).sigmoid()[: len(rows)].cpu().numpy()
        return out

    def _blocks(self, tokens: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
        """Prompts in blocks of one shape: their rows ``(b,)``, ids and bool mask of the real ones;
        the last prompt of a block fills it up."""
        filler, device = self.opened.vocabulary.pad, self.opened.model.device
        lengths = np.array([len(each) for each in tokens], np.int64)
        for rows, size, width in equal_blocks(lengths):
            filled = rows[np.minimum(np.arange(size), len(rows) - 1)]
            padded = [np.pad(tokens[row], (0, width - lengths[row]), constant_values=filler)
                      for row in filled]  # fmt: skip
            ids, _ = pad(padded, filler)
            real = torch.arange(width) < torch.from_numpy(lengths[filled])[:, None]
            yield rows, ids.to(device), real.to(device)

    @cached_property
    def _literal(self) -> Callable[[str], str]:
        return literal_for(self.opened.vocabulary.tokenizer)

    @cached_property
    def _answers(self) -> list[int]:
        """The first tokens of no and yes."""
        tokenizer = self.opened.vocabulary.tokenizer
        first = [tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in WORDS]
        if first[0] == first[1]:
            raise input_error(
                "backbone", "answers with different first tokens", "equal ones", "take another one"
            )
        return first


def example(prompt: str, text: PromptText, escape: Callable[[str], str], label: int = 0) -> Example:
    """A prompt with its answer, as training and queries read it."""
    return Example(escape(prompt), WORDS[label], TASK, TASK, system=text.system)


def open_reader(
    method: ApaSettings,
    seed: int,
    matrices: Mapping[str, Tensor] | None = None,
    *,
    download: bool,
) -> PromptReader:
    """The language model of ``method``.

    Args:
        method: the settings.
        seed: of random weights, if the backbone has some.
        matrices: of K adapters (:func:`p5rec.backbones.adapter_bank.stacked`); None: none.
        download: whether the backbone may be downloaded.

    Raises:
        UserError: see :func:`p5rec.backbones.load.load_backbone`; or the network has an encoder.
    """
    plain = method.backbone.model_copy(update={"lora": None})
    backbone = load_backbone(plain, (), seed, download=download)
    model, bank = LanguageModel(backbone), None
    if model.seq2seq:
        raise input_error("backbone", "a decoder", "an encoder and a decoder", "take another one")
    if matrices is not None:
        assert method.backbone.lora is not None, "the config was checked"
        bank = add_bank(backbone.causal, matrices, scale_of(method.backbone.lora))
    model.ready("float32")
    opened = OpenedModel(model, backbone.vocabulary)
    return PromptReader(opened, method.prompt, method.similarity == "tokens", bank)
