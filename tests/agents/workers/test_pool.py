"""A pool of real workers in this process: they die, join, leave and fail, and the log is that of one."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import pytest
from support.crews import Hired, dialogues, opened, pool

from optima_agents import EpisodeLog, Job, rollout
from optima_agents.backends.base import EngineDead
from optima_agents.workers.dialogues import afar
from optima_agents.workers.pool import Pool
from optima_agents.workers.worker import Setup, Site, Worker, sizes_of
from optima_envs import scenario


def lines(episodes):
    """What is said, without times and what an engine's cache happened to hold; float64 still adds in another order."""
    return sorted(json.dumps(replace(e, seconds=0.0, turns=tuple(map(settled, e.turns))).to_json()) for e in episodes)


def settled(turn):
    logprobs = None if turn.logprobs is None else tuple(round(value, 9) for value in turn.logprobs)
    return replace(turn, logprobs=logprobs, usage=None)


async def until(true):
    while not true():  # noqa: ASYNC110 - the counts of a crew have no event
        await asyncio.sleep(0)


def played(crowd: Pool, setup: Setup, jobs: int, env: str = "twohop-asym", **options):
    """Episodes, and the crew that played them."""

    async def run():
        async with (
            crowd.crew(setup) as crew,
            aclosing(afar(scenario(env), crew, **options).stream(jobs_of(jobs))) as got,
        ):
            episodes = [episode async for episode in got]
        await crowd.aclose()
        return episodes, crew

    return asyncio.run(run())


