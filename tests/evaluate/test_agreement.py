"""What codes promise against what models make of them, and when that is worth a word."""

from __future__ import annotations

from p5rec.evaluate.agreement import sentence, told_by_ids
from p5rec.methods.generative.method import Generative

BITS = {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.9, "e": None}


def methods(**changes: dict) -> dict[str, Generative]:
    return {name: Generative(ids=name, **changes.get(name, {})) for name in BITS}


def test_methods_that_differ_in_their_ids_alone_are_compared() -> None:
    assert told_by_ids(methods(), BITS) == {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.9}
    other = methods(b={"train": {"steps": 7}})
    assert told_by_ids(other, BITS) == {}
    few = {name: method for name, method in methods().items() if name in "abc"}
    assert told_by_ids(few, BITS) == {}


def test_the_rank_correlation_is_told() -> None:
    told = {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.9}
    same = sentence(told, {"a": 1, "b": 3, "c": 2, "d": 4, "z": 0}, "NDCG@10 (valid)")
    assert "Over 4 sets of codes" in same
    assert "as their NDCG@10 (valid) does: rank correlation 1.00" in same
    assert "rank correlation -1.00" in sentence(told, {"a": 4, "b": 2, "c": 3, "d": 1}, "x")
