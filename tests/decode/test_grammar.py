"""Grammars against regular expressions, and text generated under a grammar."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from p5rec.backbones.scratch import byte_tokenizer
from p5rec.decode.grammar import (
    Grammar,
    any_of,
    choice,
    in_order,
    integer,
    json_object,
    literal,
    string,
    text,
)
from p5rec.decode.grammar_processor import GrammarLogitsProcessor, TokenBytes

GRAMMARS = {
    r"(yes|no|yesterday)": choice(["yes", "no", "yesterday"]),
    r"(?:[7-9]|1[0-2])": integer(7, 12),
    r"a(?:b|c){0}x|ax?": any_of(literal("ax"), literal("a")),
    r'"(?:[^"\\\x00-\x1f\x7f]|\\["\\/nt]){0,5}"': string(5),
    r"[^ \x00-\x1f\x7f]{1,3} né": in_order(text(3, without=" "), literal(" né")),
}


@given(
    expression=st.sampled_from(sorted(GRAMMARS)),
    text_=st.text(alphabet='yesnotrda0123456789abcx"\\/ é語🎬', max_size=8),
)
def test_a_grammar_matches_like_its_regular_expression(expression: str, text_: str) -> None:
    matches = Grammar.of(GRAMMARS[expression]).matches(text_)
    assert matches == (re.fullmatch(expression, text_) is not None)


@pytest.mark.parametrize("choice_", ["yes", "no", "yesterday"])
def test_choices_match_completely(choice_: str) -> None:
    grammar = Grammar.of(GRAMMARS[r"(yes|no|yesterday)"])
    assert grammar.matches(choice_)
    assert not grammar.matches(choice_[:-1] + "?")


def generated(grammar: Grammar, seed: int, most: int = 200) -> str:
    """Text that a random model generates under a grammar, byte by byte."""
    tokenizer = byte_tokenizer()
    end, vocabulary = tokenizer.eos_token_id, len(tokenizer) + 3
    processor = GrammarLogitsProcessor(grammar, TokenBytes(tokenizer, vocabulary), 2, end)
    generator = torch.Generator().manual_seed(seed)
    tokens = [5, 6]  # the prompt
    for _ in range(most):
        scores = torch.randn(2, vocabulary, generator=generator)
        both = processor(torch.tensor([tokens, tokens]), scores)
        assert torch.equal(both[0].isfinite(), both[1].isfinite())
        token = int(both[0].argmax())
        assert both[0, token].isfinite()
        if token == end:
            break
        tokens.append(token)
    return tokenizer.decode(tokens[2:])


@pytest.mark.parametrize("seed", range(8))
def test_a_random_model_generates_valid_json(seed: int) -> None:
    fields = {"rating": integer(1, 5), "mood": choice(['"good"', "null"]), "why": string(9)}
    record = json.loads(generated(Grammar.of(json_object(fields)), seed))
    assert list(record) == ["rating", "mood", "why"]
    assert record["rating"] in range(1, 6)
    assert record["mood"] in ("good", None)


def test_after_the_end_only_the_end_token_is_allowed() -> None:
    tokenizer = byte_tokenizer()
    end = tokenizer.eos_token_id
    words = TokenBytes(tokenizer, len(tokenizer))
    processor = GrammarLogitsProcessor(Grammar.of(choice(["a"])), words, 0, end)
    a = tokenizer("a", add_special_tokens=False)["input_ids"][0]
    for tokens, allowed in (([], a), ([a], end), ([a, end], end)):
        ids = torch.tensor([tokens], dtype=torch.long)
        scores = processor(ids, torch.zeros(1, len(tokenizer)))
        assert scores[0].isfinite().nonzero()[:, 0].tolist() == [allowed]


def test_tokens_of_several_bytes_must_match_completely() -> None:
    grammar = Grammar.of(choice(["yes", "no"]))
    tokens = [b"y", b"ye", b"yes", b"es", b"no!", b"n", b""]
    table = np.zeros((7, 3), dtype=np.uint8)
    for row, token in enumerate(tokens):
        table[row, : len(token)] = list(token)
    lengths = np.array([len(t) for t in tokens])
    reached = grammar.after(0, table, lengths)
    assert (reached >= 0).tolist() == [True, True, True, False, False, True, False]
    assert grammar.ends[reached[2]]


@pytest.mark.parametrize("bad", [lambda: choice([]), lambda: integer(3, 2)])
def test_empty_choices_are_errors(bad) -> None:
    with pytest.raises(ValueError, match="expected"):
        bad()
