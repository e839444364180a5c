"""The real verifiers plays an exported package against a server: the native dialogues, rewards, the canary."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

vf = pytest.importorskip("verifiers.v1")

from support.chat_server import ChatServer, chat_server  # noqa: E402
from verifiers.v1.utils.loaders import load_environment, resolve_env_config  # noqa: E402

from optima_agents import rollout  # noqa: E402
from optima_agents.backends.chat.model_files import resolve  # noqa: E402
from optima_agents.backends.chat.templates import ChatTokenizer  # noqa: E402
from optima_envs import TERMS, Episode, Scenario, scenario  # noqa: E402
from optima_envs.checks.canary import GOLD, META, Planted, secret  # noqa: E402
from optima_train.bridges.token_rows import seat_rows  # noqa: E402
from optima_train.hubs.environment import to_verifiers  # noqa: E402
from optima_train.hubs.package import Package  # noqa: E402

NAME = "optima-twohop-asym-v0"


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """The exported package: the installed one where there is one (as in a clean environment), else one made here."""
    if importlib.util.find_spec(NAME.replace("-", "_")) is not None:
        yield None
        return
    folder = tmp_path_factory.mktemp("export") / "twohop"
    to_verifiers(Package("twohop-asym", {}), folder)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def play(url: str, count: int, client: Any = None, **env: Any) -> list[Any]:
    """verifiers' episodes on the first tasks, twenty at a time."""
    config = resolve_env_config({"taskset": {"id": NAME, **env.pop("taskset", {})}, **env})

    async def run() -> list[Any]:
        made = load_environment(config)
        asked = client or vf.EvalClientConfig(base_url=url, api_key_var="NO_KEY_NEEDED")
        ctx = vf.ModelContext(model="m", client=asked, sampling=vf.SamplingConfig(temperature=1.0, max_tokens=48))
        slots = asyncio.Semaphore(20)

        async def one(task: Any) -> Any:
            async with slots:
                return await made.run_episode(task, ctx)

        async with made.serving():
            return await asyncio.gather(*map(one, made.taskset.take(count)))

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_KEY_NEEDED", "none")


def native(url: str, count: int = 100, **settings: Any) -> list[Episode]:
    return list(rollout("twohop-asym", f"openai:{url}#m", episodes=count, **settings))


def test_a_hundred_dialogues_are_the_native_ones(server: ChatServer):
    wanted = native(server.url)
    asked = sorted(json.dumps(messages) for messages in server.asked)
    server.asked.clear()
    found = play(server.url, 100, weights={"task": 1.0, "format": 0.5, "tokens": 0.1}, budget=50)
    assert sorted(json.dumps(messages) for messages in server.asked) == asked, "the same prompts, to the byte"
    terms = asyncio.run(TERMS["format"](wanted))
    for episode, ours, term in zip(found, wanted, terms, strict=True):
        assert episode.ok, episode.errors
        assert episode.task.data.id == ours.instance.id
        traces = {trace.agent.name: trace for trace in episode.traces}
        assert list(traces) and {"alice", "bob"} == set(traces)
        for name, trace in traces.items():
            said = [node.message.content for node in trace.nodes if node.sampled]
            assert said == [turn.text for turn in ours.turns if turn.agent.lower() == name]
            assert trace.rewards["task"].score == ours.score
            assert trace.rewards["format"].score == pytest.approx(term)
            assert trace.rewards["tokens"].score == pytest.approx(-min(1.0, ours.tokens / 50))
            assert trace.reward == pytest.approx(ours.score + 0.5 * term - 0.1 * min(1.0, ours.tokens / 50))
            assert trace.metrics["tokens"] == ours.tokens
            assert (trace.info["optima"]["stop"], trace.info["optima"]["answer"]) == (
                ours.outcome.stop,
                ours.outcome.answer,
            )


