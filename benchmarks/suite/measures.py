"""The episodes of a cell in numbers; the same for every method."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_agents.results.summary import Measured, Summary, measure, sum_up

if TYPE_CHECKING:
    from .cells import Arena, Cell

LEFT_OUT = ("by_instance", "stops", "cut_turns")  # of a summary, what rows of tables do not hold


def read_log(path: Path, arena: Arena) -> list[Measured]:
    """The episodes of a cell, in an order that does not tell which ended first.

    Raises ValueError for one of another version of the environment, of an instance that is not among those played, or
    of another question under its id, naming both.
    """
    from optima_agents import EpisodeLog

    known = {inst.id: inst for inst in arena.instances}
    found = []
    for episode in EpisodeLog.iterate(path):
        if episode.env != arena.scenario.id:
            raise ValueError(
                f"{path} holds episodes of {episode.env}, but {arena.label} is {arena.scenario.id} now: "
                "versions must not be mixed in one table; choose another directory"
            )
        inst, then = known.get(episode.key.instance), episode.instance
        if inst is None:
            raise ValueError(f"{path} holds instance {episode.key.instance!r}, which {arena.label} does not play")
        # of an episode that could not be written down the instance is empty
        if (then.question or then.answers) and (then.question, then.answers) != (inst.question, inst.answers):
            raise ValueError(f"{path} has another question, or other golds, under {inst.id!r} than {arena.label} now")
        found.append(measure(episode))
    return sorted(found, key=lambda row: (row.instance, row.sample, row.seed))  # intervals draw by place


def numbers(rows: Iterable[Measured]) -> dict[str, Any]:
    """A summary as plain JSON: see ``Summary``."""
    found = sum_up(rows)
    plain = {item.name: getattr(found, item.name) for item in fields(Summary) if item.name not in LEFT_OUT}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


def head(cell: Cell) -> dict[str, Any]:
    """What names a cell in a table."""
    return {
        "method": cell.method.name if cell.method else cell.label,
        "label": cell.label,
        "block": cell.block,
        "env": cell.arena.label,
        "version": cell.arena.scenario.id,
        "model": cell.model,
    }