def jobs_of(count: int) -> list[Job]:
    return [Job(index, sample, 3, {"sample": sample}) for index in range(count // 2) for sample in range(2)]


@pytest.mark.parametrize(("policy", "options"), [("fake", {}), ("hf:tiny", {"dtype": "float64"})])
def test_workers_play_what_one_process_plays(policy, options):
    episodes, crew = played(pool(2), dialogues(policy, **options), 12)
    alone = rollout("twohop-asym", policy_of(policy, options), episodes=6, samples=2, seed=3)
    assert lines(episodes) == lines(replace(e, info={"sample": e.key.sample}) for e in alone)
    assert sum(crew.finished.values()) == 12


def policy_of(policy, options):
    from optima_agents import make_policy

    return make_policy(policy, **options)


def test_workers_that_die_at_random_lose_and_double_nothing(tmp_path):
    rng = random.Random(5)

    async def kill(crew, source: Hired):
        for killed in range(20):
            before, more = sum(crew.finished.values()), rng.randrange(1, 6)
            await until(lambda: sum(crew.finished.values()) >= before + more)  # noqa: B023
            rng.choice([member for member in source.members if not member.stopped]).die()
            await until(lambda: crew.lost == killed + 1)  # noqa: B023

    with EpisodeLog(tmp_path / "log.jsonl") as log:
        _, crew = played(pool(2, kill), dialogues(latency=0.002), 300, log=log)
    assert crew.lost == 20
    found = EpisodeLog.read(tmp_path / "log.jsonl")
    assert len({e.key for e in found}) == len(found) == 300
    alone = rollout("twohop-asym", "fake", episodes=150, samples=2, seed=3)
    assert lines(found) == lines(replace(e, info={"sample": e.key.sample}) for e in alone)


def test_a_worker_that_joins_is_used_and_one_that_is_drained_finishes_what_it_has():
    async def script(crew, source: Hired):
        await until(lambda: sum(crew.finished.values()) >= 20)
        source.count = 3
        await until(lambda: "here-3" in crew.finished)
        source.count = 2
        held.append(crew.book.held("here-1"))
        done.append(crew.finished["here-1"])
        await crew.drain("here-1")

    held, done = [], []
    episodes, crew = played(pool(2, script), dialogues(latency=0.002), 300)
    assert len(episodes) == 300
    assert crew.lost == 0
    assert crew.finished["here-3"] > 0
    assert crew.finished["here-1"] == done[0] + held[0], "it did what it had, and was leased nothing more"


def test_a_log_is_gone_on_with_and_only_the_rest_is_leased(tmp_path):
    with EpisodeLog(tmp_path / "log.jsonl") as log:
        played(pool(1), dialogues(), 20, log=log)
    with EpisodeLog(tmp_path / "log.jsonl") as log:
        episodes, crew = played(pool(2), dialogues(), 60, log=log)
    assert len(episodes) == sum(crew.finished.values()) == 40
    assert len(EpisodeLog.read(tmp_path / "log.jsonl")) == 60


def broken(site: Site):
    raise FileNotFoundError("no model at /nowhere")


def test_a_workload_that_cannot_be_opened_ends_all_with_its_reason():
    with pytest.raises(EngineDead, match="no model at /nowhere"):
        played(pool(2), Setup(broken), 4)


class Poison:
    """A workload whose unit ``bad`` kills the engine."""

    concurrency = 2

    def __init__(self, bad):
        self.bad = bad

    async def run(self, unit, tell):
        if unit == self.bad:
            raise EngineDead("out of memory")
        tell("begun")
        await asyncio.sleep(0.001)
        return unit * 2

    async def aclose(self):
        pass


def test_a_unit_that_kills_every_worker_ends_all_but_what_others_do_is_kept():
    async def run():
        crowd, heard = pool(2), []
        async with crowd.crew(Setup(lambda site: Poison(7))) as crew:
            asked = [asyncio.ensure_future(crew.run(n, lambda n=n: n, heard.append)) for n in range(20)]
            found = await asyncio.gather(*asked, return_exceptions=True)
        await crowd.aclose()
        return found, heard

    found, heard = asyncio.run(run())
    assert all(isinstance(item, EngineDead) or item == 2 * n for n, item in enumerate(found))
    assert isinstance(found[7], EngineDead) and "out of memory" in str(found[7])
    assert [*map(type, found)].count(EngineDead) < 10
    assert set(heard) == {"begun"}


def test_the_drivers_own_failure_is_its_own():
    async def run():
        crowd = pool(1)

        def full(told):
            raise OSError(28, "No space left on device")

        async with crowd.crew(Setup(lambda site: Poison(None))) as crew:
            with pytest.raises(OSError, match="No space"):
                await crew.run(1, lambda: 1, full)
            assert await crew.run(2, lambda: 2) == 4
            assert crew.lost == 0
        await crowd.aclose()

    asyncio.run(run())


def test_other_data_on_a_worker_are_refused():
    with pytest.raises(ValueError, match="differs from the driver's"):
        played(pool(1), Setup(partial(opened, "arith-debate", "fake", {}, 2)), 2)


def test_members_and_what_they_put_on_the_shelf_stay_from_one_workload_to_the_next():
    shelves = []

    def made(site: Site):
        shelves.append(site.shelf)
        return Poison(None)

    async def run():
        crowd = pool(1)
        for _ in range(2):
            async with crowd.crew(Setup(made)) as crew:
                assert await crew.run(1, lambda: 1) == 2
                assert [*crew.finished] == ["here-1"]
        await crowd.aclose()

    asyncio.run(run())
    assert shelves[0] is shelves[1]


def test_folders_that_are_not_there_are_carried_and_go_when_nobody_wants_them(tmp_path):
    weights = tmp_path / "weights"
    (weights / "part").mkdir(parents=True)
    (weights / "a.safetensors").write_bytes(b"abc")
    (weights / "part" / "b.json").write_bytes(b"{}")
    sizes = {str(weights): sizes_of(str(weights))}
    elsewhere = {"/not/here": sizes[str(weights)]}

    async def run():
        worker = Worker()
        assert await worker.missing({**sizes, **elsewhere}) == ["/not/here"]
        for name in elsewhere["/not/here"]:
            await worker.keep("/not/here", name, (weights / name).read_bytes())
        assert await worker.missing(elsewhere) == []
        with pytest.raises(ValueError, match="no file of"):
            await worker.keep("/not/here", "../out", b"")
        places = []

        def made(site: Site):
            places.append((site.place("/not/here"), site.place("hub/name")))
            return Poison(None)

        await worker.open(Setup(made, ("/not/here",)))
        ((carried, named),) = places
        assert named == "hub/name"
        assert sizes_of(carried) == sizes[str(weights)]
        await worker.open(Setup(made))
        with pytest.raises(FileNotFoundError):
            sizes_of_existing(carried)
        await worker.close()

    asyncio.run(run())


def sizes_of_existing(folder):
    if not sizes_of(folder):
        raise FileNotFoundError(folder)
