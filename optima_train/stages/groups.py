"""Groups: all dialogues of one instance, read one group at a time from a log of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optima_agents.store import entries, episode_at

if TYPE_CHECKING:
    from optima_envs.records import Episode, EpisodeKey

Location = tuple[int, int, int]  # sample, seed, byte offset of the line


@dataclass(frozen=True, slots=True)
class Group:
    """The dialogues of ``instance``, ordered by sample."""

    instance: str
    episodes: tuple[Episode, ...]


class GroupedLog:
    """An episode log seen by instance. Only line offsets are held in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._locations: dict[str, list[Location]] = {}
        for found in entries(path):
            self._locations.setdefault(found.key.instance, []).append((found.key.sample, found.key.seed, found.line))
        for locations in self._locations.values():
            locations.sort()

    def __len__(self) -> int:
        return len(self._locations)

    def __iter__(self) -> Iterator[Group]:
        """Groups by instance id, so that the order does not depend on which dialogue ended first."""
        for instance in sorted(self._locations):
            yield self.group(instance)

    def group(self, instance: str) -> Group:
        return Group(instance, tuple(self._load([location[2] for location in self._locations[instance]])))

    def episode(self, key: EpisodeKey) -> Episode:
        """Raises KeyError for a dialogue the log does not hold."""
        for sample, seed, offset in self._locations[key.instance]:
            if (sample, seed) == (key.sample, key.seed):
                return next(self._load([offset]))
        raise KeyError(str(key))

    def _load(self, offsets: Sequence[int]) -> Iterator[Episode]:
        with self._path.open("rb") as handle:
            for offset in offsets:
                yield episode_at(handle, offset, self._path)
