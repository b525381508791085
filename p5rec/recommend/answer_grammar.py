"""The grammar of a family's answers (:class:`p5rec.prompting.answer.AnswerForm`)."""

from __future__ import annotations

import json

from p5rec.decode.grammar import (
    Grammar,
    Piece,
    choice,
    integer,
    json_list,
    json_object,
    string,
    text,
)
from p5rec.prompting.answer import AnswerForm


def grammar_of(form: AnswerForm | None) -> Grammar | None:
    """The grammar of ``form``; None if there is none.

    Raises:
        ValueError: the form is too large (:meth:`p5rec.decode.grammar.Grammar.of`).
    """
    return None if form is None else Grammar.of(_piece(form, inside=False))


def _piece(form: AnswerForm, *, inside: bool) -> Piece:
    """``inside``: the form is part of a JSON value."""
    if form.choice:
        return choice(json.dumps(each) if inside else each for each in form.choice)
    if form.integer:
        return integer(*form.integer)
    if form.text:
        return string(form.text) if inside else text(form.text)
    if form.list_of:
        return json_list(_piece(form.list_of, inside=True), form.most)
    return json_object({name: _piece(each, inside=True) for name, each in form.object.items()})
