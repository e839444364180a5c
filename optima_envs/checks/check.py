"""``check_env``: a conformance kit for our environments and other people's. It ships with the package on purpose.

It runs PettingZoo's own ``parallel_api_test`` and ``parallel_seed_test`` and then asks what dialogue research needs:
replay, a clean second reset, an untouched global random state, and that nothing private reaches another agent.
"""

from __future__ import annotations

import contextlib
import io
import math
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.utils.env_checker import data_equivalence
from pettingzoo import ParallelEnv
from pettingzoo.test import parallel_api_test, parallel_seed_test

from ..adapters.parallel import DialogueEnv, make
from .canary import check_canaries
from .conformance import NonConformanceError, require

Factory = Callable[[], ParallelEnv]
CHECKS = ("pettingzoo", "spaces", "replay", "reset", "random", "speakers", "canary")

__all__ = ["NonConformanceError", "check_env"]


def check_env(env: str | Factory, *, episodes: int = 3, seed: int = 0, **kwargs: Any) -> list[str]:
    """Check an environment, by id (``kwargs`` go to ``make``) or by a function that makes a new one each time.

    Plays ``episodes`` with sampled actions from ``seed`` on. Returns the names of the checks that were run; raises
    ``NonConformanceError`` (an AssertionError) saying what is wrong. The canary check needs a ``DialogueEnv`` inside.
    """
    factory: Factory = (lambda: make(env, **kwargs)) if isinstance(env, str) else env
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # PettingZoo warns about text spaces and about agent names that do not end in _0
        warnings.simplefilter("ignore", UserWarning)
        parallel_api_test(factory(), num_cycles=50)
        parallel_seed_test(factory, num_cycles=50)
    done = ["pettingzoo"]
    for name, check in (("spaces", _spaces), ("replay", _replay), ("reset", _reset), ("random", _random)):
        for episode in range(episodes):
            check(factory, seed + episode)
        done.append(name)
    if isinstance(factory().unwrapped, DialogueEnv):
        _speakers(factory, seed)
        check_canaries(factory, seed)
        done += ["speakers", "canary"]
    return done


def play(env: ParallelEnv, seed: int) -> list[tuple[Any, ...]]:
    """One episode with sampled actions: what ``reset`` and every ``step`` returned. Wall-clock seconds left out."""
    trace: list[tuple[Any, ...]] = [env.reset(seed=seed)]
    for i, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed + i)
    limit = 10_000
    while env.agents:
        trace.append(env.step({agent: env.action_space(agent).sample() for agent in env.agents}))
        for info in trace[-1][-1].values():
            if isinstance(info.get("episode"), dict):
                info["episode"].pop("t", None)
        require(len(trace) < limit, f"the episode with seed {seed} has not ended after {limit} steps")
    return trace


def _spaces(factory: Factory, seed: int) -> None:
    env = factory()
    agents = list(env.possible_agents)
    require(len(agents) > 0 and len(set(agents)) == len(agents), f"possible_agents {agents} are not distinct names")
    for agent in agents:
        space = env.observation_space(agent)
        require(env.observation_space(agent) is space, f"observation_space({agent!r}) is a new object at every call")
        require(env.action_space(agent) is env.action_space(agent), f"action_space({agent!r}) is new at every call")
    trace = play(env, seed)
    for at, (observations, *middle, infos) in enumerate(trace):
        require(set(observations) == set(agents), f"step {at}: observations for {sorted(observations)}, not {agents}")
        require(set(infos) == set(agents), f"step {at}: infos for {sorted(infos)}, not {agents}")
        for agent, observation in observations.items():
            require(
                observation in env.observation_space(agent), f"step {at}: {agent}'s observation is not in its space"
            )
            require("action_mask" not in observation, "no observation key may be 'action_mask': samplers would use it")
        for reward in middle[0].values() if middle else ():
            require(math.isfinite(reward), f"step {at}: the reward {reward} is not finite")
    _, _, terminations, truncations, _ = trace[-1]
    for agent in agents:
        over = terminations[agent] != truncations[agent]
        require(over, f"{agent} must end terminated or truncated, not both")


def _replay(factory: Factory, seed: int) -> None:
    env = factory()
    first, again, fresh = play(env, seed), play(env, seed), play(factory(), seed)
    require(data_equivalence(first, again, exact=True), f"seed {seed} played twice in one env gives two episodes")
    require(data_equivalence(first, fresh, exact=True), f"seed {seed} in a new env gives another episode")


def _reset(factory: Factory, seed: int) -> None:
    used, fresh = factory(), factory()
    play(used, seed + 1)
    same = data_equivalence(used.reset(seed=seed), fresh.reset(seed=seed), exact=True)
    require(same, "a reset env differs from a new one: something of the last episode is left in it")


def _random(factory: Factory, seed: int) -> None:
    def state() -> tuple[Any, ...]:
        _, keys, *rest = np.random.get_state()
        return (random.getstate(), keys.tobytes(), *rest)  # type: ignore[union-attr]

    before = state()
    play(factory(), seed)
    require(before == state(), "playing an episode moves the global random state of random or numpy")


def _speakers(factory: Factory, seed: int) -> None:
    """The words of agents whose turn it is not change nothing, and silence is an empty turn."""
    quiet, noisy = factory(), factory()
    quiet.reset(seed=seed)
    noisy.reset(seed=seed)
    while quiet.agents:
        speakers = quiet.unwrapped.speakers  # type: ignore[attr-defined]
        words = dict.fromkeys(speakers, "so it is")
        one = quiet.step(words)[0]
        two = noisy.step({**dict.fromkeys(noisy.agents, "<A>noise</A>"), **words})[0]
        require(data_equivalence(one, two, exact=True), "what an agent says out of turn changes the dialogue")
    silent = factory()
    silent.reset(seed=seed)
    silent.step({})
    turn = silent.unwrapped.turns[0]  # type: ignore[attr-defined]
    require(turn.text == "", f"a missing action must be an empty turn, not {turn.text!r}")
