"""Zero-shot scoring by likelihood. B instances, N items, T tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from p5rec.backbones.control_tokens import literal_for
from p5rec.backbones.load import load_backbone
from p5rec.core.artefacts import Lineage, read_json, write_json
from p5rec.core.types import Corpus, Histories, check_rows
from p5rec.models.language import LanguageModel, OpenedModel
from p5rec.prompting.template import fill

from .segments import tokens
from .settings import ZeroShotSettings

TITLES, BATCH, MOST = "titles.json", 16, 512
NOTHING = "various things"  # an empty history


@dataclass(frozen=True, eq=False)
class ZeroShotPredictor:
    """Scores an item by the mean log-likelihood of the tokens of its title after a text about the
    history, minus that after a neutral text. The probability is the sigmoid of the score.

    Attributes:
        method: the settings.
        titles: N titles.
        download: whether the backbone may be downloaded.
        lineage: no events.
    """

    method: ZeroShotSettings
    titles: Sequence[str]
    download: bool = True
    lineage: Lineage | None = None

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsClicks`.

        Raises:
            ValueError: item rows outside the data.
        """
        check_rows("item", items, len(self.titles))
        prompts = self._prompts(histories)
        after = self.likelihoods(prompts, items)
        distinct, at = np.unique(items, return_inverse=True)
        neutral = self.likelihoods([self.method.neutral] * len(distinct), distinct)
        scores = torch.from_numpy(after - neutral[at])
        return scores.sigmoid().numpy()

    @torch.inference_mode()
    def likelihoods(self, prompts: Sequence[str], items: np.ndarray) -> np.ndarray:
        """``(B,)`` float32: the mean log-likelihood of the tokens of each title after its
        prompt."""
        out, tokenizer = np.empty(len(items), np.float32), self._opened.vocabulary.tokenizer
        before = tokens(tokenizer, prompts, MOST)
        titles = tokens(tokenizer, [" " + self._literal[item] for item in items], MOST)
        bos = self._opened.vocabulary.bos
        ids = [[bos, *one, *other] for one, other in zip(before, titles, strict=True)]
        lengths = np.array([len(each) for each in ids])
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            for start in range(0, len(same), BATCH):
                rows = same[start : start + BATCH]
                filled = rows[np.minimum(np.arange(BATCH), len(rows) - 1)]
                counts = torch.tensor([len(titles[row]) for row in filled])
                logs = self._token_logs(torch.tensor([ids[row] for row in filled]))
                asked = torch.arange(length - 1) >= length - 1 - counts[:, None]
                means = (logs * asked).sum(1) / counts
                out[rows] = means[: len(rows)].numpy()
        return out

    def _token_logs(self, ids: Tensor) -> Tensor:
        """``(B, T - 1)`` the log-likelihood of each token ``(B, T)`` after those before it."""
        model = self._opened.model
        embedded, _ = model.embed(ids[:, :-1])
        states = model.states(inputs_embeds=embedded)
        logits = model.causal.get_output_embeddings()(states).float()
        return logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]

    def _prompts(self, histories: Histories) -> list[str]:
        """The text about each history."""
        liked = histories if histories.labels is None else histories.where(histories.labels != 0)
        recent = liked.tail(self.method.history)
        shown = [", ".join(self._literal[item] for item in recent[b]) for b in range(len(recent))]
        return [fill(self.method.prompt, {"history": each or NOTHING}) for each in shown]

    @cached_property
    def _literal(self) -> list[str]:
        return [*map(literal_for(self._opened.vocabulary.tokenizer), self.titles)]

    @cached_property
    def _opened(self) -> OpenedModel:
        plain = self.method.backbone.model_copy(update={"lora": None})
        backbone = load_backbone(plain, (), 0, download=self.download)
        model = LanguageModel(backbone)
        model.ready(self.method.precision)
        return OpenedModel(model, backbone.vocabulary)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        write_json(folder / TITLES, list(self.titles))


def load(method: ZeroShotSettings, folder: Path, *, download: bool) -> ZeroShotPredictor:
    """The predictor that :meth:`ZeroShotPredictor.save` wrote."""
    return ZeroShotPredictor(method, read_json(folder / TITLES), download)


def fit(method: ZeroShotSettings, corpus: Corpus, folder: Path) -> Lineage:
    """Saves the titles; nothing is trained."""
    ZeroShotPredictor(method, corpus.catalog.titles).save(folder)
    return Lineage.none()
