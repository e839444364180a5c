"""A thread per dialogue, blocking requests, the whole history sent again: how the first code of the method asks."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import requests

from optima_agents.dialogue import turn_seed
from optima_agents.prompts import messages
from optima_envs.games.replies import replied
from optima_envs.records import EpisodeKey, Turn

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

THREADS = 128


def dialogues_per_second(url: str, model: str, scenario: Scenario, plan: list[tuple[int, int]], sampling: Any) -> float:
    """Play the (instance, sample) pairs of ``plan``; scoring included, as in a rollout."""
    start = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        done = list(pool.map(lambda pair: _dialogue(url, model, scenario, pair[0], pair[1], sampling), plan))
    return len(done) / (time.perf_counter() - start)


def _dialogue(url: str, model: str, scenario: Scenario, index: int, sample: int, sampling: Any) -> float:
    inst, turns = scenario.task[index], ()
    while (outcome := scenario.rules.outcome(inst, turns)) is None:
        (agent,) = scenario.rules.speakers(inst, turns)
        body = {
            "model": model,
            "messages": list(messages(scenario.rules.view(inst, turns, agent))),
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "seed": turn_seed(EpisodeKey(inst.id, sample), len(turns), agent),
        }
        answer = requests.post(f"{url}/chat/completions", json=body, timeout=600)
        answer.raise_for_status()
        data = answer.json()
        text = data["choices"][0]["message"]["content"] or ""
        turns = replied(scenario.rules, inst, (*turns, Turn(agent, text, data["usage"]["completion_tokens"])))
    return scenario.judge(inst, turns, outcome)[0]
