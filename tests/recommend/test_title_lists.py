"""Lists that models write with a cache, against complete passes over prompt and list."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import llama, make_bundle, save_gpt2, save_llama, save_t5, scratch

from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.models.bundle import Bundle
from p5rec.models.scorer import prompt_reader
from p5rec.models.title_lines import LINE, LineScorer, title_lines
from p5rec.recommend.title_lists import write_lists

pytestmark = pytest.mark.system("palr")

TITLES = ["Alien", "Aliens", "Alien 3", "Brazil", "Big", "Zulu"]
PROMPTS = ["Next?\n", "After Big, these:\n", "What else do you recommend to somebody?\n"]


@pytest.fixture(scope="module", params=["llama", "gpt2", "t5", "scratch"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("model")
    saved = {"llama": save_llama, "gpt2": save_gpt2, "t5": save_t5}
    kind = request.param
    backbone = scratch() if kind == "scratch" else llama(saved[kind](folder))
    made = make_bundle(backbone).ready()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # so that scores differ as in a trained model
        for parameter in made.model.causal.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made


def ids_of(bundle: Bundle, text: str) -> np.ndarray:
    return np.array(bundle.tokenizer(text, add_special_tokens=False)["input_ids"])


@torch.inference_mode()
def expected(bundle: Bundle, prompt: np.ndarray, items: list[int], own: set[int]) -> list[float]:
    """The log-probability of each title of a list, each from one pass over all that precedes."""
    lines, left, out = [ids_of(bundle, LINE.format(title)) for title in TITLES], set(own), []
    written: list[int] = []
    for item in items:
        total = 0.0
        for depth, token in enumerate(lines[item].tolist()):
            possible = [
                i for i in left if lines[i][:depth].tolist() == lines[item][:depth].tolist()
            ]
            following = sorted({int(lines[i][depth]) for i in possible})
            if bundle.model.seq2seq:
                ids = torch.from_numpy(prompt)[None]
                scorer = LineScorer(bundle.model, prompt_reader(bundle.model, ids, ids * 0 + 1))
                for past in written:
                    scorer.step(torch.tensor([[past]]), torch.zeros(1, 1, dtype=torch.int64))
            else:
                ids = torch.tensor([[*prompt.tolist(), *written]])
                scorer = LineScorer(bundle.model, prompt_reader(bundle.model, ids, ids * 0 + 1))
            logits = scorer.logits(torch.ones(1, 1, dtype=torch.bool))[0, following]
            total += float(logits.log_softmax(0)[following.index(token)])
            written.append(token)
        out.append(total)
        left.remove(item)
    return out


@pytest.mark.parametrize("beams", [1, 3])
def test_lists_are_distinct_and_scored_like_complete_passes(bundle: Bundle, beams: int) -> None:
    own = [{0, 1, 2, 4}, {0, 3}, {5, 2, 1}]
    prompts = [ids_of(bundle, prompt) for prompt in PROMPTS]
    tree = title_lines(bundle.tokenizer, TITLES)
    allowed = Allowed(allow=ItemLists.joined([[*each] for each in own]))
    lists = write_lists(bundle, prompts, tree, 3, allowed, beams=beams, batch_tokens=64)
    for row, possible in enumerate(own):
        items = [item for item in lists.items[row].tolist() if item >= 0]
        assert len(items) == len({*items} & possible) == min(3, len(possible))
        scores = expected(bundle, prompts[row], items, possible)
        assert lists.scores[row, : len(items)].tolist() == pytest.approx(scores, abs=2e-4)
        text = "".join(LINE.format(TITLES[item]) for item in items)
        assert lists.new_tokens[row] == len(ids_of(bundle, text))
    assert lists.prompt_tokens.tolist() == [*map(len, prompts)]
    assert (lists.seconds > 0).all()


def test_more_beams_find_no_worse_lists(bundle: Bundle) -> None:
    prompts = [ids_of(bundle, prompt) for prompt in PROMPTS]
    tree = title_lines(bundle.tokenizer, TITLES)
    totals = [
        write_lists(bundle, prompts, tree, 2, Allowed(), beams=beams, batch_tokens=500).scores.sum()
        for beams in (1, 60)
    ]
    assert totals[1] >= totals[0] - 1e-4
