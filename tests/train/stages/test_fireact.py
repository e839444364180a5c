"""FireAct's data: six tasks under three methods of prompting; every success is learned, and no demonstration is."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import optima_envs
from optima_agents import Job, LLMPolicy, make_backend
from optima_agents.backends.base import Completion, Request
from optima_agents.formats import format_pool
from optima_agents.prompts import Messages, messages
from optima_agents.rollout import Rollouts
from optima_envs.records import Episode, View
from optima_train.config.settings import SelectConfig
from optima_train.run.records import RankedRow
from optima_train.stages.generate import format_info, hinted_prompt
from optima_train.stages.rows import rows_of
from optima_train.stages.selection import select

METHODS = ("react", "cot", "reflect")
TASKS = 6
DEMONSTRATION = re.compile(r"^Thought: .+", re.MULTILINE)


@pytest.fixture(scope="module")
def backend(random_model: Path):
    return make_backend(f"hf:{random_model}", device="cpu")


class Acting:
    """Plays an instance right or wrong, by its number and the method, as if it had been sampled."""

    def __init__(self, backend, task, pool: dict[str, str]) -> None:
        self.backend, self.task, self.pool = backend, task, pool
        self.prompts: list[str] = []

    def seat(self, job: Job) -> LLMPolicy:
        right = (job.index + job.sample) % 3 != 0
        lines = [*self.task.solution(self.task[job.index])["actor"]] if right else ["Final Answer: nobody"]
        return LLMPolicy(Line(self, iter(lines)), hint=self.pool[METHODS[job.sample]], prompt=hinted_prompt)


class Line:
    def __init__(self, acting: Acting, lines: Iterator[str]) -> None:
        self.acting, self.lines = acting, lines

    async def complete(self, request: Request) -> Completion:
        backend, text = self.acting.backend, next(self.lines)
        self.acting.prompts.append(told(request.messages))
        prompt, ids = tuple(backend.render(request.messages)), (*backend.encode(text), backend.chat.end_of_turn)
        return Completion(text, len(ids), prompt, ids, (-0.1,) * len(ids))

    async def aclose(self) -> None:
        """Nothing to close."""


def told(messages) -> str:
    return "\n".join(message["content"] for message in messages)


@pytest.fixture(scope="module")
def played(backend) -> tuple[Acting, list[Episode], optima_envs.Scenario]:
    scene = optima_envs.scenario("twohop-search", split="train")
    pool = format_pool(METHODS, "tools")
    acting = Acting(backend, scene.task, pool)
    jobs = [Job(k, m, 0, format_info(pool, METHODS[m])) for k in range(TASKS) for m in range(len(METHODS))]

    async def play() -> list[Episode]:
        return [episode async for episode in Rollouts(scene, acting.seat).stream(jobs)]

    episodes = asyncio.run(play())
    assert len(episodes) == 18 and not [episode.error for episode in episodes if episode.error]
    return acting, episodes, scene


def test_every_success_of_every_method_is_kept_and_nothing_else(played) -> None:
    _, episodes, _ = played
    ranked = [RankedRow(instance=e.key.instance, sample=e.key.sample, seed=0, reward=e.score, terms={}, failed=None)
              for e in episodes]  # fmt: skip
    of = {(e.key.instance, e.key.sample): e.info["format"] for e in episodes}
    config = SelectConfig(threshold=0.5, top_share=1, per="format")
    chosen = select(ranked, config, lambda row: of[row.instance, row.sample])
    kept = {(row.instance, row.sample) for row in chosen.kept}
    assert kept == {(e.key.instance, e.key.sample) for e in episodes if e.score == 1.0}
    assert Counter(of[key] for key in kept) == dict.fromkeys(METHODS, 4)
    assert len(chosen.dropped) == 6
    # off: by instance one of each is kept
    assert len(select(ranked, SelectConfig(threshold=0.5, top_share=1)).kept) == TASKS


def test_no_demonstration_is_in_a_row_or_a_prompt_of_an_evaluation(played, backend) -> None:
    acting, episodes, scene = played
    examples = {line for hint in acting.pool.values() for line in DEMONSTRATION.findall(hint)}
    assert len(examples) >= 5 and all(any(line in text for line in examples) for text in acting.prompts)

    def learned_under(prompt: Callable[[View], Messages]) -> list[str]:
        """The prompts of the rows of all dialogues."""
        seen: list[str] = []

        def render(view: View) -> list[int]:
            seen.append(told(prompt(view)))
            return [*backend.render(prompt(view))]

        for episode in episodes:
            assert rows_of(episode, scene.rules, render, None, Counter(), backend.encode)
        return seen

    plain = learned_under(messages)
    assert plain and not any(line in text for line in examples for text in plain)
    view = scene.rules.view(episodes[0].instance, (), "Alice")
    assert not any(line in told(messages(view)) for line in examples)
    # off: as it was prompted, every row holds one
    hinted = learned_under(lambda view: hinted_prompt(view, acting.pool["react"]))
    assert all(any(line in text for line in examples) for text in hinted)
