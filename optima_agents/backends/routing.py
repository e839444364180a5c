"""PrefixRouter: of several engines with a prefix cache each, the one that already knows a prompt's beginning."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

BLOCK = 32
REMEMBERED = 65_536  # blocks: about two million prompt tokens
SLACK = 16  # requests that an engine may be ahead before a known beginning stops to count


class PrefixRouter:
    """Siblings, and the turns of one agent in one dialogue, go where their beginning was computed first; new
    beginnings, and those of an engine that is ``SLACK`` requests ahead, to the engine with the least to do.

    Spreading by load alone would compute every prompt once per engine.
    """

    def __init__(self, engines: int) -> None:
        self._load = [0] * engines
        self._home: OrderedDict[int, int] = OrderedDict()  # hash of a prompt's first blocks -> engine

    @contextmanager
    def place(self, ids: Sequence[int]) -> Iterator[int]:
        """The number of the engine for this prompt, which has it to do while the block runs."""
        rank = self.enter(ids)
        try:
            yield rank
        finally:
            self.leave(rank)

    def enter(self, ids: Sequence[int]) -> int:
        """The number of the engine for this prompt; call ``leave`` with it when the request is over."""
        keys = list(_prefixes(ids))
        known = next((self._home[key] for key in reversed(keys) if key in self._home), None)
        rank = self._load.index(min(self._load))
        if known is not None and self._load[known] - self._load[rank] < SLACK:
            rank = known
        for key in keys:
            # a beginning that many prompts share, such as the instructions, stays where it came up first
            self._home.setdefault(key, rank)
            self._home.move_to_end(key)
        while len(self._home) > REMEMBERED:
            self._home.popitem(last=False)
        self._load[rank] += 1
        return rank

    def leave(self, rank: int) -> None:
        self._load[rank] -= 1


def _prefixes(ids: Sequence[int]) -> Iterator[int]:
    """Hashes of the first one, two, three ... blocks; a collision costs cached work, never a wrong result."""
    key = 0
    for start in range(0, len(ids) - BLOCK + 1, BLOCK):
        key = hash((key, *ids[start : start + BLOCK]))
        yield key
