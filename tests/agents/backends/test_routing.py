"""Routing of prompts to engines by their beginnings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optima_agents.backends.routing import BLOCK, REMEMBERED, SLACK, PrefixRouter


def prompt(number: int, length: int = 3 * BLOCK) -> list[int]:
    return [number * 1000 + at for at in range(length)]


def test_siblings_and_later_turns_go_where_their_beginning_is():
    router = PrefixRouter(2)
    homes = {number: router.enter(prompt(number)) for number in range(10)}
    assert sorted(homes.values()) == [0] * 5 + [1] * 5, "new beginnings are spread"
    for number, rank in homes.items():
        assert router.enter(prompt(number)) == rank
        assert router.enter([*prompt(number), *prompt(99)]) == rank


def test_instructions_that_all_prompts_share_bind_nobody_for_long():
    router = PrefixRouter(2)
    ranks = [router.enter([*range(BLOCK), *prompt(number)]) for number in range(64)]
    assert abs(ranks.count(0) - ranks.count(1)) <= SLACK


def test_an_engine_far_ahead_is_left_and_found_again_when_it_is_free():
    router = PrefixRouter(2)
    ranks = [router.enter(prompt(1)) for _ in range(SLACK + 1)]
    assert ranks == [ranks[0]] * SLACK + [1 - ranks[0]]
    for rank in ranks:
        router.leave(rank)
    assert router.enter(prompt(1)) == ranks[0]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("optima_agents.backends.routing.REMEMBERED", 8)
    router = PrefixRouter(2)
    for number in range(100):
        router.leave(router.enter(prompt(number)))
    assert len(router._home) == 8 < REMEMBERED


@given(st.lists(st.lists(st.integers(0, 3), max_size=80), max_size=60), st.integers(1, 4))
def test_loads_return_to_nothing_and_ranks_exist(prompts, engines):
    router = PrefixRouter(engines)
    ranks = [router.enter(ids) for ids in prompts]
    assert all(0 <= rank < engines for rank in ranks)
    assert max(router._load) - min(router._load) <= SLACK
    for rank in ranks:
        router.leave(rank)
    assert router._load == [0] * engines
