"""A scenario: one game on one task, judged by one metric. What rollouts, training and environments run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast, runtime_checkable

from .catalogue import announce_built_in
from .extras import need
from .games.rules import Order, Rules, Turns
from .keywords import Keyword, Keywords, check_types, refusal
from .records import Instance, Outcome, Turn, of_agents
from .registry import load_attr
from .rewards import finite
from .scoring.metrics import METRICS, Metric
from .spec import EnvSpec, Factory, spec

announce_built_in()
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

    def outcome(self, inst: Instance, turns: Turns) -> Outcome | None:
        """How the dialogue ended by its rules, None while it goes on.

        Raises RuntimeError when rules go on beyond the ``max_turns`` they promise and the round that may be finished;
        replies of the environment are no turns in this sense.
        """
        rules = self.rules
        outcome = rules.outcome(inst, turns)
        if outcome is None and len(turns) > rules.max_turns:
            spoken = len(of_agents(turns))
            if spoken >= rules.max_turns + len(rules.agents):
                raise RuntimeError(
                    f"{self.id}: not over after {spoken} turns, though the rules promise {rules.max_turns}"
                )
        return outcome

    def judge(self, inst: Instance, turns: Sequence[Turn], outcome: Outcome) -> tuple[float, bool]:
        """(score in [0, 1], correct) of a finished dialogue, the same for all agents.

        Only the final answer counts, not the way to it, unless the metric has ``judge(inst, turns, outcome)``, which
        then takes the place of its ``score``. Raises ValueError naming a metric that gives no number in [0, 1].
        """
        own: Callable[..., object] | None = getattr(self.metric, "judge", None)
        value = self.metric.score(outcome.answer, inst.answers) if own is None else own(inst, turns, outcome)
        try:
            score = finite(value)
        except ValueError as err:
            raise ValueError(f"metric {self.metric.name!r} {err} as the score of {inst.id!r}") from None
        if not 0 <= score <= 1:
            raise ValueError(f"metric {self.metric.name!r} gave {score:g} as the score of {inst.id!r}; it is in [0, 1]")
        return score, bool(self.metric.correct(score))

    def reason(self, inst: Instance, outcome: Outcome) -> str | None:
        """Why the metric could not tell and gave 0 (it refused the answer, or ran out of time); None when it could."""
        why = getattr(self.metric, "reason", None)
        return None if why is None else why(outcome.answer, inst.answers)

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
    instances: Sequence[Instance] | None = None,
    **task_kwargs: Any,
) -> Scenario:
    """Build the scenario ``id`` names; None keeps an argument's default.

    ``split``: which instances. ``data``: a local file instead of the hub. ``agents``: names, or how many. ``metric``: a
    name in ``METRICS``. ``instances``: your own in the place of the task's, which then loads nothing.
    ``settings(id)`` tells what else an environment takes. Raises UnknownName for an unknown id or
    metric, TypeError for an argument that neither the task nor the rules accept (it lists those they do) or of a wrong
    type, ValueError for a value they refuse.
    """
    env = spec(id)
    given = {"split": split, "data": data, "max_turns": max_turns, "token_budget": token_budget, "order": order}
    given |= {"agents": agents, **task_kwargs}
    kwargs = {**env.defaults, **{key: value for key, value in given.items() if value is not None}}
    check_types(env.id, scenario, {**kwargs, "metric": metric})
    if agents is not None:
        kwargs["agents"] = agent_names(agents) if isinstance(agents, int) else tuple(agents)
    make_rules, make_task = _factory(env.rules), _task_factory(env)
    of_rules, of_task = Keywords.of(make_rules), Keywords.of(make_task)
    judge = METRICS[metric or env.metric]
    if (extra := getattr(judge, "extra", None)) is not None:
        need(extra, f"{env.id} is scored by {metric or env.metric}, which")
    unknown = [key for key in kwargs if key not in of_rules and key not in of_task]
    if unknown:
        raise TypeError(refusal(env.id, unknown, {"metric", *of_rules.names, *of_task.names}))
    for_rules = {key: value for key, value in kwargs.items() if key in of_rules}
    check_types(env.id, make_rules, for_rules)
    rules: Rules = make_rules(**for_rules)
    kwargs["agents"] = rules.agents
    # a task that takes anything does not get what is meant for the rules alone
    others = set(of_rules.names) - {"agents", *of_task.names}
    for_task = {key: value for key, value in kwargs.items() if key in of_task and key not in others}
    if instances is not None:
        return Scenario(env.id, rules, Listed(instances, env.id), judge)
    # what data may be, the task that reads it knows
    check_types(env.id, make_task, {key: value for key, value in for_task.items() if key != "data"})
    return Scenario(env.id, rules, make_task(**for_task), judge)


def settings(id: str) -> tuple[Keyword, ...]:  # noqa: A002
    """The settings an environment takes (by ``scenario`` and ``make``), with their defaults and what they mean.

    The default of ``split`` is the one the environment is usually evaluated on. Raises UnknownName.
    """
    env = spec(id)
    make_task, make_rules = _task_factory(env), _factory(env.rules)
    usual = getattr(make_task, "usual", None)  # a dataset decides by the file it is given
    own = {**({} if usual is None else {"split": usual}), "metric": env.metric, **env.defaults}
    taken = [*Keywords.of(make_task).items, *Keywords.of(make_rules).items]
    shared = {item.name: item for item in Keywords.of(scenario).items}
    found: dict[str, Keyword] = {}
    for item in (*taken, shared["metric"]):
        before = found.get(item.name, item)
        meaning = before.meaning or item.meaning or shared.get(item.name, item).meaning
        found[item.name] = replace(before, default=own.get(item.name, before.default), meaning=meaning)
    return tuple(found.values())


def agent_names(count: int) -> tuple[str, ...]:
    """``count`` default names: Alice, Bob, Carol, ...; from the ninth on Agent9, Agent10, ..."""
    return tuple(NAMES[i] if i < len(NAMES) else f"Agent{i + 1}" for i in range(count))


class Listed(list[Instance]):
    """Instances given as a list, as a task."""

    def __init__(self, instances: Iterable[Instance], name: str, split: str = "test") -> None:
        super().__init__(instances)
        self.name, self.split = name, split

    def __reduce__(self) -> tuple[Any, ...]:
        return Listed, (list(self), self.name, self.split)


def _factory(factory: Factory) -> Callable[..., Any]:
    return load_attr(factory) if isinstance(factory, str) else factory


def _task_factory(env: EnvSpec) -> Callable[..., Any]:
    """What makes the task. Raises TypeError for what is neither a factory nor instances."""
    made: object = load_attr(env.task) if isinstance(env.task, str) else env.task
    if callable(made):
        return made
    given = list(cast("Sequence[object]", made)) if isinstance(made, Sequence) else []
    instances = [item for item in given if isinstance(item, Instance)]
    if not isinstance(made, Sequence) or len(instances) < len(given):
        raise TypeError(f"{env.id}: task must be a factory or a sequence of Instance, got {made!r:.80}")
    return lambda: Listed(instances, env.id)
