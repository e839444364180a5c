"""Running a suite: one engine start per model, its cells one after another, every finished episode in a log at once."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from optima_agents.rollout import Job
from optima_envs.adapters.render import printable
from optima_train.config.loading import ConfigError, dump
from optima_train.loop.experiment import RunLock, environment
from optima_train.run.failpoints import failpoint
from optima_train.run.files import read_json, write_json, write_text
from optima_train.run.progress import Progress, ProgressReporter, silent
from optima_train.run.stage import StageError

from . import models
from .cells import Cell, Plan, settings
from .measures import head, numbers, read_log
from .players import Far, Near
from .sources import edited

logger = logging.getLogger(__name__)
RESOLVED, EPISODES, SETTINGS, MARKER = "suite.resolved.yaml", "episodes.jsonl", "settings.json", "cell.json"
LEFT_OUT = "left out by --only"
Report = Callable[[Progress], None]


def run(
    plan: Plan,
    out: Path,
    *,
    only: Collection[str] = (),
    again: Collection[str] = (),
    report: Report = silent,
    workers: str | None = None,
    folders: Sequence[str] = (),
) -> dict[str, str]:
    """Play every cell that is not committed yet; returns those that could not be, each with its reason.

    With ``only``, cells of other methods wait. Cells of ``again`` are played anew, whatever they hold, and so are those
    whose method was edited since. ``workers``, such as ``ray:local``, play in this process's place; plugins that are
    not installed lie in ``folders`` there. Raises ConfigError for a directory that holds other settings or other
    questions, StageError when another process works in it.
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
        waiting = [cell for cell in plan.cells if cell.label in again or not committed(plan, cell, out)]
        reasons = {cell.path: LEFT_OUT for cell in waiting if only and cell.label not in only}
        for cell in waiting:
            if cell.path not in reasons and (cell.label in again or _stale(plan, cell, out)):
                logger.warning("%s: its earlier episodes are dropped and played again", cell.path)
                shutil.rmtree(cell.folder(out), ignore_errors=True)
        for model in plan.suite.models:
            todo = [cell for cell in waiting if cell.model == model.label and cell.path not in reasons]
            if todo:
                far = (
                    None if workers is None else Far(workers, plan.suite, model.label, str(out.resolve()), (*folders,))
                )
                reasons |= _play_model(plan, model.label, todo, out, report, far)
        return reasons


def _play_model(
    plan: Plan, label: str, todo: Sequence[Cell], out: Path, report: Report, far: Far | None
) -> dict[str, str]:
    """All waiting cells of one model; the reasons of those that could not be played."""
    model = next(model for model in plan.suite.models if model.label == label)
    try:
        models.train(model, out, report)
        players = Near(plan, models.engine(model, out)) if far is None else far
    except Exception as err:  # whatever a model fails with, the others can still be compared
        reason = printable(f"model {label}: {type(err).__name__}: {err}")
        return dict.fromkeys((cell.path for cell in todo), reason)
    return asyncio.run(_play_cells(plan, todo, players, out, report))


async def _play_cells(
    plan: Plan, todo: Sequence[Cell], players: Near | Far, out: Path, report: Report
) -> dict[str, str]:
    from optima_agents.backends.base import EngineDead

    reasons: dict[str, str] = {}
    try:
        for cell in todo:
            number = plan.cells.index(cell)
            watch = lambda event, number=number: report(replace(event, index=number, steps=len(plan.cells)))  # noqa: E731
            try:
                await play_cell(plan, cell, players, out, watch)
            except EngineDead as err:
                rest = todo[todo.index(cell) :]
                return reasons | dict.fromkeys((left.path for left in rest), printable(f"the engine died: {err}"))
            try:
                found = _commit(plan, cell, out)
            except StageError as err:
                reasons[cell.path] = str(err)
                continue
            shown = {name: found[name] for name in ("score", "tokens", "failures")}
            watch(Progress("done", cell.path, numbers=shown))
    finally:
        await players.aclose()
    return reasons


