"""Text from a model, the likeliest word at each step.

B requests, T tokens of a prompt, n tokens of the longest answer.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LogitsProcessorList

from .multitask import MultitaskModel
from .scorer import prompt_reader
from .words import Speaking


def write_tokens(
    model: MultitaskModel,
    prompts: tuple[Tensor, Tensor],
    rules: LogitsProcessorList,
    *,
    most: int,
    end: int,
    filler: int,
) -> Tensor:
    """``(B, n)``: the answers' tokens, filled up with ``filler`` after ``end``.

    A network that has no ``generate`` of its own is read word by word.

    Args:
        model: in eval mode.
        prompts: ids and mask, ``(B, T)``.
        rules: what may be written: tokens so far and their scores → scores.
        most: tokens of an answer.
    """
    if not hasattr(model.causal, "generate"):
        return _word_by_word(model, prompts, rules, most=most, end=end, filler=filler)
    embedded, at = model.embed(*prompts, at_end=True)
    # every knob is set here, so that no checkpoint's own settings reach in
    answers: Tensor = model.causal.generate(
        inputs_embeds=embedded,
        attention_mask=at.real.long(),
        logits_processor=rules,
        max_new_tokens=most,
        do_sample=False,
        num_beams=1,
        use_cache=True,
        eos_token_id=end,
        pad_token_id=filler,
    )
    return answers


def _word_by_word(
    model: MultitaskModel,
    prompts: tuple[Tensor, Tensor],
    rules: LogitsProcessorList,
    *,
    most: int,
    end: int,
    filler: int,
) -> Tensor:
    reader = prompt_reader(model, *prompts)
    speaking = Speaking(model, reader, reader.read())
    logits = speaking.read()
    said = torch.empty(len(logits), 0, dtype=torch.int64, device=logits.device)
    done = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    alone = torch.zeros(len(logits), 1, dtype=torch.int64, device=logits.device)
    while True:
        word = rules(said, logits.float()).argmax(-1).masked_fill(done, filler)
        said, done = torch.cat([said, word[:, None]], dim=1), done | (word == end)
        if said.shape[1] == most or bool(done.all()):
            return said
        logits = speaking.follow({"input_ids": word[:, None]}, alone)[:, 0]
