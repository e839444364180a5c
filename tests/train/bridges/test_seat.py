"""A seat stepped from outside: the dialogue is the native one, to the byte, and nobody hears what is private."""

from __future__ import annotations

import asyncio

import pytest
from support.scripted import Scripted, line, native, same

from optima_agents import Act, rollout
from optima_agents.backends import EngineDead
from optima_agents.scripted import Random
from optima_envs import Scenario, View, scenario
from optima_envs.checks.canary import GOLD, META, Planted, secret
from optima_train.bridges.seat import Seat, reciting, seen


def say(view: View) -> str:
    return line(view.agent, view.question, view.dialogue, view.answer_format)


@pytest.mark.parametrize(("env", "agent"), [("twohop-asym", "Alice"), ("twohop-asym", "Bob"), ("arith-debate", None)])
def test_a_hundred_dialogues_are_the_native_ones(env: str, agent: str | None):
    played = scenario(env)
    seat = Seat(played, agent=agent, partners=Scripted())
    for index, wanted in enumerate(native(played)):
        view = seat.reset(index)
        while view is not None:
            view = seat.say(say(view))
        assert seat.episode is not None
        assert same(seat.episode).to_line() == wanted.to_line()
    seat.close()


def test_many_seats_in_one_event_loop():
    played = scenario("twohop-asym")

    async def play(index: int):
        seat = Seat(played, partners=Scripted())
        view = await seat.areset(index)
        while view is not None:
            view = await seat.asay(say(view))
        seat.close()
        return seat.episode

    async def all_of_them():
        return await asyncio.gather(*(play(index) for index in range(30)))

    for found, wanted in zip(asyncio.run(all_of_them()), native(played, 30), strict=True):
        assert found is not None and same(found) == wanted


def test_simultaneous_speakers_do_not_hear_each_other():
    played = scenario("twohop-asym", order="simultaneous", max_turns=4)
    seat = Seat(played, partners=lambda view: f"{len(view.dialogue)}")
    view = seat.reset(0)
    assert view is not None and view.dialogue == ()
    view = seat.say("mine")
    assert view is not None and view.dialogue == (("Alice", "mine"), ("Bob", "0"))
    seat.close()


def planted(env: str) -> Scenario:
    made = scenario(env)
    return Scenario(made.id, made.rules, Planted(made.task, made.rules.agents), made.metric)


@pytest.mark.parametrize("env", ["twohop-asym", "arith-debate", "twohop-search"])
def test_the_canary_what_is_private_reaches_the_seat_only_when_it_is_said(env: str):
    played = planted(env)
    mine, other = played.rules.agents[0], played.rules.agents[-1]
    for told in (False, True):
        heard = {"text": "", "said": False}

        def partner(view: View, told: bool = told, heard: dict = heard) -> str:
            heard["said"] = told or heard["said"]
            return secret(other) if told else "nothing"

        seat = Seat(played, agent=mine, partners=partner if other != mine else reciting)
        view, text = seat.reset(3), ""
        while view is not None:
            text += seen(view)
            assert not {GOLD, META} & set(text.split())
            if not heard["said"] and other != mine:
                assert secret(other) not in text
            view = seat.say("hm")
        assert secret(mine) in text
        assert (secret(other) in text) == (heard["said"] or other == mine)
        seat.close()


def test_seed_and_index_choose_the_instance():
    played = scenario("twohop-asym")
    seat = Seat(played)
    first, again, other = (seat.reset(seed=seed) for seed in (5, 5, 6))
    assert first == again != other
    with pytest.raises(IndexError):
        seat.reset(len(played.task))
    seat.close()


def test_the_partners_may_be_anything_that_takes_a_seat():
    played = scenario("twohop-asym")
    seat = Seat(played, partners={"Bob": "scripted:<A> Zed </A>"})
    view = seat.reset(0)
    assert view is not None and view.dialogue == ()
    view = seat.say("<A> Kim </A>")
    assert view is not None and view.dialogue[-1] == ("Bob", "<A> Zed </A>")
    assert seat.say("<A> Zed </A>") is None
    assert seat.episode is not None and seat.episode.outcome.answer == "Zed"
    seat.close()


def test_speaking_out_of_turn_is_refused_and_what_fails_is_told():
    played = scenario("twohop-asym")
    seat = Seat(played, partners=lambda view: 1 / 0)
    with pytest.raises(RuntimeError, match="it is not Alice's turn"):
        seat.say("x")
    assert seat.reset(0) is not None
    assert seat.say("x") is None
    assert seat.episode is not None and seat.episode.error is not None
    assert seat.episode.error.message.startswith("ZeroDivisionError")
    with pytest.raises(RuntimeError, match="not Alice's turn"):
        seat.say("x")
    seat.close()

    class Dead:
        async def act(self, view: View, *, seed: int) -> Act:
            raise EngineDead("gone")

    seat = Seat(played, partners=Dead())
    seat.reset(0)
    with pytest.raises(EngineDead, match="gone"):
        seat.say("x")
    with pytest.raises(ValueError, match="seat 'Zoe' is not an agent"):
        Seat(played, agent="Zoe")


def test_a_new_dialogue_ends_the_one_before():
    seat = Seat(scenario("twohop-asym"), partners=Random())
    assert seat.reset(0) is not None
    view = seat.reset(1)
    while view is not None:
        view = seat.say(say(view))
    assert seat.episode is not None
    (wanted,) = rollout("twohop-asym", {"Alice": Scripted(), "Bob": Random()}, episodes=1, start=1)
    assert same(seat.episode) == same(wanted)
    seat.close()


def test_what_a_seat_sees_is_told_once():
    seat = Seat(scenario("twohop-asym"), agent="Bob", partners=lambda view: f"line\n{view.turn}")
    view = seat.reset(0)
    assert view is not None
    opening = seen(view)
    assert opening.startswith("You are Bob. ") and opening.endswith("Alice: line\n 0")
    assert f"Facts:\n{view.private}\nQuestion: {view.question}" in opening
    heard = len(view.dialogue)
    view = seat.say("mine")
    assert view is not None and seen(view, heard) == "Alice: line\n 2"
    seat.close()
