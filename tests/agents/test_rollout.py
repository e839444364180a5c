"""The rollout engine over the real worlds, with scripted policies and the fake backend."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from optima_agents import EpisodeLog, Job, LLMPolicy, Rollouts, arollout, rollout
from optima_agents.backends.base import BackendError, Completion, ContextOverflow, EngineDead
from optima_agents.backends.fake import FakeBackend
from optima_agents.dialogue import turn_seed
from optima_agents.policy import Act
from optima_agents.scripted import Oracle, Random, Scripted, oracle
from optima_envs import scenario
from optima_envs.records import MAX_UTTERANCE, EpisodeKey


@pytest.fixture(scope="module")
def world():
    return scenario("twohop-asym")


def collect(runner, jobs):
    async def run():
        return [episode async for episode in runner.stream(jobs)]

    return asyncio.run(run())


def kinds(episodes):
    return [e.error and e.error.kind for e in episodes]


def same(episodes):
    return [json.dumps(replace(e, seconds=0.0).to_json()) for e in sorted(episodes, key=lambda e: str(e.key))]


@pytest.mark.parametrize("env", ["twohop-asym", "arith-debate"])
def test_an_oracle_is_right_and_its_record_survives_json(env):
    game = scenario(env)
    for episode in rollout(game, oracle(game.task), episodes=5):
        assert episode.error is None
        assert episode.correct
        assert episode.outcome.stop == "answered"
        assert type(episode).from_json(json.loads(json.dumps(episode.to_json()))) == episode


def test_same_seed_same_episodes_at_any_concurrency_and_another_seed_others():
    runs = [
        rollout("twohop-asym", policy, episodes=6, samples=3, seed=seed, concurrency=concurrency)
        for policy in (Random(), LLMPolicy(FakeBackend()))
        for seed, concurrency in ((1, 1), (1, 7), (1, 64), (2, 64))
    ]
    for one, seven, many, other in (runs[:4], runs[4:]):
        assert same(one) == same(seven) == same(many)
        assert [e.key for e in one] == [e.key for e in many], "results come in job order"
        assert [[t.text for t in e.turns] for e in other] != [[t.text for t in e.turns] for e in one]


def test_turn_seeds_depend_on_everything_that_names_a_turn():
    key = EpisodeKey("i", 0, 0)
    seeds = [
        turn_seed(k, t, a)
        for k in (key, EpisodeKey("i", 1), EpisodeKey("j"), EpisodeKey("i", 0, 1))
        for t in (0, 1)
        for a in "AB"
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= s < 2**31 for s in seeds)


class Failing:
    """Raises on its turn number ``at``."""

    def __init__(self, error, at=1):
        self.error, self.at = error, at

    async def act(self, view, *, seed):
        if view.turn >= self.at:
            raise self.error
        return Act("well")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BackendError("503"), "backend"),
        (ContextOverflow("too long"), "backend"),
        (ZeroDivisionError("x"), "policy"),
        (TimeoutError("own"), "policy"),
    ],
)
def test_a_failed_episode_is_data_and_the_others_go_on(world, error, kind):
    def team(job):
        return Failing(error) if job.index == 1 else Oracle(world.task[job.index].answers[0])

    episodes = rollout(world, team, episodes=3)
    assert [e.error and e.error.kind for e in episodes] == [None, kind, None]
    assert (episodes[1].outcome.stop, len(episodes[1].turns)) == ("error", 1)
    assert str(error) in str(episodes[1].error)


def test_bad_acts_bad_teams_and_bad_instances_are_failures_too(world):
    class Wrong:
        def __init__(self, act):
            self.made = act

        async def act(self, view, *, seed):
            return self.made

    for act in (7, Act(None), Act("x", logprobs=(float("nan"),))):  # type: ignore[arg-type]
        assert kinds(rollout(world, Wrong(act), episodes=1)) == ["policy"]

    def team(job):
        raise RuntimeError("no team")

    assert kinds(rollout(world, team, episodes=1)) == ["policy"]
    broken = collect(Rollouts(world, Oracle("x")), [Job(len(world.task) + 5)])
    assert kinds(broken) == ["env"]
    assert broken[0].key.instance.startswith("index-")


def test_a_lone_surrogate_is_a_question_mark_to_partners(world):
    (episode,) = rollout(world, Oracle("\ud800 é"), episodes=1)
    assert (episode.error, "? é" in episode.turns[-1].text) == (None, True)


def test_timeout_ends_only_the_slow_episode_and_keeps_its_turns(world):
    class Slow:
        async def act(self, view, *, seed):
            if view.turn:
                await asyncio.Event().wait()
            return Act("hm")

    runner = Rollouts(
        world, lambda job: Slow() if job.index == 0 else Oracle(world.task[job.index].answers[0]), episode_timeout=0.2
    )
    slow, *others = sorted(collect(runner, map(Job, range(4))), key=lambda e: e.error is None)
    assert kinds([slow]) == ["timeout"]
    assert len(slow.turns) == 1
    assert [e.correct for e in others] == [True] * 3


def test_turn_retries_repeat_only_backend_errors(world):
    for faults, retries, expected in (
        ({1: BackendError("once")}, 1, None),
        ({1: BackendError("once")}, 0, "backend"),
        ({1: ContextOverflow("long")}, 5, "backend"),
        ({1: ValueError("bug")}, 5, "policy"),
    ):
        backend = FakeBackend("ok", faults=faults)
        (episode,) = rollout(world, LLMPolicy(backend), episodes=1, retries=retries)
        assert (episode.error and episode.error.kind) == expected
        assert backend.calls == len(episode.turns) + (expected is not None) + (expected is None and bool(retries))


def test_a_dead_engine_ends_the_stream_and_the_log_keeps_what_was_done(world, tmp_path):
    log = EpisodeLog(tmp_path / "log.jsonl")
    seen = []

    async def run():
        backend = FakeBackend("<A> 1 </A>", faults={9: EngineDead("CUDA error")})
        async for episode in Rollouts(world, LLMPolicy(backend), log=log, concurrency=2).stream(map(Job, range(50))):
            seen.append(episode.key)

    with pytest.raises(EngineDead, match="CUDA"):
        asyncio.run(run())
    assert 0 < len(seen) < 50
    assert set(seen) <= log.keys()


def test_memory_is_bounded_jobs_are_pulled_as_slots_free_up(world):
    pulled = 0

    def jobs():
        nonlocal pulled
        for index in range(1000):
            pulled += 1
            yield Job(index)

    async def run():
        stream = Rollouts(world, Scripted(["x"]), concurrency=4).stream(jobs())
        for _ in range(3):
            await anext(stream)
        for _ in range(200):
            await asyncio.sleep(0)
        await stream.aclose()

    asyncio.run(run())
    assert pulled <= 3 + 4 + 4 + 1 + 4


def test_resume_skips_logged_keys_and_returns_the_whole_set(world, tmp_path):
    with EpisodeLog(tmp_path / "log.jsonl") as log:
        first = rollout(world, Random(), episodes=3, samples=2, log=log)
    with EpisodeLog(tmp_path / "log.jsonl") as log:
        calls = []
        again = rollout(world, Random(), episodes=5, samples=2, log=log, progress=lambda e: calls.append(e.key))
    assert len(calls) == 4
    assert again[:6] == first
    assert len(again) == 10
    assert same(again) == same(rollout(world, Random(), episodes=5, samples=2))
    assert len(EpisodeLog.read(tmp_path / "log.jsonl")) == 10


def test_cancelling_keeps_finished_episodes(world, tmp_path):
    log = EpisodeLog(tmp_path / "log.jsonl")

    class Stuck:
        async def act(self, view, *, seed):
            await asyncio.Event().wait()
            return Act("")

    async def run():
        runner = Rollouts(world, lambda job: Stuck() if job.index > 2 else Scripted(["x"]), log=log)
        three = asyncio.Event()

        async def read():
            async for _ in runner.stream(map(Job, range(10))):
                if runner.meter.episodes == 3:
                    three.set()

        task = asyncio.create_task(read())
        await three.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1, "no episode is left running"

    asyncio.run(run())
    assert len(log.keys()) == 3


def test_simultaneous_turns_are_blind_to_each_other(world):
    game = scenario("twohop-asym", order="simultaneous", max_turns=4)
    seen = []

    class Looker:
        async def act(self, view, *, seed):
            seen.append((view.agent, len(view.dialogue)))
            return Act(f"I am {view.agent}")

    rollout(game, Looker(), episodes=1)
    assert seen == [("Alice", 0), ("Bob", 0), ("Alice", 2), ("Bob", 2)]


def test_endless_text_is_cut_and_loses_its_ids(world):
    def reply(request):
        return Completion("a" * 5_000_000, 5, ids=(1, 2), logprobs=(-1.0, -1.0))

    episode = rollout(world, LLMPolicy(FakeBackend(reply)), episodes=1)[0]
    assert all(len(t.text) == MAX_UTTERANCE and t.finish == "length" and t.ids is None for t in episode.turns)


def test_ids_are_kept_or_dropped(world):
    def reply(request):
        return Completion("x", 1, prompt_ids=(1,), ids=(2,), logprobs=(-1.0,))

    kept, dropped = (
        collect(Rollouts(world, LLMPolicy(FakeBackend(reply)), keep_ids=keep), [Job(0)])[0] for keep in (True, False)
    )
    assert kept.turns[0].ids == (2,)
    assert kept.turns[0].prompt_ids == (1,)
    assert dropped.turns[0].ids is None
    assert dropped.turns[0].prompt_ids is None
    assert dropped.turns[0].tokens == 1


def test_job_info_is_recorded_and_teams_fit_the_agents(world):
    episode = collect(Rollouts(world, Oracle("x")), [Job(0, info={"format": "arrows"})])[0]
    assert episode.info == {"format": "arrows"}
    with pytest.raises(ValueError, match="Carol"):
        Rollouts(world, {"Alice": Oracle("x"), "Carol": Oracle("x")})
    with pytest.raises(TypeError):
        Rollouts(world, 7)  # type: ignore[arg-type]


def test_sync_rollout_inside_a_running_loop(world):
    async def notebook():
        return rollout(world, Oracle("x"), episodes=2), await arollout(world, Oracle("x"), episodes=2)

    inside, awaited = asyncio.run(notebook())
    assert same(inside) == same(awaited)


def test_the_token_budget_caps_the_last_turn():
    seen = []

    def reply(request):
        seen.append(request.sampling.max_tokens)
        return "one two three"

    game = scenario("twohop-asym", token_budget=7)
    episode = rollout(game, LLMPolicy(FakeBackend(reply)), episodes=1)[0]
    assert seen == [7, 4, 1]
    assert episode.tokens == 7
    assert episode.outcome.stop == "token_budget"
