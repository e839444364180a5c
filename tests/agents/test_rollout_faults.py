"""The rollout engine when tasks, logs and engines are not as they should be: all is counted, nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from optima_agents import EpisodeLog, Job, LLMPolicy, Rollouts, rollout
from optima_agents.backends.base import BackendError, ContextOverflow
from optima_agents.backends.fake import FakeBackend
from optima_agents.results.episodes import Episodes
from optima_agents.scripted import Random, Scripted
from optima_envs import Instance, scenario


class Items:
    """A task out of a list; an exception in it is raised."""

    name, split = "items", "test"

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        if isinstance(self.items[index], Exception):
            raise self.items[index]
        return self.items[index]


def question(name: str, text: str = "q?", gold: str = "a"):
    return Instance(name, text, (gold,), {"Alice": "x", "Bob": "y"})


def world(*items):
    return replace(scenario("twohop-asym", max_turns=2), task=Items(*items))


@pytest.mark.parametrize("logged", [False, True])
@pytest.mark.parametrize("bad", [KeyError("row 3"), None, "text", {"id": "x"}])
def test_one_bad_instance_is_a_counted_failure_in_its_place(tmp_path: Path, bad, logged: bool):
    task = world(question("q0"), question("q1"), bad, question("q3"))
    log = EpisodeLog(tmp_path / "e.jsonl") if logged else None
    played = rollout(task, Scripted(["hi"]), episodes=4, samples=2, log=log)
    assert [e.key.instance for e in played] == ["q0", "q0", "q1", "q1", "index-2", "index-2", "q3", "q3"]
    assert [bool(e.error) for e in played] == [False] * 4 + [True] * 2 + [False] * 2
    assert played[4].error is not None
    assert played[4].error.kind == "env"


@pytest.mark.parametrize("logged", [False, True])
def test_ids_that_repeat_are_counted_and_not_played_in_each_others_place(tmp_path: Path, logged: bool):
    task = world(question("same", "one?"), question("other"), question("same", "two?"), question("same", "three?"))
    log = EpisodeLog(tmp_path / "e.jsonl") if logged else None
    played = rollout(task, Scripted(["hi"]), episodes=4, log=log)
    assert [e.instance.question for e in played][:2] == ["one?", "q?"]
    assert [e.key.instance for e in played] == ["same", "other", "index-2", "index-3"]
    assert [e.error and e.error.message for e in played][2:] == [
        "ValueError: the id 'same' is that of instance 0 too; every instance needs its own"
    ] * 2
    if log is not None:
        log.close()
        with EpisodeLog(log.path) as again:
            assert rollout(task, Scripted(["other"]), episodes=4, log=again) == played


def test_a_rollout_goes_on_only_with_the_questions_it_began_with(tmp_path: Path):
    path = tmp_path / "e.jsonl"
    with EpisodeLog(path) as log:
        rollout(world(question("q0"), question("q1")), Scripted(["hi"]), episodes=2, log=log)
    before = path.read_bytes()
    for changed in (question("q0", "another?"), question("q0", gold="b")):
        task = world(changed, question("q1"), question("q2"))
        with EpisodeLog(path) as log, pytest.raises(ValueError, match=r"e\.jsonl has another question, or other golds"):
            rollout(task, Scripted(["hi"]), episodes=3, log=log)
    assert path.read_bytes() == before
    other = replace(world(question("q0")), id="tests/other-v0")
    with (
        EpisodeLog(path) as log,
        pytest.raises(ValueError, match="holds dialogues of optima/twohop-asym-v0, not tests"),
    ):
        rollout(other, Scripted(["hi"]), episodes=1, log=log)


def fates(path: Path) -> dict[str, str | None]:
    return {e.key.instance: e.error and e.error.message for e in EpisodeLog.iterate(path)}


def test_what_the_backend_failed_in_is_asked_again_and_what_else_failed_is_not(tmp_path: Path):
    path = tmp_path / "e.jsonl"
    errors = [BackendError("503"), ContextOverflow("long"), ValueError("bug"), BackendError("hang up")]

    class Outage:
        over = False

        async def act(self, view, *, seed):
            number = int(view.question)
            if number < 4 and not self.over:
                raise errors[number]
            return "fine"

    task = world(*(question(f"q{n}", str(n)) for n in range(6)))
    with EpisodeLog(path) as log, pytest.warns(RuntimeWarning, match="4 of 6 failed"):
        rollout(task, Outage(), episodes=6, log=log)
    policy = Outage()
    policy.over = True
    with EpisodeLog(path) as log:
        played = rollout(task, policy, episodes=6, log=log)
        assert played == sorted(EpisodeLog.iterate(path), key=lambda e: e.key.instance)
    kept = {"q1": "ContextOverflow: long", "q2": "ValueError: bug"}
    assert fates(path) == dict.fromkeys(f"q{n}" for n in range(6)) | kept
    with EpisodeLog(path) as log:
        rollout(task, policy, episodes=6, log=log, retry_failed=True)
    assert fates(path) == dict.fromkeys(f"q{n}" for n in range(6))
    assert len(path.read_text().splitlines()) == 6


def test_with_a_log_the_episodes_stay_on_the_disk(tmp_path: Path):
    with EpisodeLog(tmp_path / "e.jsonl") as log:
        played = rollout("twohop-asym", Random(), episodes=3, samples=2, log=log)
        more = rollout("twohop-asym", Random(), episodes=5, samples=2, log=log)
    assert more[:6] == played
    alone = rollout("twohop-asym", Random(), episodes=3, samples=2)
    assert [(e.key, e.turns) for e in played] == [(e.key, e.turns) for e in alone]
    assert isinstance(played, Episodes)
    assert (len(more), more[-1].key, [e.key for e in more[8:]]) == (10, more[9].key, [more[8].key, more[9].key])
    assert repr(more) == f"<10 episodes of optima/twohop-asym-v0, the first on {more[0].key}>"
    assert more != played
    assert (played + more)[6:] == list(more)
    log.path.write_text("")
    with pytest.raises(ValueError, match="no episode record any more"):
        more[3]


def peak(work) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_what_is_said(tmp_path: Path):
    """60 kB a dialogue would be 18 MB in all."""
    game = scenario("twohop-asym", max_turns=4)
    talk = LLMPolicy(FakeBackend("long " * 3_000))

    def play(count: int, name: str):
        with EpisodeLog(tmp_path / name) as log:
            assert len(rollout(game, talk, episodes=count, log=log, concurrency=4)) == count

    few, many = peak(lambda: play(40, "few")), peak(lambda: play(300, "many"))
    resumed = peak(lambda: play(300, "many"))
    assert many < few + 3_000_000
    assert resumed < few + 3_000_000


def test_the_places_of_a_log_are_the_lines(tmp_path: Path):
    with EpisodeLog(tmp_path / "e.jsonl", holds={"env": "x"}) as log:
        runner = Rollouts(scenario("twohop-asym"), Random(), log=log)

        async def run():
            return [e async for e in runner.stream(map(Job, range(4)))]

        asyncio.run(run())
    content = log.path.read_bytes()
    for key, place in runner.places.items():
        assert json.loads(content[place:].split(b"\n")[0])["key"]["instance"] == key.instance


def test_a_log_may_be_given_by_its_path(tmp_path):
    path = tmp_path / "log.jsonl"
    first = rollout(world(question("q0")), Scripted(["hi"]), episodes=1, log=str(path))
    again = rollout(world(question("q0")), Scripted(["other"]), episodes=1, log=path)
    assert [turn.text for turn in again[0].turns] == [turn.text for turn in first[0].turns]
    assert len(EpisodeLog.read(path)) == 1
