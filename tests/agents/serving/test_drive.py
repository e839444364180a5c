"""Drive: a dialogue whose turns are asked for from outside is, to the byte, the one that the rollout engine plays."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from support.worlds import TOOL_WORLDS, WORLDS

from optima_agents import Act, rollout
from optima_agents.backends import BackendError, EngineDead
from optima_agents.scripted import Random
from optima_agents.serving.drive import drive
from optima_envs import View, scenario
from optima_envs.records import ENVIRONMENT, Turn


@pytest.mark.parametrize("env", [*WORLDS, *TOOL_WORLDS])
def test_the_dialogue_is_that_of_the_rollout_engine(env: str):
    played, policy = scenario(env), Random()

    async def ask(view: View, seed: int) -> Act:
        return await policy.act(view, seed=seed)

    native = rollout(played, policy, episodes=25, seed=3)

    async def all_of_them():
        return [await drive(played, played.task[index], ask, seed=3) for index in range(25)]

    for mine, theirs in zip(asyncio.run(all_of_them()), native, strict=True):
        assert replace(mine, seconds=0.0).to_line() == replace(theirs, seconds=0.0).to_line()


def test_turns_are_told_as_they_are_made_the_worlds_among_them():
    played, heard = scenario("arith-plan"), []

    async def ask(view: View, seed: int) -> str:
        assert [turn.text for turn in heard] == [said.text for said in view.dialogue]
        return "calculate[1 + 1]"

    episode = asyncio.run(drive(played, played.task[0], ask, heard=heard.append))
    assert tuple(heard) == episode.turns
    assert ENVIRONMENT in {turn.agent for turn in heard}


def test_each_agent_may_have_its_own_function_or_policy():
    played = scenario("twohop-asym", max_turns=4)

    async def first(view: View, seed: int) -> str:
        return "mine"

    episode = asyncio.run(drive(played, played.task[0], {"Alice": first, "Bob": Random()}, sample=2, info={"a": 1}))
    assert {turn.text for turn in episode.turns if turn.agent == "Alice"} == {"mine"}
    assert episode.info == {"a": 1}
    assert episode.key.sample == 2
    with pytest.raises(ValueError, match="nobody to ask for Bob; the agents are Alice, Bob"):
        asyncio.run(drive(played, played.task[0], {"Alice": first}))


@pytest.mark.parametrize(
    ("raised", "kind"), [(BackendError("x"), "backend"), (ValueError("x"), "policy"), (TimeoutError("x"), "policy")]
)
def test_what_asking_raises_fails_this_dialogue_with_its_reason(raised: Exception, kind: str):
    played = scenario("twohop-asym")

    async def ask(view: View, seed: int) -> str:
        if view.dialogue:
            raise raised
        return "one turn"

    episode = asyncio.run(drive(played, played.task[0], ask))
    assert episode.error is not None and (episode.error.kind, len(episode.turns)) == (kind, 1)


def test_a_dead_engine_ends_the_caller_and_a_silent_one_is_given_up():
    played = scenario("twohop-asym")

    async def dead(view: View, seed: int) -> str:
        raise EngineDead("gone")

    async def silent(view: View, seed: int) -> str:
        await asyncio.Event().wait()
        return ""

    with pytest.raises(EngineDead):
        asyncio.run(drive(played, played.task[0], dead))
    episode = asyncio.run(drive(played, played.task[0], silent, timeout=0.05))
    assert episode.error is not None and episode.error.kind == "timeout"


def test_ids_are_kept_or_left_out():
    played, said = scenario("twohop-asym", max_turns=2), Act("hi", 2, (1, 2), (3, 4), (-0.5, -0.5))

    async def ask(view: View, seed: int) -> Act:
        return said

    def turns(keep: bool) -> tuple[Turn, ...]:
        return asyncio.run(drive(played, played.task[0], ask, keep_ids=keep)).turns

    assert {turn.ids for turn in turns(True)} == {(3, 4)}
    assert {turn.ids for turn in turns(False)} == {None}
