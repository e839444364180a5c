"""Negative control of online learning, a plugin of benchmarks/configs/online-controls.yaml: the estimator ``permuted``
gives every dialogue of a group the rewards of another one, so there is nothing to be learned."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from optima_train.online.credit.estimators import ADVANTAGES, Estimate, Options, RewardedTurn, group


@ADVANTAGES.register("permuted")
def permuted(turns: Sequence[RewardedTurn], options: Options, memory: Mapping[str, float]) -> Estimate:
    """``group``, after the rewards of a group's dialogues have changed places at random (seeded by the group)."""
    rewards: dict[str, dict[int, float]] = {}
    for turn in turns:
        rewards.setdefault(turn.group, {})[turn.dialogue] = turn.reward
    for name, found in rewards.items():
        values = [*found.values()]
        random.Random(f"permuted/{name}").shuffle(values)
        rewards[name] = dict(zip(found, values, strict=True))
    return group([replace(turn, reward=rewards[turn.group][turn.dialogue]) for turn in turns], options, memory)
