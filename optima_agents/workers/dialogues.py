"""Dialogues played by workers: on their side our own Rollouts without a log, on the driver's a Player for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from optima_envs.lines import parsed
from optima_envs.records import Episode, EpisodeKey, Instance
from optima_envs.scenario import Scenario

from ..dialogue import Player
from ..rollout import Job, Rollouts
from ..store import recorded
from .pool import Crew

AHEAD = 2048  # dialogues that the driver has leased or about to be, at most; each costs it a few kilobytes


class Dialogues:
    """The workload of a worker: ``rollouts`` plays the jobs it is leased; ``close`` ends what was opened for it."""

    def __init__(self, rollouts: Rollouts, close: Callable[[], Awaitable[None]] | None = None) -> None:
        self._rollouts = rollouts
        self._close = close

    @property
    def concurrency(self) -> int:
        return self._rollouts.concurrency

    async def run(self, unit: Job, tell: Callable[[Any], None]) -> bytes:
        """The line of a job's episode, as a log would hold it."""
        return recorded(await self._rollouts.play(unit))[1]

    async def aclose(self) -> None:
        if self._close is not None:
            await self._close()


class Afar(Player):
    """One episode that a worker plays. Raises ValueError when the worker's instance is not the driver's."""

    def __init__(self, scenario: Scenario, job: Job, key: EpisodeKey, inst: Instance | Exception, crew: Crew) -> None:
        super().__init__(scenario, key, inst, job.info)
        self._job, self._crew = job, crew

    async def play(self, timeout: float) -> Episode:
        if self._broken is not None:
            return await super().play(timeout)
        line = await self._crew.run(self.key, lambda: self._job)
        episode = Episode.from_json(parsed(line, f"a worker's episode {self.key}"))
        unknown = not episode.instance.question and episode.error is not None  # JSON could not hold it
        if episode.key != self.key or episode.env != self.scenario.id or not (unknown or episode.instance == self.inst):
            raise ValueError(
                f"a worker played {episode.key} of {episode.env} where {self.key} of {self.scenario.id} was due: "
                "its data or its version of the environment differs from the driver's"
            )
        return episode


def afar(scenario: Scenario, crew: Crew, **options: Any) -> Rollouts:
    """Rollouts of the driver, whose dialogues ``crew`` plays; ``options`` are those that concern the log."""

    def player(job: Job, key: EpisodeKey, inst: Instance | Exception) -> Player:
        return Afar(scenario, job, key, inst, crew)

    return Rollouts(scenario, player=player, concurrency=AHEAD, **options)
