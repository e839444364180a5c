"""Every estimator against a table made by hand, and the sentences of the documentation about them."""

from __future__ import annotations

import math

import pytest

from optima_envs.registry import UnknownName
from optima_train.online.credit.estimators import ADVANTAGES, EPSILON, Options, RewardedTurn, on_trees

UNSCALED = Options(scale="none")


def turns(*rows: tuple) -> list[RewardedTurn]:
    """(group, dialogue, agent, turn, reward) each."""
    return [RewardedTurn(*row) for row in rows]


# two dialogues of one instance; Alice speaks twice in the first one
TEAM = turns(
    ("q", 0, "Alice", 0, 1.0), ("q", 0, "Bob", 0, 3.0), ("q", 0, "Alice", 1, 1.0),
    ("q", 1, "Alice", 0, 0.0), ("q", 1, "Bob", 0, 8.0),
)  # fmt: skip


def estimate(name: str, given: list[RewardedTurn], options: Options = UNSCALED, memory: dict | None = None):
    return ADVANTAGES[name](given, options, memory or {})


def close(found: tuple, expected: list) -> bool:
    return len(found) == len(expected) and all(
        a is b or (a is not None and b is not None and math.isclose(a, b, abs_tol=1e-6))
        for a, b in zip(found, expected, strict=True)
    )


def test_group_pools_agents_and_dialogues():
    # rewards 1, 3, 0, 8 (an agent counts once in a dialogue): mean 3, deviations 4 + 0 + 9 + 25 = 38, over 4
    result = estimate("group", TEAM)
    assert close(result.advantages, [-2.0, 0.0, -2.0, -3.0, 5.0])
    assert (result.groups, result.without_spread) == (1, 0)
    spread = math.sqrt(38 / 4) + EPSILON
    scaled = estimate("group", TEAM, Options())
    assert close(scaled.advantages, [-2 / spread, 0.0, -2 / spread, -3 / spread, 5 / spread])


def test_agent_normalises_each_agent_by_itself():
    # Alice: 1, 0, mean 0.5, deviation 0.5; Bob: 3, 8, mean 5.5, deviation 2.5
    assert close(estimate("agent", TEAM).advantages, [0.5, -2.5, 0.5, -0.5, 2.5])
    one, two = 0.5 / (0.5 + EPSILON), 2.5 / (2.5 + EPSILON)
    assert close(estimate("agent", TEAM, Options()).advantages, [one, -two, one, -one, two])


def test_agent_turn_compares_turns_of_one_number():
    result = estimate("agent-turn", TEAM)
    assert close(result.advantages, [0.5, -2.5, None, -0.5, 2.5]), "a second turn that no other dialogue has"
    assert (result.groups, result.without_spread) == (3, 1)


def test_groups_without_spread_say_nothing_and_are_counted():
    given = turns(("a", 0, "Alice", 0, 1.0), ("a", 1, "Alice", 0, 1.0), ("b", 0, "Alice", 0, 0.0),
                  ("b", 1, "Alice", 0, 2.0), ("c", 0, "Alice", 0, 5.0))  # fmt: skip
    for name in ("group", "agent", "agent-turn"):
        result = estimate(name, given)
        assert close(result.advantages, [None, None, -1.0, 1.0, None])
        assert (result.groups, result.without_spread) == (3, 2)


def node(number: int, parent: int, reward: float, samples: int = 1, agent: str = "Alice") -> RewardedTurn:
    return RewardedTurn("q", 0, agent, 0, reward, number, parent, samples)


#        0 ─┬─ 1 (0.5) ─┬─ 3 (1.0) ── 5 (1.0)
#           │           └─ 4 (0.0)
#           └─ 2 (0.2, sampled twice)
TREE = [node(1, 0, 0.5), node(2, 0, 0.2, samples=2), node(3, 1, 1.0), node(4, 1, 0.0), node(5, 3, 1.0)]


def test_tree_leaves_one_sample_out_among_siblings():
    result = estimate("tree", TREE)
    first = 0.5 - (0.2 + 0.2) / 2
    second = 2 * (0.2 - (0.5 + 0.2) / 2)  # for its two samples, each against the other three's rest
    chain = 1.0 - 0.0  # where its dialogue last branched: node 3 against node 4
    assert close(result.advantages, [first, second, 1.0, -1.0, chain])
    assert (result.groups, result.without_spread) == (2, 0)


