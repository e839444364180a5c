"""LeaseBook: who does what. Every unit of work waits, or is leased to one worker, until one copy of it is finished."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class LeaseBook(Generic[K, T]):
    """Units of work by their keys. It knows nothing of processes, clocks or networks.

    A worker is a name. What is leased to nobody waits in the order in which it was added; what comes back waits in
    front. A key that is finished, or forgotten, is unknown again, so a second copy of it is told by ``finish``.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[K, T] = OrderedDict()
        self._leased: dict[str, dict[K, T]] = {}

    @property
    def waiting(self) -> int:
        """How many units are leased to nobody."""
        return len(self._waiting)

    @property
    def open(self) -> int:
        """How many units are not finished."""
        return len(self._waiting) + sum(map(len, self._leased.values()))

    def held(self, worker: str) -> int:
        """How many units a worker has."""
        return len(self._leased.get(worker, ()))

    def add(self, key: K, unit: T) -> None:
        """A unit that waits. Raises ValueError for a key that is open already."""
        if key in self._waiting or any(key in own for own in self._leased.values()):
            raise ValueError(f"{key} is waiting or leased already")
        self._waiting[key] = unit

    def lease(self, worker: str, count: int) -> list[tuple[K, T]]:
        """Up to ``count`` waiting units, the oldest first, which the worker then has."""
        own = self._leased.setdefault(worker, {})
        taken = [self._waiting.popitem(last=False) for _ in range(min(count, len(self._waiting)))]
        own.update(taken)
        return taken

    def unit(self, worker: str, key: K) -> T | None:
        """A unit that the worker has; None when it does not have it (any more)."""
        return self._leased.get(worker, {}).get(key)

    def finish(self, worker: str, key: K) -> T | None:
        """The unit, which is open no more; None for a second copy: somebody else has it, or it is finished."""
        return self._leased.get(worker, {}).pop(key, None)

    def give_back(self, worker: str) -> list[K]:
        """What a worker that is gone had waits again, in front and in its old order; returns its keys."""
        own = self._leased.pop(worker, {})
        for key in reversed(own):
            self._waiting[key] = own[key]
            self._waiting.move_to_end(key, last=False)
        return list(own)

    def forget(self, key: K) -> str | None:
        """Nobody wants a unit any more; returns the worker that has it, if one does."""
        self._waiting.pop(key, None)
        for worker, own in self._leased.items():
            if own.pop(key, None) is not None:
                return worker
        return None
