"""The canary test: plant a secret in everything private, play, and look for it where it does not belong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..adapters.parallel import DialogueEnv, Env, Infos, Observation
from ..records import Instance
from ..scenario import Task

GOLD, META = "canary-gold-7f3a", "canary-meta-7f3a"


class NonConformanceError(AssertionError):
    """An environment breaks a convention; the message says which and where."""


def require(holds: bool, message: str) -> None:
    """Raise ``NonConformanceError`` unless ``holds``."""
    if not holds:
        raise NonConformanceError(message)


def secret(agent: str) -> str:
    """The canary in ``agent``'s private context."""
    return f"canary-of-{agent}-7f3a"


class Planted:
    """A task whose instances carry canaries: one per agent, one as a gold answer, one in meta and in each thing there
    that stands behind a tool (``passages``, ``table``)."""

    def __init__(self, task: Task, agents: tuple[str, ...]) -> None:
        self.task, self.agents = task, agents
        self.name, self.split = task.name, task.split

    def __len__(self) -> int:
        return len(self.task)

    def __getitem__(self, index: int) -> Instance:
        inst = self.task[index]
        private = {agent: f"{inst.private.get(agent, '')} {secret(agent)}" for agent in self.agents}
        return replace(inst, private=private, answers=(*inst.answers, GOLD), meta=_planted(inst.meta))


def _planted(meta: Mapping[str, Any]) -> dict[str, Any]:
    planted = {**meta, "canary": META}
    if "passages" in meta:
        planted["passages"] = [*meta["passages"], [META, META]]
    if "table" in meta:
        table = meta["table"]
        planted["table"] = {**table, "rows": [*table["rows"], [META] * len(table["columns"])]}
    return planted


def check_canaries(factory: Callable[[], Env], seed: int) -> None:
    """What is private to an agent must reach another's observation, infos or view only once it was said.

    One dialogue in which nobody says a secret, then one per agent in which it does. Raises ``NonConformanceError``.
    """
    _play(factory, seed, None)
    for agent in factory().possible_agents:
        _play(factory, seed, agent)


def _play(factory: Callable[[], Env], seed: int, traitor: str | None) -> None:
    env = factory()
    talk = env.unwrapped
    if not isinstance(talk, DialogueEnv):
        raise TypeError(f"the canary test needs a DialogueEnv inside, got {type(talk).__name__}")
    talk.scenario = replace(talk.scenario, task=Planted(talk.scenario.task, talk.rules.agents))
    observations, infos = env.reset(seed=seed)
    told = False
    _look(talk, observations, infos, None)
    while env.agents:
        speakers = talk.speakers
        told = told or traitor in speakers
        words: dict[str, str | None] = {agent: f"word {len(talk.turns)}" for agent in speakers}
        if traitor in speakers:
            words[traitor] = f"I tell you: {secret(traitor)}"
        observations, _, _, _, infos = env.step(words)
        _look(talk, observations, infos, traitor if told else None)
    if traitor is not None and told:
        for agent in observations:  # otherwise a blind env would pass for a discreet one
            heard = secret(traitor) in repr(observations[agent])
            require(heard, f"{traitor} said its secret and {agent} cannot see it in its observation")


def _look(talk: DialogueEnv, observations: dict[str, Observation], infos: Infos, said_by: str | None) -> None:
    for agent in observations:
        seen = {"observation": observations[agent], "infos": infos[agent], "view": talk.view(agent)}
        for place, content in seen.items():
            text = repr(content)
            for other in talk.rules.agents:
                leaked = other not in (agent, said_by) and secret(other) in text
                require(not leaked, f"{agent}'s {place} holds what is private to {other} and was never said")
            for name, token in (("a gold answer", GOLD), ("instance.meta", META)):
                require(token not in text, f"{agent}'s {place} holds {name}")
