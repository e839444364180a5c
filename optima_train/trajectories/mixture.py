"""Mixture: draws from several sources in exact shares, streamed, divided among processes, repeats counted.

No coin is thrown: after n draws a source of share w has been drawn n*w times, rounded up or down, whatever n. The next
draw goes to the source that is due first among those that are behind their share: the quota method of Balinski and
Young. (To take the one furthest behind, the largest deficit, is the same for a few sources, but with dozens of them it
can be off by more than one.) Inside a source rows come in a random order by the seed, another one each time round.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from math import isfinite, lcm
from pathlib import Path
from typing import Any

from ..run.stage import derive


@dataclass(frozen=True, slots=True)
class Draw:
    """Row ``row`` of ``source``, which had been gone through ``again`` times before."""

    source: str
    row: int
    again: int = 0


class Mixture:
    """``sizes`` are the sources' rows by name, ``weights`` their shares, which need not add up to 1 and are taken as
    the decimal numbers they are written as. Names without a weight, and weights of 0, are left out.

    Raises ValueError for a weight that is negative or no number, for none above 0, and for a source that has one and no
    rows.
    """

    def __init__(self, sizes: Mapping[str, int], weights: Mapping[str, float], seed: int = 0) -> None:
        given = {name: weights.get(name, 0) for name in sizes}
        if wrong := [name for name, weight in given.items() if not isfinite(weight) or weight < 0]:
            raise ValueError(f"the weight of {wrong[0]} is {given[wrong[0]]}: it must be a number from 0 on")
        exact = {name: Fraction(str(weight)) for name, weight in given.items()}
        self.names = [name for name, share in exact.items() if share]
        if not self.names:
            raise ValueError("no source has a weight above 0")
        if empty := [name for name in self.names if not sizes[name]]:
            raise ValueError(f"source {empty[0]} has no rows")
        whole = lcm(*(exact[name].denominator for name in self.names))
        self._parts = [int(exact[name] * whole) for name in self.names]
        self.sizes, self.seed = {name: sizes[name] for name in self.names}, seed

    def share(self, name: str) -> float:
        """A source's share of all draws."""
        return self._parts[self.names.index(name)] / sum(self._parts) if name in self.names else 0.0

    def draws(self, total: int | None = None, *, rank: int = 0, world: int = 1) -> Iterator[Draw]:
        """The first ``total`` draws (None: no end); of each source, process ``rank`` of ``world`` gets each world-th.

        What the processes get is disjoint and together the one stream, and each has the same shares. A row number takes
        4 bytes of memory. Raises ValueError for a rank that is none.
        """
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} is none of {world} processes")
        orders = [_Order(name, self.sizes[name], self.seed) for name in self.names]
        turn = list(range(len(orders)))  # which process is next, for each source; not the same one for all
        for number, source in enumerate(self._sources()):
            if number == total:
                return
            row, again = next(orders[source])
            if turn[source] % world == rank:
                yield Draw(self.names[source], row, again)
            turn[source] += 1

    def repeats(self, total: int) -> dict[str, int]:
        """How many of the first ``total`` draws of each source were drawn before."""
        drawn = Counter(self.names[source] for _, source in zip(range(total), self._sources(), strict=False))
        return {name: max(0, drawn[name] - self.sizes[name]) for name in self.names}

    def _sources(self) -> Iterator[int]:
        parts, whole = self._parts, sum(self._parts)
        taken = [0] * len(parts)
        for number in count(1):
            chosen = -1
            for place, part in enumerate(parts):
                if taken[place] * whole >= number * part:
                    continue  # not behind its share
                if chosen < 0 or (taken[place] + 1) * parts[chosen] < (taken[chosen] + 1) * part:
                    chosen = place  # due earlier; of equal ones the first named
            taken[chosen] += 1
            yield chosen


class _Order(Iterator[tuple[int, int]]):
    """(row, times the source was gone through before), without end."""

    def __init__(self, name: str, size: int, seed: int) -> None:
        self._name, self._size, self._seed = name, size, seed
        self._again, self._place = -1, size
        self._rows: Any = None

    def __next__(self) -> tuple[int, int]:
        if self._place == self._size:
            import numpy as np

            self._again, self._place = self._again + 1, 0
            rng = np.random.default_rng(derive(self._seed, "mixture", self._name, self._again))
            self._rows = rng.permutation(np.arange(self._size, dtype=np.uint32))
        self._place += 1
        return int(self._rows[self._place - 1]), self._again


class Lines:
    """Lines of a file by their number; 8 bytes a line are held. Empty lines are passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._starts = array("Q")
        place = 0
        with path.open("rb") as lines:
            for line in lines:
                if not line.isspace():
                    self._starts.append(place)
                place += len(line)
        self._file = path.open("rb")

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> bytes:
        """With its line break."""
        self._file.seek(self._starts[number])
        line = self._file.readline()
        return line if line.endswith(b"\n") else line + b"\n"

    def close(self) -> None:
        self._file.close()
