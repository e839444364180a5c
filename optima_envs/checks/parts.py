"""Checks of what a dialogue environment is made of: the instances of its task, and its rules on their own."""

from __future__ import annotations

import random
from typing import get_args

from ..codec import write
from ..games.replies import replied
from ..records import ENVIRONMENT, Instance, Stop, Turn, of_agents
from ..scenario import Scenario
from .canary import require

SAMPLE = 256  # instances looked at: all of a small task, else the first ones and as many drawn with the seed


def check_instances(scene: Scenario, seed: int) -> None:
    """Instances are whole, have ids of their own, give nothing to agents that are none, and their golds are right."""
    task, agents, metric = scene.task, scene.rules.agents, scene.metric
    total, half = len(task), SAMPLE // 2
    require(total > 0, "the task has no instances")
    chosen = set(range(min(total, half))) | {random.Random(seed + i).randrange(total) for i in range(half)}
    first: dict[str, int] = {}
    for index in sorted(chosen):
        inst = task[index]
        where = f"instance {index}"
        require(isinstance(inst, Instance), f"{where} is no Instance but {type(inst).__name__}")  # pyright: ignore[reportUnnecessaryIsInstance]
        where += f" ({inst.id[:80]!r})"
        require(bool(inst.id.strip()), f"{where}: its id is empty")
        before = first.setdefault(inst.id, index)
        require(before == index, f"{where} has the id of instance {before}: episodes would take each other's place")
        require(inst == task[index], f"{where} is another one when it is asked for again")
        strangers = [name for name in inst.private if name not in agents]
        require(not strangers, f"{where}: private text for {', '.join(strangers)}, who is none of {', '.join(agents)}")
        try:
            write(inst)
        except (TypeError, ValueError, RecursionError) as err:
            require(False, f"{where} is not plain JSON, so no episode of it can be logged: {err}")
        if getattr(metric, "judge", None) is None:
            require(bool(inst.answers), f"{where} has no answers: nobody can be right")
            if getattr(metric, "instant", False):
                for gold in inst.answers:
                    right = metric.correct(metric.score(gold, inst.answers))
                    require(right, f"{where}: metric {metric.name!r} finds its own gold {gold[:80]!r} wrong")


def check_rules(scene: Scenario, seed: int) -> None:
    """The rules keep to their ``max_turns``, ask agents only, show each its own view, and depend on nothing else."""
    rules, agents = scene.rules, scene.rules.agents
    inst = scene.task[random.Random(seed).randrange(len(scene.task))]
    require(ENVIRONMENT not in agents, f"an agent is called {ENVIRONMENT!r}, the name of the world's replies")
    require(type(rules.max_turns) is int and rules.max_turns > 0, f"max_turns is {rules.max_turns!r}, no int above 0")
    for text in ("", "so it is", "\ud800 <A> \x00 \\boxed{"):
        turns: tuple[Turn, ...] = ()
        while (outcome := rules.outcome(inst, turns)) is None:
            most = rules.max_turns + len(agents)
            ended = len(of_agents(turns)) < most
            require(ended, f"the rules promise max_turns={rules.max_turns} and have not ended after {most}")
            speakers = rules.speakers(inst, turns)
            require(bool(speakers), f"nobody speaks after turn {len(turns)}, and the dialogue is not over")
            strangers = [name for name in speakers if name not in agents]
            require(not strangers, f"the rules ask {', '.join(map(str, strangers))}, who is no agent")
            require(speakers == rules.speakers(inst, turns), "speakers() answers differently when asked again")
            for agent in agents:
                view = rules.view(inst, turns, agent)
                require(view.agent == agent, f"the view of {agent} is made out to {view.agent}")
                require(view == rules.view(inst, turns, agent), "view() answers differently when asked again")
            turns += tuple(Turn(agent, text, len(text.split())) for agent in speakers)
            heard = replied(rules, inst, turns)
            require(heard == replied(rules, inst, turns), "respond() answers differently when asked again")
            turns = heard
        stops = [stop for stop in get_args(Stop) if stop != "error"]
        require(outcome.stop in stops, f"a dialogue stopped for {outcome.stop!r}, which is none of {', '.join(stops)}")
        require(outcome == rules.outcome(inst, turns), "outcome() answers differently when asked again")
