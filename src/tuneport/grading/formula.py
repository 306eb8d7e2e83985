"""The formula of several graders: `0.7 * exact + 0.3 * style`. Read as a tree of known operations, never run as code."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tuneport.errors import RecipeError

FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
"""Those of OpenAI's multigrader (guide Graders, copy of July 2026)."""

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_LONGEST = 2_000


def names_in(formula: str) -> frozenset[str]:
    """The graders that a formula names. Raises RecipeError for one that is no arithmetic."""
    tree = _parsed(formula)
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions)


def refuse_unknown_names(formula: str, known: Collection[str]) -> None:
    """Raises RecipeError naming the first name in the formula that is no grader's."""
    for name in sorted(names_in(formula) - set(known)):
        raise RecipeError(f"the formula {formula!r} names {name!r}, and there is no such grader.", remedy=f"There are: {', '.join(known)}.")


def value_of(formula: str, scores: Mapping[str, float]) -> float:
    """What the formula makes of the scores. Raises ArithmeticError or ValueError where arithmetic gives none (1 / 0, sqrt(-1))."""
    found = _value(_parsed(formula), scores)
    if not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError("no finite number")
    return float(found)


def _parsed(formula: str) -> ast.expr:
    try:
        if len(formula) > _LONGEST:
            raise ValueError(f"more than {_LONGEST} characters")
        tree = ast.parse(formula.strip(), mode="eval").body
        _refuse_others(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = error.msg if isinstance(error, SyntaxError) else str(error)
        raise RecipeError(
            f"the formula {formula[:80]!r} cannot be read: {why}.",
            remedy=f"It may hold graders' names, numbers, + - * / // % **, parentheses and {', '.join(FUNCTIONS)}.",
        ) from None
    return tree


def _refuse_others(node: ast.expr) -> None:
    """Raises ValueError for the first part that is no arithmetic."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return
        case ast.Name():
            return
        case ast.BinOp(left, kind, right) if type(kind) in _BINARY:
            _refuse_others(left)
            _refuse_others(right)
        case ast.UnaryOp(kind, inner) if type(kind) in _UNARY:
            _refuse_others(inner)
        case ast.Call(ast.Name(id=name), arguments, keywords) if name in FUNCTIONS and arguments and not keywords:
            for each in arguments:
                _refuse_others(each)
        case _:
            raise ValueError(f"it holds {type(node).__name__.lower()}")


def _value(node: ast.expr, scores: Mapping[str, float]) -> Any:
    """Floats throughout: whole numbers could grow without end (9 ** 9 ** 9)."""
    match node:
        case ast.Constant(value=number):
            return float(number)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return float(scores[name])
        case ast.BinOp(left, kind, right):
            return _BINARY[type(kind)](_value(left, scores), _value(right, scores))
        case ast.UnaryOp(kind, inner):
            return _UNARY[type(kind)](_value(inner, scores))
        case ast.Call(ast.Name(id=name), arguments):
            return float(FUNCTIONS[name](*(_value(each, scores) for each in arguments)))
    raise ValueError(type(node).__name__)
