"""The rank correlation of codebook metrics and results, and when it is reported."""

from __future__ import annotations

from p5rec.evaluate.agreement import next_item_information, sentence
from p5rec.methods.generative.method import Generative

BITS = {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.9, "e": None}


def methods(**changes: dict) -> dict[str, Generative]:
    return {name: Generative(ids=name, **changes.get(name, {})) for name in BITS}


def test_methods_that_differ_in_their_ids_alone_are_compared() -> None:
    assert next_item_information(methods(), BITS) == {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.9}
    other = methods(b={"train": {"steps": 7}})
    assert next_item_information(other, BITS) == {}
    few = {name: method for name, method in methods().items() if name in "abc"}
    assert next_item_information(few, BITS) == {}


def test_the_rank_correlation_is_in_the_sentence() -> None:
    bits = {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.9}
    same = sentence(bits, {"a": 1, "b": 3, "c": 2, "d": 4, "z": 0}, "NDCG@10 (valid)")
    assert "Over 4 sets of codes" in same
    assert "rank correlation of 1.00 with NDCG@10 (valid)" in same
    assert "rank correlation of -1.00" in sentence(bits, {"a": 4, "b": 2, "c": 3, "d": 1}, "x")
