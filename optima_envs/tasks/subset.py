"""Subset: some instances of a task, chosen by their ids or by their place, in the place of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..records import Instance

LONGEST = 64 << 20  # bytes of a file of ids
LOOKED_AT = 300_000  # instances among which ids are looked for: more than any data set has, and worlds have no end


class Subset(Sequence[Instance]):
    """The instances of ``task`` at ``places``, in that order; all else is the task's own."""

    def __init__(self, task: Any, places: Sequence[int]) -> None:
        self.task, self.places = task, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any, /) -> Any:
        if isinstance(index, slice):
            return [self.task[place] for place in self.places[index]]
        return self.task[self.places[index]]

    def __getattr__(self, name: str) -> Any:
        # what a task may have (name, split, supported, solution); find would give places in the whole task
        if name.startswith("__") or name in ("task", "places", "find"):
            raise AttributeError(name)
        return getattr(self.task, name)


def by_ids(task: Any, ids: Iterable[str]) -> Subset:
    """The instances of these ids, in the order of the ids. Raises ValueError for one that is not there or comes twice,
    and for none at all."""
    wanted = list(ids)
    if not wanted:
        raise ValueError("no ids are named")
    if len(set(wanted)) < len(wanted):
        again = next(name for number, name in enumerate(wanted) if name in wanted[:number])
        raise ValueError(f"the id {again!r} is named twice")
    left = set(wanted)
    places: dict[str, int] = {}
    for place in range(min(len(task), LOOKED_AT)):
        if (name := task[place].id) in left:
            places[name] = place
            left.remove(name)
            if not left:
                return Subset(task, [places[name] for name in wanted])
    missing = next(name for name in wanted if name in left)
    raise ValueError(f"no instance has the id {missing!r} ({len(left)} of {len(wanted)} ids are not there)")


def read_ids(file: str | Path) -> list[str]:
    """Ids from a file, one a line; blank lines and those that begin with ``#`` are left out. Raises ValueError."""
    path = Path(file)
    try:
        if path.stat().st_size > LONGEST:
            raise ValueError(f"{path} is too large for a list of ids ({LONGEST >> 20} MiB at most)")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ValueError(f"{path} cannot be read as a list of ids, one a line ({err})") from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
