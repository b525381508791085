"""A calculator: arithmetic expressions, parsed and computed without ``eval``."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

from pydantic import Field

from p5rec.core.config import Config
from p5rec.core.errors import UserError, input_error

from .tool import Rows, Tool

LONGEST = 200  # characters
LARGEST = 1e12  # of a base of a power, and of a result
HIGHEST = 64  # exponent
BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
PLACES = 15  # of a rounded number, at most


def _rounded(number: float, places: float = 0) -> float:
    if not (float(places).is_integer() and abs(places) <= PLACES):
        raise ValueError
    return round(number, int(places))


FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs, "round": _rounded, "min": min, "max": max, "sqrt": math.sqrt,
}  # fmt: skip


class Expression(Config):
    """The arguments of the calculator."""

    expression: str = Field(min_length=1, max_length=LONGEST)
    """Numbers, + - * / // % **, parentheses, abs, round, min, max, sqrt."""


def calculate(expression: str) -> float:
    """The value of an arithmetic expression.

    Raises:
        UserError: it is none, divides by zero, or its numbers are too large.
    """
    try:
        value = float(_value(ast.parse(expression.strip(), mode="eval").body))
    except (SyntaxError, RecursionError, MemoryError, ValueError, TypeError):
        raise _refused(expression, "something else") from None
    except ZeroDivisionError:
        raise _refused(expression, "a division by zero") from None
    except OverflowError:
        raise _refused(expression, "a number that is too large") from None
    if not abs(value) <= LARGEST:
        raise _refused(expression, "a number that is too large")
    return value


def calculator() -> Tool:
    """The tool ``calculate``."""

    def run(arguments: Expression) -> Rows:
        return [{"value": calculate(arguments.expression)}]

    return Tool("calculate", "Computes an arithmetic expression.", Expression, run)


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(op=sign) if type(sign) in BINARY:
            left, right = _value(node.left), _value(node.right)
            if isinstance(sign, ast.Pow) and not (abs(left) <= LARGEST and abs(right) <= HIGHEST):
                raise OverflowError
            return BINARY[type(sign)](left, right)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](*map(_value, node.args))
    raise ValueError


def _refused(expression: str, got: str) -> UserError:
    return input_error(
        "calculate", "an arithmetic expression", f"{expression[:LONGEST]!r} ({got})",
        "write one such as (3 + 4) * 2",
    )  # fmt: skip
