"""Another project's results: a file of episodes in our schema, checked row by row and judged by our own metric."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from optima_agents.store import is_header
from optima_envs.lines import lines
from optima_envs.records import Episode

from .cells import Arena, Cell

if TYPE_CHECKING:
    from .settings import OutsideEpisodes

SHOWN = 3


def import_outside(outside: OutsideEpisodes, arena: Arena) -> list[tuple[Cell, str]]:
    """A cell per seed in the file, each with the lines of its log.

    Raises ValueError naming file and line of a row that is no episode, is of another environment or version, asks
    another question or comes twice, and naming instances that are missing: all methods must meet the same ones.
    """
    known = {inst.id: inst for inst in arena.instances}
    episodes: dict[tuple[int, int, str], Episode] = {}
    for place, episode in rows(Path(outside.file)):
        if episode.env != arena.scenario.id:
            raise ValueError(f"{place}: this is {episode.env}, but {arena.label} is {arena.scenario.id}")
        inst = known.get(episode.key.instance)
        if inst is None:
            raise ValueError(f"{place}: instance {episode.key.instance!r} is not among the {len(known)} of this suite")
        if (inst.question, inst.answers) != (episode.instance.question, episode.instance.answers):
            raise ValueError(f"{place}: instance {inst.id!r} has another question or other answers here")
        key = (episode.key.seed, episode.key.sample, inst.id)
        if key in episodes:
            raise ValueError(f"{place}: episode {episode.key} comes twice")
        episodes[key] = judged(replace(episode, instance=inst), arena)
    if not episodes:
        raise ValueError(f"{outside.file} holds no episodes")
    for seed, sample in sorted({key[:2] for key in episodes}):
        missing = [name for name in known if (seed, sample, name) not in episodes]
        if missing:
            named = ", ".join(missing[:SHOWN]) + (" ..." if len(missing) > SHOWN else "")
            raise ValueError(f"{outside.file}: {len(missing)} instances are missing for seed {seed}: {named}")
    found = []
    for seed in sorted({key[0] for key in episodes}):
        mine = [episode for key, episode in episodes.items() if key[0] == seed]
        samples = len(mine) // len(known)
        cell = Cell(outside.label, outside.block, None, arena, "outside", seed, samples)
        found.append((cell, "".join(json.dumps(episode.to_json(), allow_nan=False) + "\n" for episode in mine)))
    return found


def rows(path: Path) -> Iterator[tuple[str, Episode]]:
    """Each episode of a file with its place. Raises ValueError naming file and line; a torn last line is an error."""
    for line in lines(path):
        place = f"{path}, line {line.number}"
        if is_header(line):
            continue
        try:
            yield place, Episode.from_json(line.row)
        except (ValueError, AttributeError) as err:
            raise ValueError(f"{place}: {err}") from None


def judged(episode: Episode, arena: Arena) -> Episode:
    """The episode with the score our metric gives its answer, whatever its file says."""
    if episode.error is not None:
        return replace(episode, score=0.0, correct=False)
    score, correct = arena.scenario.judge(episode.instance, episode.turns, episode.outcome)
    return replace(episode, score=score, correct=correct)
