"""The control of online learning keeps every group's rewards and breaks what they belong to."""

from __future__ import annotations

from collections import Counter

from benchmarks.training.controls import permuted
from optima_train.online.credit.estimators import Options, RewardedTurn, group


def turns(count: int) -> list[RewardedTurn]:
    return [RewardedTurn("q", k, agent, 0, float(k)) for k in range(count) for agent in ("Alice", "Bob")]


def test_the_same_advantages_go_to_other_dialogues():
    given = turns(8)
    real, shuffled = group(given, Options(), {}).advantages, permuted(given, Options(), {}).advantages
    assert Counter(real) == Counter(shuffled) and real != shuffled
    assert all(shuffled[2 * k] == shuffled[2 * k + 1] for k in range(8)), "a dialogue stays one"
    assert permuted(given, Options(), {}).advantages == shuffled
