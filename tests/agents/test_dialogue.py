"""One dialogue: whom a cancellation ends."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from optima_agents import LLMPolicy, rollout
from optima_agents.backends.fake import FakeBackend
from optima_agents.backends.own_loop import OwnLoop
from optima_agents.dialogue import guarded
from optima_agents.policy import Act
from optima_envs.records import ErrorInfo


@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
def test_a_cancelled_request_fails_its_episode_and_is_counted(order):
    """As when somebody closes a backend, or a policy's own task group, while dialogues wait for it."""

    class Closing(FakeBackend):
        async def complete(self, request):
            own = OwnLoop("test")
            waiting = asyncio.create_task(own.run(asyncio.sleep(60)))
            await asyncio.sleep(0)
            await asyncio.to_thread(own.close)
            return await waiting

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
