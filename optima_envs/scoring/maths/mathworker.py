"""Child process of the math pool: one JSON request a line in, one JSON reply a line out.

Run by file name; imports nothing of ours, and lets no text reach ``eval``: answers are read by math-verify's LaTeX
grammar only, not by its Python one. Request ``{"answer": str, "gold": str, "limit": seconds}``; reply ``{"equal":
bool}`` or ``{"error": str}``; the first line out is ``{"ready": true}``, or ``{"missing": str}`` where math-verify
cannot be imported. The limit is processor time, so that a loaded machine changes no verdict; the process ends itself
when it is used up, whether or not the parent still lives.
"""

# pyright: basic
# math-verify and sympy have no types

from __future__ import annotations

import importlib
import json
import logging
import os
import resource
import signal
import sys
from functools import lru_cache
from typing import Any

MEMORY = 2 << 30  # bytes of address space


@lru_cache(maxsize=1)
def reading() -> Any:
    """How math-verify reads: LaTeX alone, one box, units and words left to the parent, which took them off."""
    from math_verify import LatexExtractionConfig
    from math_verify.parser import NormalizationConfig

    kept = NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=False, boxed="all")
    return LatexExtractionConfig(boxed_match_priority=0, normalization_config=kept)


@lru_cache(maxsize=2_000)
def read(text: str) -> Any:
    """The expressions math-verify reads; an empty list when it reads none."""
    from math_verify import parse

    # first match: a box that cannot be parsed is not searched for parts that can; 0: no timeout of its own, which
    # would need the main thread's signals
    found = parse(f"$\\boxed{{{text}}}$", [reading()], extraction_mode="first_match", parsing_timeout=0)
    return [imaginary(expression) for expression in found]


def algebra() -> Any:
    """sympy, which comes with math-verify."""
    return importlib.import_module("sympy")


def imaginary(expression: Any) -> Any:
    """``expression`` with the imaginary unit for the symbol i, which math-verify leaves a symbol."""
    sympy = algebra()
    if not isinstance(expression, sympy.Expr):
        return expression
    unit = next((symbol for symbol in expression.free_symbols if str(symbol) == "i"), None)
    return expression if unit is None else expression.subs(unit, sympy.I)


def equal(answer: str, gold: str) -> bool:
    """Whether both read as the same mathematical object."""
    from math_verify import verify

    left, right = read(gold), read(answer)
    if not left or not right:
        return False
    if not verify(left, right, strict=True, timeout_seconds=None, allow_set_relation_comp=True):
        return False
    try:
        return not apart(left[0], right[0])
    except (TypeError, ValueError, ArithmeticError, AttributeError):  # no numbers after all
        return True


def apart(left: Any, right: Any) -> bool:
    """Whether numbers that math-verify takes for the same differ by more than a 10^12th: it rounds to absolute places,
    where small ones are all 0. False for anything but numbers, and sets, tuples and matrices of them."""
    value = algebra().N
    ours, theirs = flat(left), flat(right)
    if ours is None or theirs is None or len(ours) != len(theirs):
        return False
    for one, other in zip(sorted(ours, key=place), sorted(theirs, key=place), strict=True):
        if one != other and abs(value(one - other, 20)) > max(abs(value(one)), abs(value(other))) * 1e-12:
            return True
    return False


def place(number: Any) -> tuple[float, float]:
    """Where a number lies in the complex plane."""
    point = complex(algebra().N(number))
    return point.real, point.imag


def flat(expression: Any) -> list[Any] | None:
    """The numbers an expression is made of; None when it holds anything else."""
    sympy = algebra()
    if isinstance(expression, sympy.Eq):
        return flat(expression.rhs)
    if isinstance(expression, sympy.Expr):
        value = expression.doit()
        return [value] if value.is_number else None
    if isinstance(expression, sympy.Interval):
        parts = [flat(expression.start), flat(expression.end)]
    elif isinstance(expression, (sympy.MatrixBase, sympy.FiniteSet, sympy.Tuple)):
        parts = [
            flat(part) for part in (expression.flat() if isinstance(expression, sympy.MatrixBase) else expression.args)
        ]
    else:
        return None
    return None if None in parts else [number for part in parts for number in part or ()]


def main() -> None:
    """Serve until the input ends."""
    # replies have their own descriptor, so that nothing a library prints can pass for one
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(2_000)
    try:
        equal("1", "\\frac{2}{2}")  # imports the libraries and builds their parsers
    except ImportError as err:
        print(json.dumps({"missing": str(err)}), file=replies, flush=True)
        return
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, request["limit"])  # no handler: the signal ends the process
        try:
            reply = {"equal": equal(request["answer"], request["gold"])}
        except Exception as err:  # whatever a parser raises on hostile text is that text's fault
            reply = {"error": f"{type(err).__name__}: {str(err)[:200]}"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