async def play_cell(plan: Plan, cell: Cell, players: Near | Far, out: Path, report: Report) -> None:
    """Play the episodes of a cell that its log does not hold. Raises EngineDead, and OSError when it cannot log."""
    from optima_agents import EpisodeLog

    folder = cell.folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SETTINGS, settings(plan, cell))
    jobs = [Job(index, s, cell.seed) for index in range(len(cell.arena.instances)) for s in range(cell.samples)]
    with EpisodeLog(folder / EPISODES) as log:
        progress = ProgressReporter(report, cell.path, len(jobs), "episodes", before=len(log.keys()))
        played = 0
        async with players.rollouts(cell, log) as rollouts, aclosing(rollouts.stream(jobs)) as stream:  # type: ignore[type-var]
            async for episode in stream:
                progress.count(episode.tokens)
                failpoint(cell.path, played := played + 1)


def _commit(plan: Plan, cell: Cell, out: Path) -> dict[str, Any]:
    """Measure a finished cell and write the marker that makes it count; returns its numbers.

    Raises StageError when its log does not hold what was planned: no mean stands for fewer episodes than it names.
    """
    folder = cell.folder(out)
    found = settings(plan, cell)
    rows = read_log(folder / EPISODES, cell.arena)
    logged = Counter(row.instance for row in rows)
    short = [inst.id for inst in cell.arena.instances if logged[inst.id] != cell.samples]
    if short or len({(row.instance, row.sample, row.seed) for row in rows}) != len(rows):
        raise StageError(
            f"{folder / EPISODES} holds {len(rows)} episodes, not the {len(cell.arena.instances) * cell.samples} that "
            f"were planned (see {short[0] if short else 'keys that repeat'}); play them again by --again {cell.label!r}"
        )
    row = {**head(cell), "seed": cell.seed, **numbers(rows)}
    write_json(folder / SETTINGS, found)
    write_json(folder / MARKER, {**row, "options": found["options"], "sampling": found["sampling"]})
    return row


def committed(plan: Plan, cell: Cell, out: Path) -> bool:
    """Whether a cell is finished, and its method as it was. Raises ConfigError when what is there was made with other
    settings or on other questions."""
    folder = cell.folder(out)
    if not (folder / SETTINGS).is_file():
        return False
    then, now = read_json(folder / SETTINGS), settings(plan, cell)
    for key in now:
        if key == "source" or (key == "data" and key not in then):  # cells of before did not note their data
            continue
        if then.get(key) != now[key]:
            what = "on other questions or golds" if key == "data" else f"with {key} {then.get(key)!r}, not {now[key]!r}"
            raise ConfigError(
                f"{folder} was played {what}; choose another directory, or play it again by --again {cell.label!r}"
            )
    return (folder / MARKER).is_file() and not _stale(plan, cell, out)


def state(plan: Plan, cell: Cell, out: Path) -> str:
    """What there is of a cell, for a dry run: nothing, a part, all, or what an edited method left."""
    if not (cell.folder(out) / SETTINGS).is_file():
        return ""
    if _stale(plan, cell, out):
        return "  played before its method was edited"
    return "  played" if (cell.folder(out) / MARKER).is_file() else "  begun"


def _stale(plan: Plan, cell: Cell, out: Path) -> bool:
    """Whether a cell's method was edited since its first episode was played."""
    file = cell.folder(out) / SETTINGS
    return file.is_file() and edited(read_json(file).get("source"), settings(plan, cell)["source"])


def _refuse_strangers(out: Path) -> None:
    """A directory that is not a suite's is left untouched."""
    if out.is_dir() and not (out / RESOLVED).is_file():
        # env.json: of a start that was killed before the suite was written down
        strangers = sorted(p.name for p in out.iterdir() if not p.name.startswith(".") and p.name != "env.json")
        if strangers:
            raise ConfigError(f"{out} is not empty and no directory of a suite (it holds {strangers[0]})")
