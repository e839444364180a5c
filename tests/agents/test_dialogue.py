"""One dialogue: whom a cancellation ends."""

from __future__ import annotations

import asyncio

import pytest

from optima_agents import LLMPolicy, rollout
from optima_agents.backends.fake import FakeBackend
from optima_agents.backends.own_loop import OwnLoop
from optima_agents.dialogue import guarded
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
