"""verifiers 0.4 (and by it prime-rl): a taskset of our instances, and an environment with a seat for each agent.

A package for it subclasses these for one environment (``optima export ENV --to verifiers``): verifiers finds them by
their module. What is private is in an agent's own messages alone, never in the task's shared data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from functools import lru_cache
from typing import Any, ClassVar

from optima_agents import Act
from optima_agents.backends import BackendError
from optima_agents.backends.chat.roles import for_server
from optima_agents.prompts import messages
from optima_agents.serving.drive import drive
from optima_envs import Episode, Reward, Scenario, View, scenario
from optima_envs.extras import need
from optima_envs.rewards import budget_share

try:
    import verifiers.v1 as vf
except ModuleNotFoundError:
    need("verifiers", "the bridge to verifiers")
    raise

OF_GROUPS = {"readability"}  # a model's, and needs one


class OptimaTasksetConfig(vf.TasksetConfig):
    args: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    """Settings of the environment, such as {"split": "train", "distractors": 4}."""
    limit: int | None = None
    """So many of the first instances; all where it is not set."""


class OptimaData(vf.TaskData):
    index: int = 0
    """The instance's place in our task."""


class OptimaTask(vf.Task[OptimaData]):
    """One instance; who is told what of it, the environment knows."""


class OptimaTaskset(vf.Taskset[OptimaTask, OptimaTasksetConfig]):
    """The instances of ``env`` with its ``settings``, both named by a subclass; the configuration's go over them."""

    env: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, Any]] = {}

    @property
    def scenario(self) -> Scenario:
        return _opened(self.env, json.dumps({**self.settings, **self.config.args}, sort_keys=True))

    def load(self) -> Iterator[OptimaTask]:
        played = self.scenario
        for index in range(min(len(played.task), self.config.limit or len(played.task))):
            yield OptimaTask(OptimaData(index=index, id=played.task[index].id, name=self.env), self.config.task)


@lru_cache(maxsize=8)
def _opened(env: str, settings: str) -> Scenario:
    return scenario(env, **json.loads(settings))


class OptimaEnvConfig(vf.EnvConfig):
    weights: dict[str, float] = {"task": 1.0}  # noqa: RUF012 - pydantic copies it
    """Reward terms and their weights. There are no siblings here: ``tokens`` needs ``budget``."""
    budget: int | None = None
    """Tokens of a dialogue that cost the whole of the term ``tokens``."""


def seat() -> vf.AgentConfig:
    """A role's default: our harness, in this process."""
    return vf.AgentConfig(runtime=vf.SubprocessConfig())


class OptimaEnv(vf.Env[OptimaEnvConfig]):
    """Plays a task's dialogue, each agent by the role of its name in small letters; every trace gets the reward."""

    async def start(self) -> None:
        """Raises ValueError for reward terms that cannot be told here."""
        weights, taskset = self.config.weights, self.taskset
        assert isinstance(taskset, OptimaTaskset)  # noqa: S101 - for the type checker
        if OF_GROUPS & set(weights) or ("tokens" in weights and not self.config.budget):
            raise ValueError("weights: readability needs a model, and tokens a budget: --env.budget 300")
        terms = {"tokens": budget_share(self.config.budget)} if self.config.budget else None
        self._reward, self._scenario = Reward(weights, terms), taskset.scenario

    async def run(self, task: vf.Task, agents: vf.Agents) -> None:
        assert isinstance(task.data, OptimaData)  # noqa: S101 - for the type checker
        talks: dict[str, vf.Interaction] = {}
        shown = dict.fromkeys(self._scenario.rules.agents, 0)

        async def ask(view: View, seed: int) -> Act:
            prompt, talk = for_server(messages(view)), talks[view.agent]
            fresh, shown[view.agent] = prompt[shown[view.agent] :], len(prompt) + 1
            said = await talk.turn(fresh)  # type: ignore[arg-type] - it takes messages as they go over the wire too
            if said.terminated:
                raise BackendError(f"the run of {view.agent} ended: {_why(talk.trace)}")
            return _act(talk.trace)

        async with AsyncExitStack() as stack:
            for agent in self._scenario.rules.agents:
                talks[agent] = await stack.enter_async_context(getattr(agents, agent.lower()).interaction(task))
            episode = await drive(self._scenario, self._scenario.task[task.data.index], ask)
        await self._record(episode, talks)

    async def _record(self, episode: Episode, talks: dict[str, vf.Interaction]) -> None:
        """Score and terms on every trace, what an agent did itself as its metrics. Raises RuntimeError for a dialogue
        that failed."""
        if episode.error is not None:
            raise RuntimeError(f"the dialogue failed ({episode.error.kind}): {episode.error.message}")
        (told,) = await self._reward([episode])
        if told.error is not None:
            raise RuntimeError(f"the dialogue has no reward: {told.error.message}")
        ended = {"instance": episode.instance.id, "stop": episode.outcome.stop, "answer": episode.outcome.answer}
        for agent, talk in talks.items():
            own = [turn.tokens for turn in episode.turns if turn.agent == agent]
            for name, value in told.terms.items():
                talk.trace.record_reward(name, value, self.config.weights.get(name, 0.0))
            talk.trace.record_metrics({"score": episode.score, "tokens": episode.tokens, "own_tokens": sum(own)})
            talk.trace.info["optima"] = {**ended, "agent": agent, "turns": len(own)}


def _act(trace: vf.Trace) -> Act:
    """The last call of a trace as an act: the words as they came, ids where the client knows them."""
    call = trace.calls[-1]
    node = trace.nodes[call.node if call.node is not None else -1]
    own = sum(node.mask)
    whole = trace.branches[-1].token_ids if own else []
    return Act(
        str(node.message.content or ""),
        None if call.usage is None else call.usage.completion_tokens,
        tuple(whole[: len(whole) - own]) if own else None,
        tuple(whole[len(whole) - own :]) if own else None,
        tuple(node.logprobs) if own and len(node.logprobs) == own else None,
        finish="length" if call.finish_reason == "length" else "stop",
    )


def _why(trace: vf.Trace) -> str:
    return trace.errors[-1].message if trace.errors else str(trace.stop_condition)
