"""Teams from a description: who shares what, what is refused, and the completion cache behind it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from optima_agents import make_backend, make_policy, rollout
from optima_agents.backends.fake import FakeBackend
from optima_agents.cache import CachedBackend, identity
from optima_agents.llm import LLMPolicy
from optima_agents.scripted import Scripted
from optima_agents.team import close_team, make_team
from optima_envs.registry import UnknownName

AB = ("Alice", "Bob")


def test_one_engine_is_shared_unless_the_settings_differ():
    team = make_team({"policy": "fake:hi", "temperature": 0.1, "agents": {"Bob": {"temperature": 0.9}}}, AB)
    alice, bob = (team[name] for name in AB)
    assert isinstance(alice, LLMPolicy)
    assert isinstance(bob, LLMPolicy)
    assert alice.backend is bob.backend
    assert (alice.sampling.temperature, bob.sampling.temperature) == (0.1, 0.9)
    full = {"sharing": "full", "policy": "fake:hi", "agents": {"Bob": {"policy": "fake:ho"}}}
    episode = rollout("twohop-asym", make_team(full, AB), episodes=1, max_turns=2)[0]
    assert [turn.text for turn in episode.turns] == ["hi", "ho"]
    three: Any = make_team(
        {**full, "agents": {"Bob": {"policy": "fake:ho"}, "Cleo": {"policy": "fake:ho"}}}, (*AB, "Cleo")
    )
    assert three["Bob"].backend is three["Cleo"].backend
    assert three["Bob"].backend is not three["Alice"].backend


def test_seats_need_not_be_models():
    team = make_team({"sharing": "full", "policy": "fake", "agents": {"Alice": {"policy": "scripted:so"}}}, AB)
    assert isinstance(team["Alice"], Scripted)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"agents": {"Bob": {"policy": "fake"}}}, "write sharing: full"),
        ({"agents": {"Bob": {"adapter": "x"}}}, "write sharing: adapter"),
        ({"sharing": "adapter", "agents": {"Bob": {"options": {}}}}, "sharing is 'adapter'"),
        ({"agents": {"Carol": {}}}, "Carol.*the agents are Alice, Bob"),
        ({"temprature": 1}, r"temprature.*known keys: policy"),
        ({"agents": {"Bob": {"top_p": 2}}}, r"agents\.Bob\.top_p"),
        ({"sharing": "some"}, "sharing"),
        ({"policy": "fake", "options": {"speed": 3}}, "speed"),
    ],
)
def test_descriptions_that_cannot_be_meant_are_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        make_team(spec, AB)


def test_unknown_policies_are_named():
    with pytest.raises(UnknownName, match="scripted"):
        make_team({"policy": "scriptd"}, AB)


def test_adapters_of_one_model_go_by_the_agents_names(small_model, tmp_path):
    torch, peft = pytest.importorskip("torch"), pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    torch.manual_seed(2)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(small_model), config).save_pretrained(tmp_path / "b")
    bob = {"adapter": str(tmp_path / "b")}
    spec = {"policy": f"hf:{small_model}", "temperature": 0, "max_tokens": 12, "agents": {"Bob": bob}}
    one: Any = make_team({**spec, "sharing": "adapter"}, AB)
    two: Any = make_team({**spec, "sharing": "full"}, AB)
    assert one["Alice"].backend is one["Bob"].backend
    assert (one["Alice"].adapter, one["Bob"].adapter) == (None, "Bob")
    assert two["Alice"].backend is not two["Bob"].backend
    texts = [
        [turn.text for e in rollout("twohop-asym", team, episodes=3, max_turns=4, distractors=1) for turn in e.turns]
        for team in (one, two)
    ]
    assert texts[0] == texts[1]
    for team in (one, two):
        asyncio.run(close_team(team.values()))


def test_a_team_is_closed_once_per_engine():
    class Counting(FakeBackend):
        closed = 0

        async def aclose(self):
            self.closed += 1

    backend = Counting()
    asyncio.run(close_team([LLMPolicy(backend), LLMPolicy(backend), Scripted(["x"])]))
    assert backend.closed == 1


def test_the_cache_answers_the_second_time(tmp_path):
    path = tmp_path / "made.sqlite"
    runs, counts = [], []
    for _ in range(2):
        team: Any = make_team({"policy": "fake", "cache": str(path)}, AB)
        episodes = rollout("twohop-asym", team, episodes=3, samples=2)
        backend = team["Alice"].backend
        assert isinstance(backend, CachedBackend)
        runs.append([turn.text for episode in episodes for turn in episode.turns])
        counts.append((backend.hits, backend.misses))
        asyncio.run(close_team(team.values()))
    assert runs[0] == runs[1]
    assert counts[1] == (len(runs[1]), 0)
    made: Any = make_policy("fake", cache=path)
    assert isinstance(made.backend, CachedBackend)


def test_another_model_or_changed_weights_get_another_cache_key(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"1")
    first = identity("hf", str(folder), {})
    assert first == identity("hf", str(folder), {})
    assert first != identity("hf", str(folder), {"dtype": "bfloat16"})
    assert identity("hf", "tiny", {"adapters": {"a": folder}}) != identity("hf", "tiny", {})
    (folder / "model.safetensors").write_bytes(b"22")
    assert first != identity("hf", str(folder), {})
    with_adapter = identity("hf", "tiny", {"adapters": {"a": folder}})
    (folder / "model.safetensors").write_bytes(b"333")
    assert with_adapter != identity("hf", "tiny", {"adapters": {"a": folder}})


def test_a_cache_of_one_model_never_answers_for_another(tmp_path):
    from optima_agents import Request

    async def ask(name):
        backend = make_backend(name, cache=tmp_path / "c.sqlite")
        text = (await backend.complete(Request())).text
        await backend.aclose()
        return text

    assert asyncio.run(ask("fake:one")) == "one"
    assert asyncio.run(ask("fake:two")) == "two"
