"""The metric ``rows``: a list of values against the gold list, in any order.

An answer is a list (``["a", "b"]``, ``[12]``, also of rows, ``[("a",), ("b",)]``) or a single value; the gold is a
JSON list. Values are compared as numbers to within 0.01 (AgentBench's tolerance; thousands commas and ``%`` do not
count), or else as texts by ``parsing.normalise``. ``none``, ``null`` and an empty list are one and the same value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from ..scoring.metrics import Measure, best
from ..scoring.parsing import normalise

TOLERANCE = Fraction(1, 100)
NOTHING = "none"
_NUMBER = re.compile(r"([-+\u2212]?)(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?\.?\s?%?")
# quoted values whole, brackets and commas apart; what is left is a plain value
_PART = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|[\[\](),]|([^\[\](),]+)""", re.DOTALL)


def values(text: str) -> list[str]:
    """The values of an answer, ``["none"]`` when it holds none."""
    bare = text.strip()
    found = list(_listed(bare)) if bare.startswith("[") and bare.endswith("]") else [bare]
    return [value if value.casefold() not in ("", "null") else NOTHING for value in found] or [NOTHING]


def rows_match(answer: str, gold: str) -> float:
    """1.0 when both hold the same values, each as often."""
    (numbers, texts), (gold_numbers, gold_texts) = _sorted(answer), _sorted(gold)
    if len(numbers) != len(gold_numbers) or texts != gold_texts:
        return 0.0
    return float(all(abs(a - b) <= TOLERANCE for a, b in zip(numbers, gold_numbers, strict=True)))


def _sorted(text: str) -> tuple[list[Fraction], list[str]]:
    numbers: list[Fraction] = []
    texts: list[str] = []
    for value in values(text):
        if (number := _number(value)) is not None:
            numbers.append(number)
        else:
            texts.append(normalise(value))
    return sorted(numbers), sorted(texts)


def _listed(text: str) -> Iterator[str]:
    try:
        yield from _flat(json.loads(text))
    except (ValueError, RecursionError):  # Python's way of writing it, or none at all
        for double, single, plain in _PART.findall(text):
            if value := double or single or plain.strip():
                yield value


def _flat(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _flat(item)
    else:
        yield NOTHING if value is None else value if isinstance(value, str) else json.dumps(value)


def _number(value: str) -> Fraction | None:
    match = _NUMBER.fullmatch(value.strip())
    if match is None or not (match[2] or match[3]):
        return None
    size = Fraction((match[2] or "0").replace(",", "") + (match[3] or ""))
    return -size if match[1] in ("-", "\u2212") else size


METRIC = Measure("rows", best(rows_match), instant=True)
