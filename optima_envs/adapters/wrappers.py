"""Wrappers around a dialogue environment, one duty each. ``make`` says in which order they are put on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pettingzoo.utils import BaseParallelWrapper  # pyright: ignore[reportMissingTypeStubs]

from ..records import Episode, of_agents
from ..rewards import Reward, budget_share
from ..tokens import cut
from .parallel import Actions, DialogueEnv, Env, Infos, Observation, Step


class Wrapper(BaseParallelWrapper[str, Observation, "str | None"]):
    """Base of our wrappers. Raises TypeError for what is no parallel environment around a ``DialogueEnv``."""

    env: Env

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        talk = getattr(env, "unwrapped", None)
        if not isinstance(talk, DialogueEnv):
            raise TypeError(f"{type(self).__name__} goes around a DialogueEnv, not {type(env).__name__}")
        self._talk = talk

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{self.env!r}>"

    @property
    def unwrapped(self) -> DialogueEnv:
        return self._talk

    @property
    def agents(self) -> list[str]:  # type: ignore[override]
        # PettingZoo's base finds them by a failed look-up in every layer at every step
        return self.env.agents


class OrderEnforcing(Wrapper):
    """RuntimeError, with what to do, for calls out of order: any call before ``reset``, a step after the end."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._begun = False

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], Infos]:
        self._begun = True
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: Actions) -> Step:
        if not self._begun:
            raise RuntimeError("step() before reset(): call reset() to start an episode")
        if not self.env.agents:
            raise RuntimeError("step() after the end of the episode: call reset() to start another")
        return self.env.step(actions)

    def render(self) -> Any:
        if not self._begun:
            raise RuntimeError("render() before reset(): call reset() to start an episode")
        return self.env.render()


class TokenBudget(Wrapper):
    """Cuts utterances so that a dialogue never holds more than ``budget`` tokens, by the environment's own counter.

    Rules with a ``token_budget`` end the dialogue once it is spent, but only after the turn that overspends it.
    """

    def __init__(self, env: Env, budget: int) -> None:
        super().__init__(env)
        self.budget = budget

    def step(self, actions: Actions) -> Step:
        talk = self.unwrapped
        left = self.budget - sum(turn.tokens for turn in talk.turns)
        kept = dict(actions)
        for agent in talk.speakers:
            if isinstance(text := kept.get(agent), str):
                text = kept[agent] = cut(text, max(0, left), talk.counter)
                left -= talk.counter(text)
        return self.env.step(kept)


class RewardTerms(Wrapper):
    """Rewards every agent at the end with a weighted sum of terms (see rewards.py) instead of the bare score.

    An environment knows no sibling dialogues, so the ``tokens`` term is measured against ``token_budget`` here. Final
    infos gain ``reward_terms``. Raises ValueError for the ``tokens`` term without a budget, and at the end for a term
    that raises or gives no finite number, naming it.
    """

    def __init__(self, env: Env, weights: Mapping[str, float], token_budget: int | None = None) -> None:
        super().__init__(env)
        self.reward = Reward(weights, {"tokens": budget_share(token_budget)} if token_budget is not None else {})
        if "tokens" in self.reward.weights and token_budget is None:
            raise ValueError(
                "the 'tokens' reward term of an environment needs token_budget=, the count it is a share of"
            )

    def step(self, actions: Actions) -> Step:
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        if not self.env.agents:
            (breakdown,) = self.reward.now([self.unwrapped.episode()])
            if breakdown.error is not None:
                raise ValueError(breakdown.error.message)
            rewards = dict.fromkeys(rewards, breakdown.total)
            for info in infos.values():
                info["reward_terms"] = dict(breakdown.terms)
        return observations, rewards, terminations, truncations, infos


class EpisodeRecord(Wrapper):
    """Keeps the last finished episode in ``last`` and hands it to ``sink``; final infos gain Gymnasium's ``episode``:
    ``r`` (return) and ``l`` (the agents' turns).

    Seconds are in the record alone, since what an environment returns depends on seed and actions only. So is every
    agent's private context.
    """

    def __init__(self, env: Env, sink: Callable[[Episode], None] | None = None) -> None:
        super().__init__(env)
        self.sink = sink
        self.last: Episode | None = None

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], Infos]:
        self._start = time.perf_counter()
        result = self.env.reset(seed=seed, options=options)
        self._returns = dict.fromkeys(self.env.agents, 0.0)
        return result

    def step(self, actions: Actions) -> Step:
        result = self.env.step(actions)
        _, rewards, _, _, infos = result
        for agent, reward in rewards.items():
            if reward:
                self._returns[agent] += reward
        if not self.env.agents:
            talk = self.unwrapped
            seconds = time.perf_counter() - self._start
            for agent, info in infos.items():
                info["episode"] = {"r": self._returns[agent], "l": len(of_agents(talk.turns))}
            first = next(iter(infos))
            terms = infos[first].get("reward_terms")
            self.last = talk.episode(reward=self._returns[first], terms=terms, seconds=seconds)
            if self.sink is not None:
                self.sink(self.last)
        return result
