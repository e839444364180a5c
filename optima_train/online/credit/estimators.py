"""Advantage estimators: how much better a turn was than what its team does otherwise; pure functions in a registry.

``ADVANTAGES`` is open: ``@ADVANTAGES.register("mine")`` over a function ``(turns, options, memory) -> Estimate`` adds
one. Standard deviations are those of the population, so that agents with equal rewards get equal advantages however
many they are (TRL divides by n - 1); ``EPSILON`` is TRL's. A group whose rewards do not differ says nothing: its turns
get None and are not trained on.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from optima_envs.registry import Registry

EPSILON = 1e-4
SPREAD = 1e-9  # rewards nearer than this are equal
Scale = Literal["std", "none"]


@dataclass(frozen=True, slots=True)
class RewardedTurn:
    """A turn as an estimator sees it.

    ``group`` is its instance, ``dialogue`` numbers the dialogues of a group, ``turn`` the agent's own turns in it from
    0. ``reward`` is the agent's for the dialogue. On trees a turn is a ``node`` below ``parent``, ``reward`` its value,
    ``samples`` how often it was sampled there (merged siblings are one node).
    """

    group: str
    dialogue: int
    agent: str
    turn: int
    reward: float
    node: int = 0
    parent: int = 0
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Options:
    """``scale``: divide by the group's standard deviation (GRPO), or not (Dr. GRPO, arXiv 2503.20783).
    ``decay``: of a running baseline."""

    scale: Scale = "std"
    decay: float = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """One advantage per turn, None for a turn nothing is known about; ``groups`` compared and those without spread
    among them; ``memory`` is handed to the next call."""

    advantages: tuple[float | None, ...]
    groups: int
    without_spread: int
    memory: Mapping[str, float] = field(default_factory=dict)


Estimator = Callable[[Sequence[RewardedTurn], Options, Mapping[str, float]], Estimate]
ADVANTAGES: Registry[Estimator] = Registry("advantage estimator", "optima.advantages")


@ADVANTAGES.register("group")
def group(turns: Sequence[RewardedTurn], options: Options, memory: Mapping[str, float]) -> Estimate:
    """A = (R - mean) / std over all dialogues and agents of an instance (GRPO, arXiv 2402.03300)."""
    return _within(turns, options, lambda turn: turn.group)


@ADVANTAGES.register("agent")
def agent(turns: Sequence[RewardedTurn], options: Options, memory: Mapping[str, float]) -> Estimate:
    """The same over the dialogues of one agent (Dr. MAS, arXiv 2602.08847): each has its own mean and deviation.

    Without a reward of the agents' own this is ``group``.
    """
    return _within(turns, options, lambda turn: (turn.group, turn.agent))


@ADVANTAGES.register("agent-turn")
def agent_turn(turns: Sequence[RewardedTurn], options: Options, memory: Mapping[str, float]) -> Estimate:
    """The same over an agent's turns of one number (the grouping of AT-GRPO, arXiv 2510.11062)."""
    return _within(turns, options, lambda turn: (turn.group, turn.agent, turn.turn))


def _within(turns: Sequence[RewardedTurn], options: Options, key: Callable[[RewardedTurn], Hashable]) -> Estimate:
    """Normalise within groups; an agent counts once for each of its dialogues in a group."""
    rewards: defaultdict[Hashable, dict[tuple[int, str], float]] = defaultdict(dict)
    for turn in turns:
        rewards[key(turn)][turn.dialogue, turn.agent] = turn.reward
    measures = {name: _measure(list(found.values())) for name, found in rewards.items()}
    advantages: list[float | None] = []
    for turn in turns:
        measure = measures[key(turn)]
        advantages.append(None if measure is None else _scaled(turn.reward - measure[0], measure[1], options))
    return Estimate(tuple(advantages), len(measures), sum(measure is None for measure in measures.values()))


def grown(estimator: Estimator) -> Estimator:
    """Mark an estimator that needs trees instead of dialogues."""
    estimator.on_trees = True  # type: ignore[attr-defined]
    return estimator


