"""The procedural worlds: seeded, disjoint splits, and no single half of a two-hop instance gives its answer away."""

from __future__ import annotations

import itertools

import pytest

from optima_envs import scenario
from optima_envs.records import Instance, Turn
from optima_envs.tasks.arith import Arith
from optima_envs.tasks.twohop import TwoHop

KNOBS = [{}, {"hops": 3}, {"distractors": 1}, {"agents": ("Alice", "Bob", "Carol")}, {"hops": 4, "distractors": 8}]


def facts(inst: Instance, agent: str) -> list[tuple[str, str, str]]:
    words = [line.rstrip(".").split() for line in inst.private[agent].splitlines()]
    return [(w[1], w[3], w[5]) for w in words]


def follow(inst: Instance, known: list[tuple[str, str, str]]) -> str | None:
    """Answer the question by looking facts up; None where one is missing."""
    words = inst.question.rstrip("?").split()
    here, relations = words[-1], [w for w in words[3:-1] if w not in ("of", "the")]
    for relation in reversed(relations):
        found = [o for r, s, o in known if (r, s) == (relation, here)]
        if len(found) != 1:
            return None
        here = found[0]
    return here


@pytest.mark.parametrize("knobs", KNOBS)
def test_all_facts_together_give_the_answer_and_no_agent_alone_can_follow(knobs: dict) -> None:
    task = TwoHop("test", **knobs)
    for i in range(40):
        inst = task[i]
        everything = [fact for agent in inst.private for fact in facts(inst, agent)]
        assert follow(inst, everything) == inst.answers[0]
        assert all(follow(inst, facts(inst, agent)) is None for agent in inst.private)


def test_either_half_fits_other_answers_just_as_well() -> None:
    """For each agent, another world with the same half, the same question and another answer, equally likely."""
    for i in range(60):
        inst = TwoHop("test")[i]
        for agent, partner in (("Alice", "Bob"), ("Bob", "Alice")):
            mine, theirs = facts(inst, agent), facts(inst, partner)
            last = inst.meta["gold"][-1][0]
            if inst.answers[0] in inst.private[agent]:  # holds the last fact: let the link lead to another of its names
                link = inst.meta["gold"][0][2]
                other = next(s for r, s, _ in mine if r == last and s != link)
                swap = {link: other, other: link}
                changed = [(r, s, swap.get(o, o)) for r, s, o in theirs]
            else:  # never sees the value: rotate the partner's values
                values = [o for r, _, o in theirs if r == last]
                turned = dict(zip(values, [*values[1:], values[0]], strict=True))
                changed = [(r, s, turned[o] if r == last else o) for r, s, o in theirs]
            assert follow(inst, mine + changed) not in (None, inst.answers[0])


def test_splits_share_no_chain_and_items_depend_on_their_index_alone() -> None:
    chains = {
        split: {tuple(TwoHop(split)[i].meta["gold"][0][1:]) for i in range(400)}
        for split in ("train", "validation", "test")
    }
    assert not chains["train"] & chains["test"]
    assert not chains["train"] & chains["validation"]
    assert not chains["validation"] & chains["test"]
    assert TwoHop("test")[7] == TwoHop("test")[7]
    assert TwoHop("test", seed=1)[7] != TwoHop("test")[7]
    numbers = {s: {(Arith(s)[i].meta["start"], *Arith(s)[i].meta["changes"]) for i in range(200)} for s in chains}
    assert not numbers["train"] & numbers["test"]
    assert not numbers["validation"] & numbers["test"]


def test_three_agents_play_and_hops_alternate_between_holders() -> None:
    game = scenario("twohop-asym", agents=3, hops=3)
    inst = game.task[0]
    assert set(inst.private) == set(game.rules.agents)
    holders = inst.meta["holders"]
    assert all(a != b for a, b in itertools.pairwise(holders))


@pytest.mark.parametrize(
    ("bad", "message"),
    [({"split": "dev"}, "no split 'dev'"), ({"hops": 1}, "hops >= 2"), ({"distractors": 0}, "1 <= distractors")],
)
def test_wrong_knobs_are_named(bad: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TwoHop(**bad)
    with pytest.raises(IndexError, match="instances 0 to"):
        TwoHop()[-1]


def test_arith_amounts_stay_in_range_and_add_up() -> None:
    for steps in (1, 2, 4):
        for i in range(100):
            inst = Arith("test", steps=steps)[i]
            amount = inst.meta["start"]
            for change in inst.meta["changes"]:
                amount += change
                assert 0 <= amount <= 20
            assert inst.answers == (str(amount),)
            assert len(inst.meta["changes"]) == steps


def test_a_guess_is_told_from_a_misread_fact() -> None:
    world = TwoHop("test")
    inst = world[0]
    (_, _, link), (_, _, value) = inst.meta["gold"]
    teller = inst.meta["holders"][0]
    solver = next(agent for agent in inst.private if agent != teller)
    wrong = next(o for r, s, o in facts(inst, solver) if r == inst.meta["gold"][1][0] and s != link)
    told, answer = Turn(teller, link), Turn(solver, f"<A> {value} </A>")
    assert world.supported(inst, [told, answer]) is True
    assert world.supported(inst, [answer, told]) is False
    assert world.supported(inst, [Turn(solver, f"<A> {wrong} </A>"), told]) is False
    other = next(s for r, s, o in facts(inst, solver) if o == wrong)
    assert world.supported(inst, [Turn(teller, other), Turn(solver, f"<A> {wrong} </A>")]) is True
    assert world.supported(inst, [told]) is None
