"""The real OpenEnv: its server and its client play the native dialogues, fifty sessions at a time."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openenv")

import uvicorn
from support.other_trainers import run
from support.scripted import Scripted, line, native, same

from optima_agents import rollout
from optima_agents.scripted import Scripted as Lines
from optima_agents.serving.run import listen
from optima_envs import Scenario, scenario
from optima_envs.checks.canary import GOLD, META, Planted, secret
from optima_train.bridges.openenv_seat import Heard, Say, SeatClient, SeatEnvironment, app
from optima_train.hubs.environment import to_openenv
from optima_train.hubs.package import Package

SESSIONS = 50


@contextmanager
def served(played: Scenario | None, ready: Any = None, **seat: Any) -> Iterator[str]:
    """A running server, of an application that is ``ready`` or made of the rest; gives its address."""
    with listen("127.0.0.1", 0) as listening:
        made = ready if played is None else app(played, sessions=SESSIONS, **seat)
        server = uvicorn.Server(uvicorn.Config(made, log_level="warning"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def say(heard: Heard) -> Say:
    return Say(text=line(heard.agent, heard.question, tuple(heard.dialogue)))


async def dialogue(client: SeatClient, index: int) -> Heard:
    """The last observation of a dialogue."""
    result = await client.reset(index=index)
    while not result.done:
        result = await client.step(say(result.observation))
    return result.observation


def test_a_hundred_dialogues_over_fifty_sessions_are_the_native_ones():
    played = scenario("twohop-asym")
    wanted = native(played)

    async def session(url: str, indices: range) -> None:
        async with SeatClient(base_url=url) as client:
            for index in indices:
                last, episode = await dialogue(client, index), wanted[index]
                assert [tuple(one) for one in last.dialogue] == [(turn.agent, turn.text) for turn in episode.turns]
                assert (last.reward, last.answer) == (episode.score, episode.outcome.answer)
                state = await client.state()
                assert (state.instance, state.stop) == (episode.instance.id, episode.outcome.stop)
                assert state.step_count == sum(turn.agent == "Alice" for turn in episode.turns)

    async def all_of_them(url: str) -> None:
        await asyncio.gather(*(session(url, range(k, 100, SESSIONS)) for k in range(SESSIONS)))

    with served(played, partners=Scripted()) as url:
        asyncio.run(all_of_them(url))


def test_the_records_behind_it_are_the_native_ones():
    played = scenario("twohop-asym")
    seat = SeatEnvironment(played, agent="Bob", partners=Scripted())
    for index, wanted in enumerate(native(played, 20)):
        heard = seat.reset(index=index)
        while not heard.done:
            heard = seat.step(say(heard))
        assert seat._seat.episode is not None
        assert same(seat._seat.episode).to_line() == wanted.to_line()
    seat.close()


def test_the_same_seed_gives_the_same_observation():
    played = scenario("twohop-asym")

    async def first(url: str, seed: int) -> Heard:
        async with SeatClient(base_url=url) as client:
            return (await client.reset(seed=seed)).observation

    async def three(url: str) -> list[Heard]:
        return [await first(url, seed) for seed in (5, 5, 6)]

    with served(played) as url:
        one, same_, other = asyncio.run(three(url))
    assert one == same_ != other
    assert one.facts and one.question and one.partners == ["Bob"]


def test_the_canary_nothing_private_crosses_the_wire_unsaid():
    made = scenario("twohop-asym")
    played = Scenario(made.id, made.rules, Planted(made.task, made.rules.agents), made.metric)

    async def all_that_is_sent(url: str) -> str:
        async with SeatClient(base_url=url) as client:
            result = await client.reset(index=1)
            sent = repr(result) + repr(await client.state())
            while not result.done:
                result = await client.step(Say(text="hm"))
                sent += repr(result) + repr(await client.state())
            return sent

    for partner, told in ((lambda view: "nothing", False), (lambda view: secret("Bob"), True)):
        with served(played, partners=partner) as url:
            sent = asyncio.run(all_that_is_sent(url))
        assert secret("Alice") in sent
        assert (secret("Bob") in sent) == told
        assert GOLD not in sent and META not in sent


def test_a_partner_that_fails_ends_the_dialogue_with_its_reason():
    seat = SeatEnvironment(scenario("twohop-asym"), partners=lambda view: 1 / 0)
    seat.reset(index=0)
    heard = seat.step(Say(text="x"))
    assert (heard.done, heard.reward) == (True, 0.0)
    assert heard.metadata["error"].startswith("policy: ZeroDivisionError")
    seat.close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported folder: the one named by OPTIMA_EXPORTED (as in a clean environment), else one made here."""
    if told := os.environ.get("OPTIMA_EXPORTED"):
        return Path(told)
    folder = tmp_path_factory.mktemp("export") / "optima_twohop_asym_v0"
    to_openenv(Package("twohop-asym", {}), folder)
    return folder


def test_an_exported_server_plays_the_native_dialogues(package: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPTIMA_PARTNERS", "scripted:<A> Noor </A>")
    played, lines = scenario("twohop-asym"), ["I do not know.", "<A> Noor </A>"]
    wanted = list(rollout(played, {"Alice": Lines(lines), "Bob": Lines(["<A> Noor </A>"])}, episodes=10))
    spec = importlib.util.spec_from_file_location("exported_app", package / "server" / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    async def all_of_them(url: str) -> None:
        async with SeatClient(base_url=url) as client:
            for index, episode in enumerate(wanted):
                result, turns = await client.reset(index=index), iter(lines)
                while not result.done:
                    result = await client.step(Say(text=next(turns)))
                said = [tuple(one) for one in result.observation.dialogue]
                assert said == [(turn.agent, turn.text) for turn in episode.turns]
                assert result.reward == episode.score

    with served(None, module.app) as url:
        asyncio.run(all_of_them(url))


def test_openenvs_own_validation_takes_the_folder(package: Path, tmp_path: Path):
    command = [str(Path(sys.executable).parent / "openenv"), "validate", str(package), "--level", "static"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_block_of_the_page():
    names = run("openenv")
    with served(None, names["application"]) as url:
        assert 0.0 <= asyncio.run(names["play"](url)) <= 1.0
