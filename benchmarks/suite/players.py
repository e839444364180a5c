"""Players of a suite's cells: this process with an engine of its own, or workers on a cluster."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_agents.dialogue import Player
from optima_agents.rollout import Job, Rollouts
from optima_envs.records import EpisodeKey, Instance

from ..methods.session import Session
from . import models
from .cells import Cell, Plan, baseline

if TYPE_CHECKING:
    from optima_agents import Backend, EpisodeLog
    from optima_agents.workers.dialogues import Dialogues
    from optima_agents.workers.worker import Site

    from .settings import Suite


def sessions(plan: Plan, cell: Cell, backend: Backend, **options: Any) -> Rollouts:
    """The rollouts of a cell; ``options`` concern the log. Raises ValueError for a cell that was played elsewhere."""
    choice, scenario, suite = cell.method, cell.arena.scenario, plan.suite
    if choice is None:
        raise ValueError(f"{cell.path} was played elsewhere")
    method, sampling = baseline(choice), plan.sampling(choice)
    told = plan.told(cell.model)

    def session(job: Job, key: EpisodeKey, inst: Instance | Exception) -> Player:
        return Session(method, scenario, inst, key, backend, sampling, choice.options, told)

    limits: dict[str, Any] = {"concurrency": suite.concurrency, "episode_timeout": suite.episode_timeout}
    return Rollouts(scenario, player=session, **limits, **options)


class Near:
    """This process and its engine."""

    def __init__(self, plan: Plan, backend: Backend) -> None:
        self._plan, self._backend = plan, backend

    @asynccontextmanager
    async def rollouts(self, cell: Cell, log: EpisodeLog) -> AsyncGenerator[Rollouts]:
        """The rollouts of a cell."""
        yield sessions(self._plan, cell, self._backend, log=log)

    async def aclose(self) -> None:
        await self._backend.aclose()


class Far:
    """Workers, each with an engine of the suite's model ``label``; ``out`` is the suite's directory, ``folders`` are
    where plugins lie that are not installed."""

    def __init__(self, workers: str, suite: Suite, label: str, out: str, folders: tuple[str, ...]) -> None:
        from optima_agents.workers.opening import open_workers

        self._pool = open_workers(workers)
        self._opened = partial(cell_there, suite.model_dump(mode="json"), label, out, folders)

    @asynccontextmanager
    async def rollouts(self, cell: Cell, log: EpisodeLog) -> AsyncGenerator[Rollouts]:
        """The rollouts of a cell, which workers play as long as the block lasts."""
        from optima_agents.workers.dialogues import afar
        from optima_agents.workers.worker import Setup

        async with self._pool.crew(Setup(partial(self._opened, cell.path))) as crew:
            yield afar(cell.arena.scenario, crew, log=log)

    async def aclose(self) -> None:
        await self._pool.aclose()


def cell_there(
    suite: dict[str, Any], label: str, out: str, folders: tuple[str, ...], path: str, site: Site
) -> Dialogues:
    """In a worker: the episodes of the cell ``path``. The plan and the engine stay for the next cell."""
    from optima_agents.workers.dialogues import Dialogues

    from .planning import plan
    from .settings import suite_of

    if "plan" not in site.shelf:
        site.shelf["plan"] = plan(suite_of(suite), folders)
        model = next(model for model in site.shelf["plan"].suite.models if model.label == label)
        site.shelf["engine"] = models.engine(model, Path(out))
    planned: Plan = site.shelf["plan"]
    cell = next(cell for cell in planned.cells if cell.path == path)
    return Dialogues(sessions(planned, cell, site.shelf["engine"]))
