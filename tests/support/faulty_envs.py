"""Environments with one fault each, of those that authors make."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any

from support.worlds import Tiny

from optima_envs.adapters.parallel import DialogueEnv
from optima_envs.games.asymmetric import AsymmetricQA
from optima_envs.games.replies import reply
from optima_envs.games.tool_use import ToolUse
from optima_envs.records import Instance, Outcome, View
from optima_envs.scenario import Scenario
from optima_envs.scoring.metrics import METRICS, Measure


def faulty(rules: Any, env: type[DialogueEnv] = DialogueEnv, task: Any = None, metric: Any = METRICS["f1"]):
    scene = Scenario("tests/faulty-v0", rules, Tiny() if task is None else task, metric)
    return lambda: env(scene)


class Given(list[Instance]):
    """Instances as a task."""

    name, split = "given", "test"


def instances(**changes: Any) -> Given:
    """Three sound instances, with changes to them all."""
    parts = [{"id": f"q{i}", "question": "?", "answers": (f"a{i}",), "private": {"Bob": "x"}} for i in range(3)]
    return Given(Instance(**{**part, **changes}) for part in parts)


class Leaky(AsymmetricQA):
    """Shows every agent all private contexts."""

    def view(self, inst, turns, agent) -> View:
        return replace(super().view(inst, turns, agent), private=" ".join(inst.private.values()))


class Blind(AsymmetricQA):
    """Hides what the others said."""

    def view(self, inst, turns, agent) -> View:
        return replace(super().view(inst, turns, agent), dialogue=())


class Babbling(ToolUse):
    """A world that tells what it knows, asked or not."""

    def respond(self, inst, turns):
        return reply(str(inst.meta["passages"]))


class Namesake(AsymmetricQA):
    """An agent with the name of the world's replies."""

    def __post_init__(self):
        object.__setattr__(self, "agents", ("Alice", "environment"))


class Gossip(DialogueEnv):
    """Puts the gold answer into infos."""

    def _observe(self):
        observations, infos = super()._observe()
        for info in infos.values():
            info["golds"] = self.instance.answers  # type: ignore[union-attr]
        return observations, infos


class Remembering(DialogueEnv):
    """Keeps turns over a reset."""

    def reset(self, seed=None, options=None):
        old = self.turns[-1:]
        super().reset(seed, options)
        self.turns = old
        return self._observe()


class Dicing(DialogueEnv):
    """Draws from the global random state."""

    def step(self, actions):
        random.random()
        return super().step(actions)


class Stuck(DialogueEnv):
    """Says something that is in no space."""

    def _observe(self):
        observations, infos = super()._observe()
        for observation in observations.values():
            observation["turn"] = "first"
        return observations, infos


class Endless(AsymmetricQA):
    """Never ends."""

    def outcome(self, inst, turns) -> Outcome | None:
        return None


class Strangers(AsymmetricQA):
    """Asks somebody who is not there."""

    def speakers(self, inst, turns) -> tuple[str, ...]:
        return ("Zoe",)


class Silent(AsymmetricQA):
    """Asks nobody, and goes on."""

    def speakers(self, inst, turns) -> tuple[str, ...]:
        return ()


class Impure(AsymmetricQA):
    """Answers differently from time to time."""

    def view(self, inst, turns, agent) -> View:
        return replace(super().view(inst, turns, agent), instructions=f"{random.Random().random()}")


class Moody(Tiny):
    """Another instance each time."""

    def __getitem__(self, index: int) -> Instance:
        return replace(super().__getitem__(index), question=f"{random.Random().random()}?")


class Clock(DialogueEnv):
    """Tells the time."""

    def _observe(self):
        observations, infos = super()._observe()
        for info in infos.values():
            info["now"] = time.perf_counter()
        return observations, infos


RULES = AsymmetricQA()
STRICT = Measure("strict", lambda answer, golds: float(answer == "yes"), instant=True)