def on_trees(name: str) -> bool:
    """Whether the estimator of that name needs trees."""
    return getattr(ADVANTAGES[name], "on_trees", False)


@ADVANTAGES.register("tree")
@grown
def tree(turns: Sequence[RewardedTurn], options: Options, memory: Mapping[str, float]) -> Estimate:
    """A turn's value minus the mean value of its siblings' samples, itself left out (C3, arXiv 2603.06859).

    Siblings are answers of one agent to one history. A turn without any is compared where its dialogue last branched:
    the samples left out there depend on nothing it did, so they are a valid baseline for all that came after. A node
    sampled k times stands for k equal samples, and its advantage is their sum.
    """
    nodes = {(turn.group, turn.node): turn for turn in turns}
    siblings: defaultdict[tuple[str, int], list[RewardedTurn]] = defaultdict(list)
    for turn in nodes.values():
        siblings[turn.group, turn.parent].append(turn)
    advantages: list[float | None] = []
    silent = {place for place, found in siblings.items() if not _differ(found)}
    for turn in turns:
        at: RewardedTurn | None = turn
        while at is not None and len(siblings[at.group, at.parent]) < 2:
            at = nodes.get((at.group, at.parent))
        if at is None or (at.group, at.parent) in silent:
            advantages.append(None)
            continue
        advantages.append(_left_out(turn, siblings[at.group, at.parent], at, options))
    branching = [place for place, found in siblings.items() if len(found) > 1]
    return Estimate(tuple(advantages), len(branching), len(silent.intersection(branching)))


def _differ(found: Sequence[RewardedTurn]) -> bool:
    values = [turn.reward for turn in found]
    return max(values) - min(values) > SPREAD


def _left_out(turn: RewardedTurn, siblings: Sequence[RewardedTurn], at: RewardedTurn, options: Options) -> float:
    """``turn``, at or below ``at``, against the samples of ``siblings`` but one of ``at``'s own."""
    count = sum(other.samples for other in siblings)
    total = math.fsum(other.samples * other.reward for other in siblings)
    mean = total / count
    spread = math.sqrt(math.fsum(other.samples * (other.reward - mean) ** 2 for other in siblings) / count)
    baseline = (total - at.reward) / (count - 1)
    return turn.samples * _scaled(turn.reward - baseline, spread, options)


@ADVANTAGES.register("rae")
def rae(turns: Sequence[RewardedTurn], options: Options, memory: Mapping[str, float]) -> Estimate:
    """A = R - b, b a running mean of the agent's rewards over all instances (SPIRAL, arXiv 2506.24119), never scaled.

    Dialogue by dialogue, in the order of group and number, the baseline is read before it is moved:
    b <- decay b + (1 - decay) R; it begins at 0.
    """
    baselines = dict(memory)
    found: dict[tuple[str, int, str], float] = {}
    for turn in sorted(turns, key=lambda turn: (turn.group, turn.dialogue, turn.agent)):
        place = turn.group, turn.dialogue, turn.agent
        if place not in found:
            before = baselines.get(turn.agent, 0.0)
            found[place] = turn.reward - before
            baselines[turn.agent] = options.decay * before + (1 - options.decay) * turn.reward
    advantages = tuple(found[turn.group, turn.dialogue, turn.agent] for turn in turns)
    return Estimate(advantages, len({turn.group for turn in turns}), 0, baselines)


def _measure(rewards: Sequence[float]) -> tuple[float, float] | None:
    """(mean, population deviation); None where the rewards are all alike."""
    if max(rewards) - min(rewards) <= SPREAD:
        return None
    mean = fmean(rewards)
    return mean, math.sqrt(math.fsum((reward - mean) ** 2 for reward in rewards) / len(rewards))


def _scaled(difference: float, spread: float, options: Options) -> float:
    return difference / (spread + EPSILON) if options.scale == "std" else difference