def test_tree_scales_by_the_deviation_of_the_samples():
    mean, spread = 0.9 / 3, math.sqrt((0.2**2 + 2 * 0.1**2) / 3)
    assert mean == pytest.approx(0.3)
    found = estimate("tree", TREE, Options()).advantages
    assert close(found[:2], [0.3 / (spread + EPSILON), 2 * -0.15 / (spread + EPSILON)])


def test_a_chain_that_never_branched_and_siblings_alike_give_nothing():
    alone = [node(1, 0, 1.0), node(2, 1, 1.0)]
    assert estimate("tree", alone).advantages == (None, None)
    alike = [node(1, 0, 1.0), node(2, 0, 1.0), node(3, 1, 1.0)]
    result = estimate("tree", alike)
    assert result.advantages == (None, None, None)
    assert (result.groups, result.without_spread) == (1, 1)


def test_trees_of_two_instances_do_not_mix():
    other = [RewardedTurn("r", 0, "Alice", 0, reward, number, 0, 1) for number, reward in ((1, 4.0), (2, 2.0))]
    assert close(estimate("tree", [*TREE, *other]).advantages[5:], [2.0, -2.0])


def test_leave_one_out_over_dialogues_is_the_scaled_group_mean():
    """RLOO: with n samples, R - mean of the others = n / (n - 1) (R - mean)."""
    rewards = [0.0, 1.0, 0.25, 0.5]
    given = [node(k + 1, 0, reward) for k, reward in enumerate(rewards)]
    mean = sum(rewards) / 4
    assert close(estimate("tree", given).advantages, [4 / 3 * (reward - mean) for reward in rewards])


def test_rae_reads_an_agents_baseline_before_it_moves():
    given = turns(("b", 0, "Alice", 0, 2.0), ("b", 0, "Bob", 0, -1.0), ("a", 0, "Alice", 0, 1.0),
                  ("a", 0, "Alice", 1, 1.0), ("b", 1, "Alice", 0, 0.0))  # fmt: skip
    options = Options(decay=0.9)
    result = estimate("rae", given, options, {"Alice": 0.5})
    after_first = 0.9 * 0.5 + 0.1 * 1.0  # instance a comes before instance b
    after_second = 0.9 * after_first + 0.1 * 2.0
    assert close(result.advantages, [2.0 - after_first, -1.0, 0.5, 0.5, 0.0 - after_second])
    assert result.memory["Alice"] == pytest.approx(0.9 * after_second, abs=1e-6)
    assert result.memory["Bob"] == pytest.approx(-0.1, abs=1e-6)
    assert close(estimate("rae", given, Options("std", 0.9), {"Alice": 0.5}).advantages, list(result.advantages))


def test_rae_learns_from_a_single_dialogue_of_an_instance():
    assert estimate("rae", turns(("q", 0, "Alice", 0, 1.0))).advantages == (1.0,)


def test_with_a_team_reward_and_equal_rows_agent_is_group():
    given = turns(*((q, d, a, 0, r) for q, rs in (("p", (0.1, 0.7, 1.3)), ("q", (-1.0, 2.0, 0.4)))
                    for d, r in enumerate(rs) for a in ("Alice", "Bob", "Carol")))  # fmt: skip
    for options in (Options(), UNSCALED):
        one, other = estimate("group", given, options), estimate("agent", given, options)
        assert close(one.advantages, list(other.advantages))


@pytest.mark.parametrize("name", ["group", "agent", "agent-turn", "rae", "tree"])
def test_estimators_do_not_depend_on_the_order_of_turns(name: str):
    given = TREE if name == "tree" else TEAM
    forward = dict(zip(given, estimate(name, given).advantages, strict=True))
    backward = dict(zip(given[::-1], estimate(name, given[::-1]).advantages, strict=True))
    assert forward == backward


def test_nothing_to_estimate_is_no_error():
    for name in ADVANTAGES:
        assert estimate(name, []).advantages == ()


def test_the_registry_names_what_is_near_and_knows_who_needs_trees():
    assert {name for name in ADVANTAGES if on_trees(name)} == {"tree"}
    with pytest.raises(UnknownName, match="did you mean agent"):
        ADVANTAGES["agnet"]
