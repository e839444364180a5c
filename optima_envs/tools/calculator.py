"""Arithmetic out of untrusted text: exact fractions, variables, no eval, everything bounded.

An expression has numbers (``1,250``, ``.5``, ``$3``, ``40%``), variables, ``+ - * / // % ^ ( )``, comparisons and the
functions of ``FUNCTIONS``; ``^`` means ``**``. Several expressions are parted by a comma and a space.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

Value = Fraction | bool

MAX_CHARS = 500
MAX_DEPTH = 100  # of nested brackets, signs and operators
MAX_BITS = 2_000  # of a numerator or denominator: about 600 digits
MAX_EXPONENT = 1_000
MAX_DECIMALS = 12  # a longer or endless decimal is shown as a fraction

_SIGNS = str.maketrans(
    {"\u00d7": "*", "\u00f7": "/", "\u2212": "-", "\u2013": "-", "$": "", "\u20ac": "", "\u00a3": ""}
)
_PERCENT = r"[ ]*%(?![ ]*[\w(.])"  # followed by a number or a bracket it is the remainder
_NUMBER = re.compile(
    rf"(?<![\w.])(?:(\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(\.\d*)?|(\.\d+))(?:[eE]([+-]?\d{{1,3}}))?(?![\w.])({_PERCENT})?",
    re.ASCII,
)
_SHARE = re.compile(rf"([A-Za-z]\w*){_PERCENT}", re.ASCII)
_STRANGE = re.compile(r"[^\w.+\-*/%(),<>=! ]", re.ASCII)


class CalculatorError(ValueError):
    """An expression that has no value here; the message is one line."""


def calculate(text: str, variables: Mapping[str, Value] | None = None) -> tuple[Value, ...]:
    """The values of the expressions in ``text``, at least one. Linear in the text and bounded; raises
    CalculatorError."""
    if len(text) > MAX_CHARS:
        raise CalculatorError(f"longer than {MAX_CHARS} characters")
    numbers: list[Fraction] = []

    def place(value: Fraction) -> str:
        numbers.append(value)
        return f" _{len(numbers) - 1} "  # no variable begins with an underscore

    def number(match: re.Match[str]) -> str:
        whole, point, bare, power, percent = match.groups()
        value = Fraction((whole or "0").replace(",", "") + (bare or point or "").rstrip(".")) * _ten(int(power or 0))
        return place(value / 100 if percent else value)

    names = {name: value for name, value in (variables or {}).items() if not name.startswith("_")}
    plain = _NUMBER.sub(number, text.translate(_SIGNS).replace("^", "**"))
    plain = _SHARE.sub(lambda match: f"({match[1]}/{place(Fraction(100))})", plain)
    if strange := _STRANGE.search(plain):
        raise CalculatorError(f"cannot read {strange[0]!r} in an expression")
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise CalculatorError("not an arithmetic expression") from None
    known = {**names, **{f"_{i}": value for i, value in enumerate(numbers)}}
    parts = tree.elts if isinstance(tree, ast.Tuple) else [tree]
    if not parts:
        raise CalculatorError("not an arithmetic expression")
    return tuple(_value(part, known, 0) for part in parts)


def show(value: Value) -> str:
    """A value as text: ``12``, ``1.5``, ``1/3``, ``True``."""
    if isinstance(value, bool) or value.denominator == 1:
        return str(value)
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    places = max(twos, fives)
    if rest != 1 or places > MAX_DECIMALS:
        return str(value)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _value(node: ast.AST, names: Mapping[str, Value], depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise CalculatorError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise CalculatorError(f"there is no variable {node.id!r}")
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_number(node.operand, names, depth))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _number(node.left, names, depth), _number(node.right, names, depth)
        return _bounded(_BINARY[type(node.op)], left, right)
    if isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        values = [_number(item, names, depth) for item in (node.left, *node.comparators)]
        pairs = zip(node.ops, values, values[1:], strict=False)
        return all(_COMPARE[type(op)](left, right) for op, left, right in pairs)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id not in FUNCTIONS:
            raise CalculatorError(f"there is no function {node.func.id!r}; known: {', '.join(FUNCTIONS)}")
        return _bounded(FUNCTIONS[node.func.id], *[_number(item, names, depth) for item in node.args])
    raise CalculatorError("not an arithmetic expression")


def _number(node: ast.AST, names: Mapping[str, Value], depth: int) -> Fraction:
    value = _value(node, names, depth + 1)
    if isinstance(value, bool):
        raise CalculatorError("a comparison is not a number")
    return value


def _bounded(function: Callable[..., Any], *numbers: Fraction) -> Fraction:
    try:
        value = Fraction(function(*numbers))
    except ZeroDivisionError:
        raise CalculatorError("division by zero") from None
    except TypeError:
        raise CalculatorError(f"a function does not take {len(numbers)} arguments") from None
    if _bits(value) > MAX_BITS:
        raise CalculatorError("the number is too large")
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise CalculatorError("an exponent must be a whole number")
    if abs(exponent) > MAX_EXPONENT or _bits(base) * abs(exponent) > 2 * MAX_BITS:
        raise CalculatorError("the number is too large")
    return base ** int(exponent)


def _round(value: Fraction, places: Fraction = Fraction(0)) -> Fraction:
    """Half away from zero, as in school."""
    if places.denominator != 1 or not 0 <= places <= MAX_DECIMALS:
        raise CalculatorError(f"decimals must be a whole number from 0 to {MAX_DECIMALS}")
    scale = _ten(int(places))
    whole = math.floor(abs(value) * scale + Fraction(1, 2))
    return Fraction(whole if value >= 0 else -whole) / scale


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _ten(power: int) -> Fraction:
    return Fraction(10) ** power


# the first one twice: of one argument Python wants the members
def _least(first: Fraction, *rest: Fraction) -> Fraction:
    return min(first, *rest, first)


def _most(first: Fraction, *rest: Fraction) -> Fraction:
    return max(first, *rest, first)


_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,  # pyright: ignore[reportUnknownMemberType]
    ast.FloorDiv: operator.floordiv,  # pyright: ignore[reportUnknownMemberType]
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "min": _least,
    "max": _most,
    "round": _round,
    "floor": math.floor,
    "ceil": math.ceil,
}
