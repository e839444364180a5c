"""Running a suite: one engine start per model, its cells one after another, every finished episode in a log at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance
from optima_train.config.loading import ConfigError, dump
from optima_train.loop.experiment import RunLock, environment
from optima_train.run.failpoints import failpoint
from optima_train.run.files import read_json, write_json, write_text
from optima_train.run.progress import Progress, ProgressReporter, silent

from ..methods.baseline import Session
from . import models
from .cells import Cell, Plan, baseline, settings
from .measures import head, numbers, read_log

if TYPE_CHECKING:
    from optima_agents import Backend

RESOLVED, EPISODES, SETTINGS, MARKER = "suite.resolved.yaml", "episodes.jsonl", "settings.json", "cell.json"
LEFT_OUT = "left out by --only"
Report = Callable[[Progress], None]


def run(plan: Plan, out: Path, *, only: Collection[str] = (), report: Report = silent) -> dict[str, str]:
    """Play every cell that is not committed yet; returns those that could not be, each with its reason.

    With ``only``, cells of other methods wait. Raises ConfigError for a directory that holds other settings,
    StageError when another process works in it.
    """
    _refuse_strangers(out)
    out.mkdir(parents=True, exist_ok=True)
    with RunLock(out):
        if not (out / "env.json").is_file():
            write_json(out / "env.json", environment())
        write_text(out / RESOLVED, dump(plan.suite))
        for cell in plan.cells:
            if cell.path in plan.outside:
                cell.folder(out).mkdir(parents=True, exist_ok=True)
                write_text(cell.folder(out) / EPISODES, plan.outside[cell.path])
                _commit(plan, cell, out)
        waiting = [cell for cell in plan.cells if not committed(plan, cell, out)]
        reasons = {cell.path: LEFT_OUT for cell in waiting if only and cell.label not in only}
        for model in plan.suite.models:
            todo = [cell for cell in waiting if cell.model == model.label and cell.path not in reasons]
            if todo:
                reasons |= _play_model(plan, model.label, todo, out, report)
        return reasons


def _play_model(plan: Plan, label: str, todo: Sequence[Cell], out: Path, report: Report) -> dict[str, str]:
    """All waiting cells of one model; the reasons of those that could not be played."""
    model = next(model for model in plan.suite.models if model.label == label)
    try:
        models.train(model, out, report)
        backend = models.engine(model, out)
    except Exception as err:  # whatever a model fails with, the others can still be compared
        return dict.fromkeys((cell.path for cell in todo), f"model {label}: {type(err).__name__}: {err}")
    return asyncio.run(_play_cells(plan, todo, backend, out, report))


async def _play_cells(plan: Plan, todo: Sequence[Cell], backend: Backend, out: Path, report: Report) -> dict[str, str]:
    from optima_agents.backends.base import EngineDead

    reasons: dict[str, str] = {}
    try:
        for cell in todo:
            number = plan.cells.index(cell)
            watch = lambda event, number=number: report(replace(event, index=number, steps=len(plan.cells)))  # noqa: E731
            try:
                await play_cell(plan, cell, backend, out, watch)
            except EngineDead as err:
                rest = todo[todo.index(cell) :]
                return reasons | dict.fromkeys((left.path for left in rest), f"the engine died: {err}")
            found = _commit(plan, cell, out)
            shown = {name: found[name] for name in ("score", "tokens", "failures")}
            watch(Progress("done", cell.path, numbers=shown))
    finally:
        await backend.aclose()
    return reasons


async def play_cell(plan: Plan, cell: Cell, backend: Backend, out: Path, report: Report) -> None:
    """Play the episodes of a cell that its log does not hold. Raises EngineDead, and OSError when it cannot log."""
    from optima_agents import EpisodeLog

    choice, arena, suite = cell.method, cell.arena, plan.suite
    if choice is None:
        raise ValueError(f"{cell.path} was played elsewhere")
    method, sampling = baseline(choice), plan.sampling(choice)
    folder = cell.folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SETTINGS, settings(plan, cell))
    keys = [(inst, EpisodeKey(inst.id, s, cell.seed)) for inst in arena.instances for s in range(cell.samples)]
    with EpisodeLog(folder / EPISODES) as log:
        done = log.keys()
        progress = ProgressReporter(report, cell.path, len(keys), "episodes", before=len(done))
        slots = asyncio.Semaphore(suite.concurrency)
        played = 0

        async def one(inst: Instance, key: EpisodeKey) -> None:
            nonlocal played
            try:
                session = Session(method, arena.scenario, inst, key, backend, sampling, choice.options)
                episode = await play(session, suite.episode_timeout)
                episode = log.append(episode)
                progress.count(episode.tokens)
                played += 1
                failpoint(cell.path, played)
            finally:
                slots.release()

        try:
            async with asyncio.TaskGroup() as tasks:
                for inst, key in keys:
                    if key not in done:
                        await slots.acquire()
                        tasks.create_task(one(inst, key))
        except BaseExceptionGroup as group:
            raise _first(group) from None


async def play(session: Session, timeout: float) -> Episode:
    """One episode; whatever goes wrong but the engine's end is a failure in its record. Raises EngineDead."""
    from optima_agents.backends.base import BackendError, EngineDead

    try:
        async with asyncio.timeout(timeout) as limit:
            answer = await session.method.run(session)
            if not isinstance(answer, (str, type(None))):
                raise TypeError(f"baseline {session.method.name} returned {type(answer).__name__}, not text or None")
            # a thread: judging may wait for a maths worker, and the other episodes must go on meanwhile
            return await asyncio.to_thread(session.episode, answer)
    except EngineDead:
        raise
    except TimeoutError as err:
        late = limit.expired()  # a TimeoutError of the backend's own is not ours
        error = ErrorInfo("timeout", f"no end after {timeout:g} s") if late else ErrorInfo("method", _said(err))
    except Exception as err:
        error = ErrorInfo("backend" if isinstance(err, BackendError) else "method", _said(err))
    return session.episode(None, error)


def _said(err: Exception) -> str:
    return f"{type(err).__name__}: {err}"[:2000]


def _first(err: BaseException) -> BaseException:
    while isinstance(err, BaseExceptionGroup):
        err = err.exceptions[0]
    return err


def _commit(plan: Plan, cell: Cell, out: Path) -> dict[str, Any]:
    """Measure a finished cell and write the marker that makes it count; returns its numbers."""
    folder = cell.folder(out)
    found = settings(plan, cell)
    row = {**head(cell), "seed": cell.seed, **numbers(read_log(folder / EPISODES, cell.arena))}
    write_json(folder / SETTINGS, found)
    write_json(folder / MARKER, {**row, "options": found["options"], "sampling": found["sampling"]})
    return row


def committed(plan: Plan, cell: Cell, out: Path) -> bool:
    """Whether a cell is finished. Raises ConfigError when what is there was made with other settings."""
    folder = cell.folder(out)
    if not (folder / SETTINGS).is_file():
        return False
    then, now = read_json(folder / SETTINGS), settings(plan, cell)
    for key in now:
        if then.get(key) != now[key]:
            raise ConfigError(
                f"{folder} was played with {key} {then.get(key)!r}, not {now[key]!r}; "
                "choose another directory, or delete this folder"
            )
    return (folder / MARKER).is_file()


def _refuse_strangers(out: Path) -> None:
    """A directory that is not a suite's is left untouched."""
    if out.is_dir() and not (out / RESOLVED).is_file():
        strangers = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
        if strangers:
            raise ConfigError(f"{out} is not empty and no directory of a suite (it holds {strangers[0]})")
