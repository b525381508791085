"""Grammars of generated text (choices, numbers, text, JSON) as finite automata.

S states, V tokens. A grammar is a table from state and byte to the next state. Running the bytes of
all tokens through the table gives the allowed next tokens of a state (after Willard & Louf 2023,
*Efficient guided generation for large language models*, arXiv 2307.09702).

    Grammar.of(choice(["yes", "no"]))
    Grammar.of(json_object({"rating": integer(1, 5), "why": string(120)}))
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

PLAIN = frozenset(range(0x20, 0x7F))  # ASCII without control characters
MOST_STATES = 20_000


@dataclass(frozen=True)
class Piece:
    """A grammar expression: a byte set, a sequence, alternatives, or a repetition.

    Attributes:
        kind: ``bytes``, ``in order``, ``any of`` or ``repeat``.
        bytes: the byte set of kind ``bytes``.
        children: the sub-expressions.
        least, most: number of repetitions of the one child.
    """

    kind: str
    bytes: frozenset[int] = frozenset()
    children: tuple[Piece, ...] = ()
    least: int = 1
    most: int = 1


def literal(text: str) -> Piece:
    """Exactly ``text``."""
    return in_order(*(Piece("bytes", frozenset([byte])) for byte in text.encode()))


def in_order(*pieces: Piece) -> Piece:
    """One after the other."""
    return Piece("in order", children=pieces)


def any_of(*pieces: Piece) -> Piece:
    """One of them."""
    return Piece("any of", children=pieces)


def choice(texts: Iterable[str]) -> Piece:
    """One of ``texts``.

    Raises:
        ValueError: there is none.
    """
    pieces = [literal(text) for text in texts]
    if not pieces:
        raise ValueError("expected at least one text to choose from, got none")
    return any_of(*pieces)


def integer(low: int, high: int) -> Piece:
    """An integer from ``low`` to ``high``; at most 10,000 values."""
    if not 0 <= high - low < 10_000:
        raise ValueError(f"expected low <= high < low + 10,000, got {low} and {high}")
    return choice(str(n) for n in range(low, high + 1))


def character(without: str = "") -> Piece:
    """One UTF-8 character (RFC 3629, section 4) that is no ASCII control and not in ``without``.

    Args:
        without: excluded ASCII characters.
    """
    follows = _between(0x80, 0xBF)
    return any_of(
        Piece("bytes", PLAIN - frozenset(without.encode())),
        in_order(_between(0xC2, 0xDF), follows),
        in_order(_between(0xE0, 0xE0), _between(0xA0, 0xBF), follows),
        in_order(_between(0xE1, 0xEC), follows, follows),
        in_order(_between(0xED, 0xED), _between(0x80, 0x9F), follows),
        in_order(_between(0xEE, 0xEF), follows, follows),
        in_order(_between(0xF0, 0xF0), _between(0x90, 0xBF), follows, follows),
        in_order(_between(0xF1, 0xF3), follows, follows, follows),
        in_order(_between(0xF4, 0xF4), _between(0x80, 0x8F), follows, follows),
    )


def text(most: int, without: str = "") -> Piece:
    """1 to ``most`` characters, none of them in ``without``."""
    return Piece("repeat", children=(character(without),), most=most)


def string(most: int) -> Piece:
    """A JSON string of at most ``most`` characters, quotes and backslashes escaped."""
    escaped = in_order(literal("\\"), Piece("bytes", frozenset(b'"\\/nt')))
    one = any_of(character(without='"\\'), escaped)
    inner = Piece("repeat", children=(one,), least=0, most=most)
    return in_order(literal('"'), inner, literal('"'))


def json_object(fields: Mapping[str, Piece]) -> Piece:
    """A JSON object with these fields in this order, with the spacing of ``json.dumps``."""
    pieces, opening = [], "{"
    for name, value in fields.items():
        pieces += [literal(f"{opening}{json.dumps(name)}: "), value]
        opening = ", "
    return in_order(*pieces, literal("}" if fields else "{}"))


def json_list(entry: Piece, most: int) -> Piece:
    """A JSON array of 1 to ``most`` entries, with the spacing of ``json.dumps``."""
    more = Piece("repeat", children=(in_order(literal(", "), entry),), least=0, most=most - 1)
    return in_order(literal("["), entry, more, literal("]"))


def _between(low: int, high: int) -> Piece:
    return Piece("bytes", frozenset(range(low, high + 1)))


@dataclass(frozen=True, eq=False)
class Grammar:
    """A deterministic automaton over bytes; state 0 is the start.

    Attributes:
        table: ``(S, 256)`` int32, the next state; -1: none.
        ends: ``(S,)`` bool, whether the text may end in this state.
    """

    table: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, piece: Piece) -> Grammar:
        """The automaton of ``piece``, by the subset construction.

        Raises:
            ValueError: the automaton has more than 20,000 states.
        """
        built = _Nfa()
        end = built.add(piece, 0)
        start = built.closed([0])
        number, todo = {start: 0}, [start]
        rows: list[np.ndarray] = []
        while todo:
            states = todo.pop()
            row = np.full(256, -1, dtype=np.int32)
            moves: dict[int, set[int]] = {}
            for state in states:
                for bytes_, target in built.moves.get(state, ()):
                    for byte in bytes_:
                        moves.setdefault(byte, set()).add(target)
            seen: dict[frozenset[int], frozenset[int]] = {}
            for byte, targets in moves.items():
                reached = frozenset(targets)
                if reached not in seen:
                    seen[reached] = built.closed(reached)
                closed = seen[reached]
                if closed not in number:
                    number[closed] = len(number)
                    todo.append(closed)
                row[byte] = number[closed]
            while len(rows) < len(number):
                rows.append(np.full(256, -1, dtype=np.int32))
            rows[number[states]] = row
            if len(number) > MOST_STATES:
                raise ValueError(f"expected a grammar of at most {MOST_STATES:,} states")
        ends = np.zeros(len(number), dtype=bool)
        for states, n in number.items():
            ends[n] = end in states
        return cls(np.stack(rows), ends)

    def walk(self, text: bytes, state: int = 0) -> int:
        """The state after ``text`` from ``state``; -1 if the grammar does not match."""
        for byte in text:
            if state < 0:
                break
            state = int(self.table[state, byte])
        return state

    def matches(self, text: str) -> bool:
        """Whether the grammar matches all of ``text``."""
        state = self.walk(text.encode())
        return state >= 0 and bool(self.ends[state])

    def followed_by(self, other: Grammar) -> Grammar:
        """This grammar, then ``other``.

        Raises:
            ValueError: a text of this grammar is the beginning of another.
        """
        if (self.table[self.ends] >= 0).any():
            raise ValueError("expected texts of which none begins another")
        offset = len(self.table)
        moved = np.where(other.table >= 0, other.table + offset, -1).astype(np.int32)
        table = np.concatenate([self.table, moved])
        table[:offset][self.ends] = moved[0]
        ends = np.concatenate([np.zeros(offset, dtype=bool), other.ends])
        ends[:offset][self.ends] = other.ends[0]
        return Grammar(table, ends)

    def after(self, state: int, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """``(V,)``: the state after each token from ``state``; -1: the token is not allowed.

        Args:
            tokens: ``(V, W)`` uint8, the bytes of each token.
            lengths: ``(V,)``; a token without bytes is never allowed.
        """
        reached = np.where(lengths > 0, state, -1)
        for column in range(tokens.shape[1]):
            live = np.flatnonzero((reached >= 0) & (lengths > column))
            if not len(live):
                break
            reached[live] = self.table[reached[live], tokens[live, column]]
        return reached


class _Nfa:
    """Thompson's construction: transitions over bytes, and epsilon transitions."""

    def __init__(self) -> None:
        self.states = 1
        self.moves: dict[int, list[tuple[frozenset[int], int]]] = {}
        self.free: dict[int, list[int]] = {}

    def new(self) -> int:
        self.states += 1
        return self.states - 1

    def add(self, piece: Piece, start: int) -> int:
        """Adds ``piece`` from state ``start`` and returns its final state."""
        if piece.kind == "bytes":
            end = self.new()
            self.moves.setdefault(start, []).append((piece.bytes, end))
            return end
        if piece.kind == "in order":
            for child in piece.children:
                start = self.add(child, start)
            return start
        end = self.new()
        if piece.kind == "any of":
            for child in piece.children:
                self.free.setdefault(self.add(child, start), []).append(end)
            return end
        (child,) = piece.children
        stops = [start]
        for _ in range(piece.most):
            stops.append(self.add(child, stops[-1]))
        for count, stop in enumerate(stops):
            if count >= piece.least:
                self.free.setdefault(stop, []).append(end)
        return end

    def closed(self, states: Iterable[int]) -> frozenset[int]:
        """The epsilon closure of ``states``."""
        closure, todo = set(states), list(states)
        while todo:
            for target in self.free.get(todo.pop(), ()):
                if target not in closure:
                    closure.add(target)
                    todo.append(target)
        return frozenset(closure)