def test_ids_masks_and_log_probabilities_are_our_rows(server: ChatServer):
    """verifiers' own client for training renders and counts in tokens; a server samples by the prompt's ids."""
    pytest.importorskip("transformers")
    from support import token_engine

    played, tokens = scenario("twohop-asym"), token_engine.tokenizer()
    chat = ChatTokenizer(tokens)
    server.sample = lambda prompt, most: token_engine.sampled(tokens, chat.end_of_turn or 0, prompt, most)
    model = resolve("tiny")
    client = vf.TrainClientConfig(base_url=server.url, api_key_var="NO_KEY_NEEDED", renderer_model_name=str(model))
    for episode, ours in zip(play(server.url, 100, client), token_engine.native(played, 100), strict=True):
        assert episode.ok, episode.errors
        rows = {row.agent.lower(): row for row in seat_rows(ours, played.rules, chat.encode)}
        for trace in episode.traces:
            row = rows.get(trace.agent.name)
            if row is None:
                assert not trace.branches or not any(trace.branches[-1].sampled_mask)
                continue
            (branch,) = trace.branches
            assert branch.token_ids == row.prompt + row.response
            assert branch.sampled_mask == [False] * len(row.prompt) + list(map(bool, row.mask))
            assert branch.logprobs[len(row.prompt) :] == row.logprobs


def test_the_canary_an_agents_trace_holds_what_it_was_told(server: ChatServer, monkeypatch: pytest.MonkeyPatch):
    made = scenario("twohop-asym")
    played = Scenario(made.id, made.rules, Planted(made.task, made.rules.agents), made.metric)
    module = importlib.import_module("optima_train.bridges.verifiers_env")
    monkeypatch.setattr(module, "_opened", lambda env, settings: played)
    server.say = lambda messages: secret("Alice") if "You are Alice" in messages[0]["content"] else "hm"
    for episode in play(server.url, 20):
        shared = episode.task.model_dump_json()
        assert not any(secret(agent) in shared for agent in ("Alice", "Bob")) and GOLD not in shared
        for trace in episode.traces:
            text = trace.model_dump_json()
            assert GOLD not in text and META not in text
            assert secret("Alice") in text  # it says it
            assert (secret("Bob") in text) == (trace.agent.name == "bob")


def test_settings_and_roles_of_the_command_line(server: ChatServer):
    found = play(server.url, 3, taskset={"args": {"split": "validation", "max_turns": 2}}, bob={"model": "other"})
    ours = native(server.url, 3, split="validation", max_turns=2)
    assert [episode.task.data.id for episode in found] == [one.instance.id for one in ours]
    models = {trace.agent.name: {call.model for call in trace.calls} for trace in found[0].traces}
    assert models == {"alice": {"m"}, "bob": {"other"}}


def test_a_limit_of_a_role_and_a_broken_server_fail_the_episode_with_the_reason(server: ChatServer):
    server.say = lambda messages: "no answer"
    (cut,) = play(server.url, 1, alice={"max_turns": 1})
    assert not cut.ok
    assert "the run of Alice ended: max_turns" in cut.errors[-1].message
    (dead,) = play("http://127.0.0.1:9/v1", 1)
    assert not dead.ok


def test_terms_that_need_siblings_are_refused(server: ChatServer):
    with pytest.raises(ValueError, match="tokens a budget"):
        play(server.url, 1, weights={"task": 1.0, "tokens": 0.5})


def test_verifiers_own_commands_take_the_package(server: ChatServer, package: Path | None, tmp_path: Path):
    paths = [*([str(package)] if package else []), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "HOME": str(tmp_path)}
    commands = Path(sys.executable).parent
    run = [str(commands / "vf-eval"), NAME, "-m", "m", "-n", "3", "--client.base-url", server.url]
    run += ["--client.api-key-var", "NO_KEY_NEEDED", "--output-dir", str(tmp_path / "out")]
    done = subprocess.run(run, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for path in tmp_path.rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(rows) >= 3, list(tmp_path.rglob("*"))
