"""SQL conditions on a table's columns: expressions, without any other feature of SQL."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from p5rec.core.errors import UserError, did_you_mean, input_error

LONGEST = 4_000  # characters
DEEPEST = 200  # operators: the parser recurses, and a few hundred end the process
LISTING = frozenset(",()[]")  # signs that join no terms
TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')
      | "(?P<quoted>(?:[^"]|"")*)"
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)
      | (?P<word>[^\W\d]\w*(?:\.[^\W\d]\w*)*)(?P<call>\s*\()?
      | (?P<sign>(?!--|/\*)(?:<=|>=|<>|!=|==|\|\||[-+*/%=<>(),\[\]]))
      | (?P<blank>\s+)""",
    re.VERBOSE,
)
WORDS = frozenset({
    "and", "or", "not", "in", "is", "null", "like", "ilike", "between", "case", "when", "then",
    "else", "end", "true", "false", "as", "escape", "int", "integer", "bigint", "smallint",
    "float", "real", "double", "varchar", "text", "string", "boolean", "date", "timestamp",
})  # fmt: skip
FUNCTIONS = frozenset({
    "abs", "array_contains", "array_length", "avg", "cast", "ceil", "coalesce", "concat",
    "count", "date_part", "ends_with", "exp", "floor", "greatest", "if", "ifnull", "in",
    "least", "left", "length", "ln", "log", "log10", "lower", "ltrim", "max", "median", "min",
    "mod", "nullif", "octet_length", "pow", "power", "regexp_like", "replace", "reverse",
    "right", "round", "rtrim", "sign", "sqrt", "starts_with", "stddev", "strpos", "substr",
    "sum", "trim", "try_cast", "upper", "variance",
})  # fmt: skip


def rows_where(condition: str, frame: pl.DataFrame, option: str) -> np.ndarray:
    """The rows ``(n,)`` of ``frame`` for which a SQL ``condition`` holds.

    A condition may use the table's columns, also those named like an SQL keyword, constants,
    operators and the functions in ``FUNCTIONS``. It may contain no query, table or file.

    Args:
        condition: such as ``events > 3 AND user <> 'x'``.
        frame: the rows.
        option: the command's option, for messages.

    Raises:
        UserError: the condition is invalid, or holds for no row.
    """
    quoted = _quoted(condition, frame.columns, option)
    try:
        holds = frame.select(pl.sql_expr(quoted)).to_series()
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        got = str(error).splitlines()[0][:200]
        raise _input_error(option, frame.columns, condition, got) from None
    if holds.dtype != pl.Boolean or len(holds) not in (1, len(frame)):
        raise _input_error(
            option, frame.columns, condition, "which is not true or false for each row"
        )
    selected = np.broadcast_to(holds.fill_null(False).to_numpy(), len(frame))
    if not selected.any():
        raise input_error(option, "a condition that holds for a row", repr(condition), "loosen it")
    return np.flatnonzero(selected)


def _quoted(condition: str, columns: list[str], option: str) -> str:
    """``condition`` with quoted column names; unknown tokens are refused."""
    if len(condition) > LONGEST:
        raise input_error(
            option, f"a condition of at most {LONGEST:,} characters", f"{len(condition):,}",
            "put the names into a file",
        )  # fmt: skip
    out, at, operators = [], 0, 0
    while at < len(condition):
        match = TOKEN.match(condition, at)
        if match is None:
            what = f"{condition[at : at + 10]!r}, which is no part of a condition"
            raise _input_error(option, columns, condition, what)
        out.append(_token(match, columns, condition, option))
        at = match.end()
        operators += bool(match["word"] or (match["sign"] and match["sign"] not in LISTING))
    if operators > DEEPEST:
        raise input_error(
            option, f"a condition of at most {DEEPEST} names and operators", f"{operators:,}",
            "list values as in `item in (...)`, or put the names into a file",
        )  # fmt: skip
    return "".join(out)


def _token(match: re.Match[str], columns: list[str], condition: str, option: str) -> str:
    name, word, call = match["quoted"], match["word"], match["call"] or ""
    if name is not None:
        name = name.replace('""', '"')
        if name in columns:
            return match[0]
        raise _input_error(option, columns, condition, f"the unknown column {name!r}", name)
    if word is None:
        return match[0]
    if call:
        if word.lower() in FUNCTIONS | WORDS:
            return match[0]
        known = sorted(FUNCTIONS)
        raise _input_error(
            option, columns, condition, f"the unknown function {word!r}", word, known
        )
    if word in columns:
        return f'"{word}"'
    if word.lower() in WORDS:
        return match[0]
    raise _input_error(option, columns, condition, f"the unknown word {word!r}", word)


def _input_error(
    option: str,
    columns: list[str],
    condition: str,
    what: str,
    name: str | None = None,
    known: list[str] | None = None,
) -> UserError:
    expected = f"a condition on {', '.join(columns)}"
    hint = (
        did_you_mean(name, known or columns)
        if name
        else "write a condition like " + f"\"{columns[0]}\" = 'x'"
    )
    return input_error(option, expected, f"{condition[:200]!r} ({what})", hint)
