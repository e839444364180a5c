"""The guard: what is the dialogue's failure, what is ours, and what a timeout measures."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import cast

import pytest
from support import virtual_time

from optima_agents import CachedBackend, Job, LLMPolicy, Rollouts, rollout
from optima_agents.backends.base import BackendError, Completion, EngineDead
from optima_agents.backends.fake import FakeBackend
from optima_agents.guard import guarded, together
from optima_agents.policy import Act
from optima_envs import scenario
from optima_envs.records import ErrorInfo


class Slow(FakeBackend):
    """A reply takes ``steps`` times ``pause`` seconds; every ``sign`` steps there is progress to tell of."""

    def __init__(self, steps: int, pause: float, sign: int = 1) -> None:
        super().__init__()
        self.steps, self.pause, self.sign, self.made = steps, pause, sign, 0

    def progress(self) -> int:
        return self.made

    async def complete(self, request):
        for step in range(self.steps):
            await asyncio.sleep(self.pause)
            self.made += (step + 1) % self.sign == 0
        return Completion("<A> so </A>", 3)


def play(policy, timeout: float, count: int = 2, **settings):
    async def run():
        runner = Rollouts(scenario("twohop-asym", **settings), policy, episode_timeout=timeout)
        return [e async for e in runner.stream(map(Job, range(count)))]

    return virtual_time.run(run())


def test_an_engine_that_goes_on_is_waited_for():
    """Eight turns of ten minutes each, with a limit of one minute."""
    for episode in play(LLMPolicy(Slow(60, 10.0)), 60.0):
        assert (episode.error, episode.outcome.stop) == (None, "answered")


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "in a cache"])
def test_an_engine_that_stands_still_is_not(tmp_path: Path, wrapped: bool):
    slow = Slow(60, 10.0, sign=30)  # progress each 300 s
    for limit, kind in ((250.0, "timeout"), (400.0, None)):
        backend = CachedBackend(slow, tmp_path / f"{limit}.sqlite", model="m") if wrapped else slow
        for episode in play(LLMPolicy(backend), limit):
            assert (episode.error and episode.error.kind) == kind
            if episode.error:
                assert episode.error.message == "no progress for 250 s"


def test_a_turn_is_progress_and_what_was_said_stays():
    class Tiring:
        async def act(self, view, *, seed):
            await asyncio.sleep(50.0 if view.turn < 3 else 500.0)
            return "well"

    for episode in play(Tiring(), 60.0):
        assert episode.error is not None
        assert episode.error.kind == "timeout"
        assert [turn.text for turn in episode.turns] == ["well"] * 3


def test_of_a_round_that_fails_the_partners_words_stay():
    class Half:
        def __init__(self, error):
            self.error = error

        async def act(self, view, *, seed):
            await asyncio.sleep(1.0 if view.agent == "Bob" else 2.0)
            if view.turn and view.agent == "Alice":
                if self.error is None:
                    await asyncio.sleep(1000.0)
                raise cast("Exception", self.error)
            return f"I am {view.agent}"

    for error, kind in ((ValueError("no"), "policy"), (BackendError("503"), "backend"), (None, "timeout")):
        (episode,) = play(Half(error), 60.0, 1, order="simultaneous")
        assert episode.error is not None
        assert episode.error.kind == kind
        assert [turn.agent for turn in episode.turns] == ["Alice", "Bob", "Bob"]


def full_disk(*, cause: bool):
    full = OSError(errno.ENOSPC, "No space left on device")
    if not cause:
        return full
    error = BackendError("the cache cannot be written")
    error.__cause__ = full
    return error


@pytest.mark.parametrize("error", [full_disk(cause=False), full_disk(cause=True), OSError(errno.EMFILE, "files")])
def test_what_this_machine_ran_out_of_ends_the_rollout(error):
    class Unlucky:
        async def act(self, view, *, seed):
            if view.turn:
                raise error
            return Act("fine")

    with pytest.raises(OSError, match=r"No space left|files"):
        rollout("twohop-asym", Unlucky(), episodes=5)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "no file"), ConnectionError("gone"), MemoryError("huge"), TimeoutError("own")]
)
def test_other_troubles_are_the_dialogues_own(error):
    class Unlucky:
        async def act(self, view, *, seed):
            raise error

    with pytest.warns(RuntimeWarning, match="2 of 2 failed: policy"):
        assert [e.error and e.error.kind for e in rollout("twohop-asym", Unlucky(), episodes=2)] == ["policy"] * 2


def test_together_keeps_order_and_raises_the_first_in_order_after_all_have_ended():
    ended = []

    async def work(number: int, pause: float, error: Exception | None = None) -> int:
        await asyncio.sleep(pause)
        ended.append(number)
        if error:
            raise error
        return number

    assert virtual_time.run(together(work(n, 3.0 - n) for n in range(3))) == [0, 1, 2]
    assert virtual_time.run(together([])) == []
    ended.clear()
    with pytest.raises(ValueError, match="late"):
        virtual_time.run(together([work(0, 9.0, ValueError("late")), work(1, 1.0, KeyError("early")), work(2, 20.0)]))
    assert ended == [1, 0, 2]


def test_together_in_a_hurry_raises_the_earliest_failure_and_leaves_nobody_running():
    ended, cancelled = [], []

    async def work(number: int, pause: float, error: Exception | None = None) -> int:
        try:
            await asyncio.sleep(pause)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        ended.append(number)
        if error:
            raise error
        return number

    async def run():
        with pytest.raises(KeyError):
            await together([work(0, 9.0, ValueError("late")), work(1, 1.0, KeyError("early"))], hurry=True)
        assert await together((work(n, 1.0) for n in (2, 3)), hurry=True) == [2, 3]
        assert len(asyncio.all_tasks()) == 1
        waiting = asyncio.create_task(together([work(4, 50.0), work(5, 60.0)]))
        await asyncio.sleep(5.0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert len(asyncio.all_tasks()) == 1

    virtual_time.run(run())
    assert (ended, cancelled) == ([1, 2, 3], [0, 4, 5])


def test_a_cancelled_child_is_not_overlooked():
    async def run():
        stuck = asyncio.get_running_loop().create_future()
        work = asyncio.create_task(together([asyncio.sleep(1.0), stuck]))
        await asyncio.sleep(2.0)
        stuck.cancel()
        return await guarded(work, 60.0)

    ended = virtual_time.run(run())
    assert isinstance(ended, ErrorInfo)
    assert "cancelled" in ended.message


def test_a_dead_engine_is_raised_as_it_is():
    async def work():
        raise EngineDead("CUDA error")

    with pytest.raises(EngineDead):
        virtual_time.run(guarded(work(), 5.0, progress=lambda: 0))
