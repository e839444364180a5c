"""Token counters for environments: offline and fast by default. Reported results use the model's own counts."""

from __future__ import annotations

from collections.abc import Callable

from .registry import Registry

Counter = Callable[[str], int]
COUNTERS: Registry[Counter] = Registry("token counter", "optima.counters")
"""Functions from text to a number of tokens, by name; ``@COUNTERS.register("mine")`` adds one."""


@COUNTERS.register("words")
def words(text: str) -> int:
    """White-space separated words."""
    return len(text.split())


@COUNTERS.register("characters")
def characters(text: str) -> int:
    """Unicode code points: a bound that no script without spaces can slip past."""
    return len(text)


def counter(of: str | Counter) -> Counter:
    """A counter by name, or any function from text to a count (a tokenizer's, for example)."""
    return COUNTERS[of] if isinstance(of, str) else of


def cut(text: str, limit: int, count: Counter) -> str:
    """The longest prefix of ``text`` (found by bisection) that counts at most ``limit``; ``count`` must not shrink."""
    if count(text) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle]) <= limit else (low, middle - 1)
    return text[:low]
