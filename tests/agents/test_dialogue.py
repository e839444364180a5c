"""One dialogue: whom a cancellation ends, what rules and policies that do not keep to theirs come to."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from support.worlds import Tiny

from optima_agents import Completion, LLMPolicy, Request, rollout
from optima_agents.backends.fake import FakeBackend
from optima_agents.backends.own_loop import OwnLoop
from optima_agents.dialogue import guarded
from optima_agents.policy import Act
from optima_agents.scripted import Scripted
from optima_envs import METRICS, AsymmetricQA, Rules, Scenario
from optima_envs.records import ErrorInfo


@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
def test_a_cancelled_request_fails_its_episode_and_is_counted(order):
    """As when somebody closes a backend, or a policy's own task group, while dialogues wait for it."""

    class Closing(FakeBackend):
        async def complete(self, request: Request) -> Completion:
            own = OwnLoop("test")
            waiting = asyncio.create_task(own.run(asyncio.sleep(60)))
            await asyncio.sleep(0)
            await asyncio.to_thread(own.close)
            return cast("Any", await waiting)

    episodes = rollout("twohop-asym", LLMPolicy(Closing()), episodes=3, order=order)
    assert [(e.error.kind, "cancelled" in e.error.message) for e in episodes if e.error] == [("policy", True)] * 3


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (Act("well", tokens=cast("Any", "3")), "count tokens as an int"),
        (Act("well", tokens=-1), "count tokens as an int"),
        (Act("well", tokens=cast("Any", 2.5)), "count tokens as an int"),
        (Act("well", 1, usage=cast("Any", {"prompt_tokens": 3})), "tell its usage as a Usage"),
        (Act("well", 1, finish=cast("Any", "done")), "finish with one of stop, length"),
        (Act("well", 1, ids=cast("Any", (2, 2.5))), "'float' object cannot be interpreted as an integer"),
    ],
)
def test_acts_that_are_none_fail_their_episode(act, why):
    """They would break the sums over all episodes or a reader of the log, and with them the stage."""

    class Odd:
        async def act(self, view, *, seed):
            return act

    episodes = rollout("twohop-asym", Odd(), episodes=2)
    assert [(e.error.kind, why in e.error.message) for e in episodes if e.error] == [("policy", True)] * 2


def test_a_cancelled_episode_is_let_go():
    async def run() -> list[object]:
        still = asyncio.create_task(guarded(asyncio.sleep(60), 60))
        late = await guarded(asyncio.sleep(60), 0.01)
        still.cancel()
        return [late, *await asyncio.gather(still, return_exceptions=True)]

    late, cancelled = asyncio.run(run())
    assert isinstance(late, ErrorInfo)
    assert late.kind == "timeout"
    assert isinstance(cancelled, asyncio.CancelledError)


class Endless(AsymmetricQA):
    """Never ends."""

    def outcome(self, inst, turns):
        return None


def world(rules: Rules) -> Scenario:
    return Scenario("tests/tiny-v0", rules, Tiny(), METRICS["f1"])


@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
@pytest.mark.parametrize("agents", [("A", "B"), ("A", "B", "C")])
def test_rules_that_never_end_fail_their_episodes_with_the_reason(order, agents):
    scene = world(Endless(agents=agents, max_turns=4, order=order))
    episodes = rollout(scene, Scripted(["hm"]), episodes=3)
    assert [e.error.kind for e in episodes if e.error] == ["env"] * 3
    assert all("the rules promise 4" in e.error.message for e in episodes if e.error)
    assert all(len(e.turns) < 4 + 2 * len(agents) for e in episodes)


class Watching:
    """Waits for nothing, and notes in which dialogue it spoke."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    async def act(self, view, *, seed):
        self.seen.append((view.episode, view.turn))
        return Act("hm")


def test_one_policy_tells_its_dialogues_apart():
    policy = Watching()
    episodes = rollout(world(AsymmetricQA(max_turns=4)), policy, episodes=3, samples=2, seed=7)
    assert {episode for episode, _ in policy.seen} == {str(e.key) for e in episodes}
    for episode in episodes:
        assert [turn for name, turn in policy.seen if name == str(episode.key)] == [0, 1, 2, 3]


def test_a_policy_that_waits_for_nothing_keeps_nobody_waiting():
    policy = Watching()
    rollout(world(AsymmetricQA(max_turns=4)), policy, episodes=2, concurrency=2)
    names = [episode for episode, _ in policy.seen]
    assert names != sorted(names), "dialogues take turns"


def test_no_prompt_holds_the_name_of_the_episode():
    asked: list[Request] = []
    policy = LLMPolicy(FakeBackend(lambda request: asked.append(request) or Completion("hm", 1)))
    rollout(world(AsymmetricQA(max_turns=2)), policy, episodes=2)
    assert len(asked) == 4
    assert not [request for request in asked if "tiny-" in repr(request)]
