"""Measured plans: two small runs of a recipe, and a line through what each of its stages took.

Whatever a stage does (the engine, workers, the trainer, this machine) is in its seconds; its work, by which these grow,
is that of the dry run (``estimate``). A line through two sizes has an intercept for what does not grow, such as
loading a model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config.settings import TrainConfig
from ..planning.estimate import Assumed, Work, works
from ..run.markers import committed
from ..run.stage import Step

LEAST = 2  # instances of the smallest run
LATER = 1  # iterations above this one are taken for like it


@dataclass(frozen=True)
class Measured:
    """A small run: its steps with their seconds and their work, and what the run took beside them (processes)."""

    seconds: dict[str, float]
    work: dict[str, float]
    between: float


@dataclass(frozen=True)
class Expected:
    """What a step of the whole run will take, in seconds; ``known`` is False for a stage without an estimate of its
    work: it is taken for as long as in the larger small run."""

    path: str
    seconds: float
    known: bool


def smaller(config: TrainConfig, share: float) -> TrainConfig:
    """The recipe with ``share`` of the instances of every stage, and iterations up to ``LATER``."""

    def cut(count: int) -> int:
        return min(count, max(LEAST, round(count * share)))

    also = {
        name: extra.model_copy(update={"instances": cut(extra.instances)})
        for name, extra in config.evaluate.also.items()
    }
    return config.model_copy(
        update={
            "iterations": min(config.iterations, LATER + 1),
            "generate": config.generate.model_copy(update={"instances": cut(config.generate.instances)}),
            "tree": config.tree.model_copy(update={"instances": cut(config.tree.instances)}),
            "evaluate": config.evaluate.model_copy(update={"instances": cut(config.evaluate.instances), "also": also}),
        }
    )


def measure(
    config: TrainConfig, directory: Path, assumed: Assumed, play: Callable[[TrainConfig, Path], None]
) -> Measured:
    """``play`` the run into ``directory``, which is new, and read what its steps took."""
    from ..methods import plan

    started = time.monotonic()
    play(config, directory)
    whole = time.monotonic() - started
    steps = plan(config)
    seconds = {step.path: marker.seconds for step in steps if (marker := committed(step, directory)) is not None}
    return Measured(seconds, units(config, steps, assumed), whole - sum(seconds.values()))


def units(config: TrainConfig, steps: Sequence[Step], assumed: Assumed) -> dict[str, float]:
    """The work of each step that an estimate knows, in any unit that grows with it."""
    found = zip(steps, works(config, steps, assumed), strict=True)
    return {step.path: _unit(work) for step, work in found if work is not None}


def _unit(work: Work) -> float:
    return work.compute() or float(work.rows + work.dialogues)


def expect(config: TrainConfig, assumed: Assumed, small: Measured, large: Measured) -> list[Expected]:
    """The steps of the whole run, and last what is between them."""
    from ..methods import plan

    steps = plan(config)
    wanted = units(config, steps, assumed)
    found = []
    for step in steps:
        like = f"it{min(step.iteration, LATER):03d}/{step.stage.name}" if step.iteration >= 0 else step.path
        if not all(step.path in wanted and like in one.work and like in one.seconds for one in (small, large)):
            found.append(Expected(step.path, large.seconds.get(like, 0.0), False))
        else:
            one, two = ((run.work[like], run.seconds[like]) for run in (small, large))
            found.append(Expected(step.path, line(one, two, wanted[step.path]), True))
    per_step = large.between / max(1, len(large.seconds))
    return [*found, Expected("between steps", per_step * len(steps), True)]


def line(small: tuple[float, float], large: tuple[float, float], at: float) -> float:
    """The value at ``at`` of the line through two points (work, seconds); neither its slope nor its value at no work is
    below zero, whatever the noise of two measurements says."""
    (x1, y1), (x2, y2) = small, large
    if x2 <= x1:
        return y2 * at / x2 if x2 else y2
    slope = max(0.0, (y2 - y1) / (x2 - x1))
    fixed = y2 - slope * x2
    if fixed < 0:
        slope, fixed = y2 / x2, 0.0
    return fixed + slope * at
