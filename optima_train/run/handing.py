"""A stage's context as plain JSON, for another process: one of a training on many devices, or a worker of rollouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from ..config.settings import TrainConfig
from .engines import Engines, ModelRef
from .progress import Progress
from .stage import Seat, Stage, StageContext, Step


def handed(ctx: StageContext, stage: Stage) -> dict[str, Any]:
    """The context of ``stage``, which is made without arguments."""
    return {
        "stage": f"{type(stage).__module__}:{type(stage).__qualname__}",
        "iteration": ctx.iteration,
        "run_dir": str(ctx.run_dir.resolve()),
        "config": ctx.config.model_dump(mode="json"),
        "policy": ctx.policy.to_json(),
        "initial": ctx.initial.to_json(),
        "seat": None if ctx.seat is None else asdict(ctx.seat),
    }


def received(
    job: Mapping[str, Any],
    report: Callable[[Progress], None],
    engines: Callable[[TrainConfig], Engines] = Engines,
    place: Callable[[str], str] = str,
) -> tuple[StageContext, Stage]:
    """What ``handed`` was given, in this process; ``place`` says where folders with weights are here.

    Plugins are imported first: the stage may come from one.
    """
    from ..config.loading import check
    from .plugins import import_plugins

    config = check(job["config"], TrainConfig)
    import_plugins(config.plugins, config.plugin_folders)
    module, _, name = job["stage"].partition(":")
    stage = getattr(import_module(module), name)()
    policy, initial = (ModelRef.from_json(job[key]).placed(place) for key in ("policy", "initial"))
    seat = None if job["seat"] is None else Seat(job["seat"]["name"], tuple(job["seat"]["agents"]))
    step = Step(job["iteration"], stage)
    return StageContext(config, Path(job["run_dir"]), step, policy, initial, engines(config), report, seat), stage
