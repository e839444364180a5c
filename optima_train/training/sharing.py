"""Weights of their own: a training stage once for each agent, or group of agents, on what these said alone.

Nothing of one training reaches another: each starts from its own weights and writes its own folder. The folder of the
stage is a team, with a ``team.yaml`` that ``make_team`` and ``--team`` take.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..run.engines import ModelRef
from ..run.files import write_text
from ..run.stage import Seat, StageError, StageResult
from .processes import divided

if TYPE_CHECKING:
    from ..config.settings import TrainConfig, TrainStageConfig
    from ..run.stage import StageContext
    from .processes import Trains

COUNTED = ("rows", "pairs", "steps", "trained_parameters")


def seats_of(config: TrainStageConfig, agents: Sequence[str]) -> list[Seat]:
    """The groups of ``agents`` with weights of their own. Raises StageError for a group that nobody of them is in, or
    that bears the name of somebody else."""
    grouped = {name for members in config.groups.values() for name in members}
    alone = [agent for agent in agents if agent not in grouped]
    for name, members in config.groups.items():
        if not {*members} & {*agents}:
            raise StageError(f"train.groups.{name}: none of the agents {', '.join(agents)} is in it")
        if name in alone:
            raise StageError(f"train.groups.{name}: {name} is an agent outside the group; choose another name")
    return [Seat(name, members) for name, members in config.groups.items()] + [Seat(name, (name,)) for name in alone]


def check_sharing(config: TrainConfig, agents: Sequence[str], takes: Sequence[str]) -> None:
    """Raises StageError where agents cannot have weights of their own; ``takes`` are the keywords of the backend."""
    if config.train.sharing == "shared":
        return
    seats_of(config.train, agents)
    if config.method == "grpo-live":
        raise StageError("grpo-live plays with the one model that it trains; use method=grpo, or sharing=shared")
    if config.train.sharing == "adapter" and "adapters" not in takes:
        raise StageError(f"the backend {config.backend} cannot load several adapters; use hf, vllm, or sharing=full")


def check_speakers(ctx: StageContext, speakers: Iterable[str]) -> None:
    """Raises StageError for somebody in data whose turns no agent would learn."""
    config = ctx.config.train
    if config.sharing == "shared":
        return
    agents = ctx.scenario("train").rules.agents
    known = {name for seat in seats_of(config, agents) for name in seat.agents}
    if strangers := sorted({*speakers} - known):
        raise StageError(
            f"{ctx.step.path}: nobody learns what {', '.join(strangers[:5])} said; put them in a group with an agent: "
            f"train.groups={{{agents[0]}: [{agents[0]}, {strangers[0]}]}}"
        )


def trained(ctx: StageContext, stage: Trains) -> StageResult:
    """The result of training the team, or each seat of it in turn; numbers are sums and means over the seats.

    Raises StageError, also when nobody has anything to learn from.
    """
    config = ctx.config.train
    if config.sharing == "shared":
        return divided(ctx, stage)
    agents = ctx.scenario("train").rules.agents
    made: dict[str, ModelRef] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for seat in seats_of(config, agents):
        members = [agent for agent in agents if agent in seat.agents]
        mine = replace(ctx, seat=seat, policy=ctx.policy.of(members[0]))
        mine.out.mkdir(parents=True)
        result = divided(mine, stage)
        numbers[seat.name] = dict(result.numbers)
        found = kept(mine) if result.model is None else _within(result.model, mine, ctx)
        made |= dict.fromkeys(members, found)
    if not any("skipped" not in told for told in numbers.values()):
        raise StageError(f"{ctx.step.path}: no agent of {', '.join(agents)} said anything that is trained on")
    model = ModelRef(ctx.initial.model, None, tuple(made.items()))
    write_text(ctx.files.team, team_file(ctx.config, model))
    return StageResult({**_together(numbers), "by_agent": numbers}, model)


def kept(ctx: StageContext) -> ModelRef:
    """The weights that a seat keeps, in this stage's folder too, so that the team there is whole."""
    adapter = ctx.policy.adapter is not None
    source = Path(ctx.policy.adapter or ctx.policy.model)
    if ctx.policy == ctx.initial or not source.is_dir():
        return ctx.policy
    target = ctx.files.adapter if adapter else ctx.files.model
    shutil.copytree(source, target, copy_function=_linked)
    place = target.relative_to(ctx.run.stage(ctx.step.path).path)
    return ModelRef(ctx.policy.model, str(place)) if adapter else ModelRef(str(place))


def team_file(config: TrainConfig, model: ModelRef) -> str:
    """The team as ``make_team`` takes it, its folders relative to the file."""
    agents: dict[str, dict[str, str]] = {}
    for agent, own in model.seats:
        folder = own.adapter if config.train.sharing == "adapter" else own.model
        if config.train.sharing == "adapter":
            agents[agent] = {"adapter": folder} if folder else {}
        else:
            agents[agent] = {"policy": f"{config.backend}:{folder}"}
    spec = {"policy": f"{config.backend}:{model.model}", "sharing": config.train.sharing, "agents": agents}
    return yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)


def _within(made: ModelRef, mine: StageContext, ctx: StageContext) -> ModelRef:
    """What a seat's training made, its folders as seen from the stage's own."""
    folder = mine.out.relative_to(ctx.out)
    return made.placed(lambda name: name if name == ctx.initial.model else str(folder / name))


def _linked(source: str, target: str) -> None:
    """A second name for a committed file, which nobody writes again; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _together(numbers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Counts summed, other numbers averaged over the seats that have them."""

    def values(name: str) -> Iterator[Any]:
        for told in numbers.values():
            if isinstance(told.get(name), (int, float)) and not isinstance(told[name], bool):
                yield told[name]

    names = dict.fromkeys(name for told in numbers.values() for name in told)
    found: dict[str, Any] = {}
    for name in names:
        given = list(values(name))
        if name == "alarm":
            found[name] = "; ".join(f"{seat}: {told[name]}" for seat, told in numbers.items() if name in told)
        elif given:
            found[name] = sum(given) if name in COUNTED else sum(given) / len(given)
    return found
