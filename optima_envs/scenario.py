"""A scenario: one game on one task, judged by one metric. What rollouts, training and environments run on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from . import catalogue as _catalogue  # noqa: F401 - fills the register
from .games.rules import Order, Rules
from .keywords import Keywords, refusal
from .records import Instance, Outcome, Turn
from .registry import load_attr
from .scoring.metrics import METRICS, Metric
from .spec import spec

NAMES = ("Alice", "Bob", "Carol", "Dave", "Erin", "Frank", "Grace", "Heidi")


@runtime_checkable
class Task(Protocol):
    """A sequence of instances. Worlds without end give a long finite length.

    A task may also have ``supported(inst, turns) -> bool`` (was the final answer derivable when first stated) and
    ``find(id) -> int`` (the index of an instance).
    """

    name: str
    split: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Instance: ...


@dataclass(frozen=True, slots=True)
class Scenario:
    """``id`` is the full one (``optima/2wmh-asym-v0``) and is written into every episode."""

    id: str
    rules: Rules
    task: Task
    metric: Metric

    def judge(self, inst: Instance, turns: Sequence[Turn], outcome: Outcome) -> tuple[float, bool]:
        """(score in [0, 1], correct) of a finished dialogue. Only the final answer counts, not the way to it.

        Raises TypeError or ValueError when a metric gives no finite number.
        """
        score = float(self.metric.score(outcome.answer, inst.answers))
        if not math.isfinite(score):
            raise ValueError(f"metric {self.metric.name!r} gave a score of {score} for {inst.id!r}")
        return score, bool(self.metric.correct(score))

    def supported(self, inst: Instance, turns: Sequence[Turn]) -> bool | None:
        """Whether the final answer was derivable when it was first stated; None when the task cannot tell."""
        tell = getattr(self.task, "supported", None)
        return None if tell is None else tell(inst, turns)

    def __reduce__(self) -> tuple[Any, ...]:
        # registered metrics may hold functions that cannot be pickled, and are known by name anyway
        name = self.metric.name
        known = name in METRICS and METRICS[name] is self.metric
        return _rebuild, (self.id, self.rules, self.task, name if known else self.metric)

    def index_of(self, id: str) -> int:  # noqa: A002
        """The index of an instance. Raises KeyError when no instance has that id."""
        find = getattr(self.task, "find", None)
        if find is not None:
            return find(id)
        for index in range(len(self.task)):
            if self.task[index].id == id:
                return index
        raise KeyError(f"{self.id} ({self.task.split}) has no instance {id!r}")


def _rebuild(id: str, rules: Rules, task: Task, metric: str | Metric) -> Scenario:  # noqa: A002
    return Scenario(id, rules, task, METRICS[metric] if isinstance(metric, str) else metric)


def scenario(
    id: str,  # noqa: A002 - the field's name for it
    *,
    split: str | None = None,
    data: Any = None,
    max_turns: int | None = None,
    token_budget: int | None = None,
    order: Order | None = None,
    agents: int | Sequence[str] | None = None,
    metric: str | None = None,
    **task_kwargs: Any,
) -> Scenario:
    """Build the scenario ``id`` names; None keeps an argument's default.

    ``data``: a local file instead of the hub. ``agents``: names, or how many. ``metric``: a name in
    ``scoring.METRICS``. Raises UnknownName for an unknown id or metric, TypeError for an argument that neither the
    task nor the rules accept (it lists those they do), ValueError for a value they refuse.
    """
    env = spec(id)
    names = agent_names(agents) if isinstance(agents, int) else agents
    given = {"split": split, "data": data, "max_turns": max_turns, "token_budget": token_budget, "order": order}
    given |= {"agents": None if names is None else tuple(names), **task_kwargs}
    kwargs = {**env.defaults, **{key: value for key, value in given.items() if value is not None}}
    make_rules, make_task = _load(env.rules), _load(env.task)
    of_rules, of_task = Keywords.of(make_rules), Keywords.of(make_task)
    unknown = [key for key in kwargs if key not in of_rules and key not in of_task]
    if unknown:
        raise TypeError(refusal(env.id, unknown, {"metric", *of_rules.names, *of_task.names}))
    rules = make_rules(**{key: value for key, value in kwargs.items() if key in of_rules})
    kwargs["agents"] = rules.agents
    # a task that takes anything does not get what is meant for the rules alone
    others = set(of_rules.names) - {"agents", *of_task.names}
    task = make_task(**{key: value for key, value in kwargs.items() if key in of_task and key not in others})
    return Scenario(env.id, rules, task, METRICS[metric or env.metric])


def agent_names(count: int) -> tuple[str, ...]:
    """``count`` default names: Alice, Bob, Carol, ...; from the ninth on Agent9, Agent10, ..."""
    return tuple(NAMES[i] if i < len(NAMES) else f"Agent{i + 1}" for i in range(count))


def _load(factory: str | Callable[..., Any]) -> Callable[..., Any]:
    return load_attr(factory) if isinstance(factory, str) else factory
