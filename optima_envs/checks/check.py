"""``check_env``: a conformance kit for our environments and other people's. It ships with the package on purpose.

It runs PettingZoo's own tests (parallel, and turn-based on the AEC view) and then asks what dialogue research needs:
sound instances and rules, replay, a clean second reset, an untouched global random state, and that nothing private
reaches another agent.
"""

from __future__ import annotations

import contextlib
import io
import math
import random
import warnings
from collections.abc import Callable, Generator
from typing import Any, cast

import numpy as np
from gymnasium.utils.env_checker import data_equivalence
from pettingzoo import AECEnv  # pyright: ignore[reportMissingTypeStubs]
from pettingzoo.test import (  # pyright: ignore[reportMissingTypeStubs]
    api_test,  # pyright: ignore[reportUnknownVariableType]
    parallel_api_test,  # pyright: ignore[reportUnknownVariableType]
    parallel_seed_test,  # pyright: ignore[reportUnknownVariableType]
    seed_test,  # pyright: ignore[reportUnknownVariableType]
)

from ..adapters.aec import DialogueAEC
from ..adapters.making import make
from ..adapters.parallel import DialogueEnv, Env
from .canary import NonConformanceError, check_canaries, require
from .parts import check_instances, check_rules

Factory = Callable[[], Env]
AnyFactory = Callable[[], "Env | AECEnv[Any, Any, Any]"]
CHECKS = ("instances", "rules", "spaces", "replay", "reset", "random", "pettingzoo", "aec", "speakers", "canary")
CYCLES = 50


def check_env(env: str | AnyFactory, *, episodes: int = 3, seed: int = 0, **kwargs: Any) -> list[str]:
    """Check an environment, by id (``kwargs`` go to ``make``) or by a function that makes a new one each time, parallel
    or turn-based (AEC).

    Plays ``episodes`` with sampled actions from ``seed`` on. Returns the names of the checks that were run; raises
    ``NonConformanceError`` (an AssertionError) saying what is wrong, TypeError for what makes no environment. The
    checks of instances, rules, speakers and canaries need a ``DialogueEnv`` inside; of another turn-based environment
    PettingZoo's own tests are all.
    """
    if not isinstance(env, str) and not callable(env):
        raise TypeError(f"check_env takes an id or a function that makes an environment, not {type(env).__name__}")
    made: AnyFactory = (lambda: make(env, **kwargs)) if isinstance(env, str) else env
    first = made()
    done: list[str] = []
    if isinstance(first, AECEnv):
        if not isinstance(first, DialogueAEC):
            with checking("aec"):
                _aec(cast("Callable[[], AECEnv[Any, Any, Any]]", made))
            return ["aec"]
        factory: Factory = lambda: cast("DialogueAEC", made()).env  # noqa: E731
    else:
        factory = cast("Factory", made)
    talk = factory().unwrapped
    checks: dict[str, Callable[[int], None]] = {
        "pettingzoo": lambda _: _parallel(factory),
        "spaces": lambda at: _spaces(factory, at),
        "replay": lambda at: _replay(factory, at),
        "reset": lambda at: _reset(factory, at),
        "random": lambda at: _random(factory, at),
    }
    if isinstance(talk, DialogueEnv):
        checks |= {
            "instances": lambda at: check_instances(talk.scenario, at),
            "rules": lambda at: check_rules(talk.scenario, at),
            "aec": lambda _: _aec(lambda: DialogueAEC(factory())),
            "speakers": lambda at: _speakers(factory, at),
            "canary": lambda at: check_canaries(factory, at),
        }
    for name in CHECKS:
        if name in checks:
            with checking(name):
                for episode in range(episodes if name in ("spaces", "replay", "reset", "random") else 1):
                    checks[name](seed + episode)
            done.append(name)
    return done


@contextlib.contextmanager
def checking(name: str) -> Generator[None]:
    """Whatever is raised inside comes out as a ``NonConformanceError``; nothing is printed."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # PettingZoo warns about text spaces and about agent names that do not end in _0
        warnings.simplefilter("ignore", UserWarning)
        try:
            yield
        except NonConformanceError as err:
            raise NonConformanceError(f"{name}: {err}") from err.__cause__
        except Exception as err:
            raise NonConformanceError(f"{name}: {type(err).__name__}: {err}") from err


def play(env: Env, seed: int) -> list[tuple[Any, ...]]:
    """One episode with sampled actions: what ``reset`` and every ``step`` returned."""
    trace: list[tuple[Any, ...]] = [env.reset(seed=seed)]
    for i, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed + i)
    limit = 10_000
    while env.agents:
        trace.append(env.step({agent: env.action_space(agent).sample() for agent in env.agents}))
        require(len(trace) < limit, f"the episode with seed {seed} has not ended after {limit} steps")
    return trace


def _parallel(factory: Factory) -> None:
    parallel_api_test(factory(), num_cycles=CYCLES)
    parallel_seed_test(factory, num_cycles=CYCLES)


def _aec(factory: Callable[[], AECEnv[Any, Any, Any]]) -> None:
    api_test(factory(), num_cycles=CYCLES)
    seed_test(factory, num_cycles=CYCLES)


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
        _, keys, *rest = np.random.get_state(legacy=True)
        return (random.getstate(), cast("np.ndarray[Any, Any]", keys).tobytes(), *rest)

    before = state()
    play(factory(), seed)
    require(before == state(), "playing an episode moves the global random state of random or numpy")


def _speakers(factory: Factory, seed: int) -> None:
    """The words of agents whose turn it is not change nothing, and silence is an empty turn."""
    quiet, noisy = factory(), factory()
    quiet.reset(seed=seed)
    noisy.reset(seed=seed)
    while quiet.agents:
        words = dict.fromkeys(_talk(quiet).speakers, "so it is")
        one = quiet.step({**words})[0]
        two = noisy.step({**dict.fromkeys(noisy.agents, "<A>noise</A>"), **words})[0]
        require(data_equivalence(one, two, exact=True), "what an agent says out of turn changes the dialogue")
    silent = factory()
    silent.reset(seed=seed)
    silent.step({})
    turn = _talk(silent).turns[0]
    require(turn.text == "", f"a missing action must be an empty turn, not {turn.text!r}")


def _talk(env: Env) -> DialogueEnv:
    return cast("DialogueEnv", env.unwrapped)
