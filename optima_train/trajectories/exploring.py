"""What an explorer is asked (STE, arXiv 2403.04746): to imagine a task for a tool, to try it, to judge what came of it.

The step ``explored`` retells a dialogue with tools as such a trial, for a model that must first be shown how.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optima_envs.games.tool_use import ToolUse
from optima_envs.records import Episode, Turn
from optima_envs.scoring.metrics import Unjudged
from optima_envs.scoring.thinking import visible
from optima_envs.text import utf8
from optima_envs.tools.world import WORLDS, offered

from .rows import as_transcript, rules_of
from .transcript import AGENT, USER, BadRow, episode, masked

if TYPE_CHECKING:
    from optima_envs.games.rules import Rules
    from optima_envs.scenario import Scenario

    from ..config.settings import TrainConfig

TRIAL = "trial"
"""The key in an episode's ``info`` with where in an exploration it stands and how it was judged."""
MAX_TASK, MAX_LINE, MAX_SAID = 1_000, 200, 2_000  # characters of a task, of a line of memory, of a judgement
REFLECT = "Look back: was the task solved with the tool's help? Reply Yes or No, and say why in a sentence."
KNOWN = "These were thought of before, so think of another one:"
_VERDICT = re.compile(r"\b(?:(yes)|no)\b", re.IGNORECASE)


def imagine(tool: str, example: str, known: Iterable[str] = ()) -> str:
    """The request for a task that needs ``tool`` (how it is called and what it does). ``known`` is the long memory: a
    line for each task thought of before."""
    text = f"Think of a task that needs {tool}. Tasks here look like this one: {example}\nWrite the task alone."
    lines = [f"- {line}" for line in known]
    return "\n".join([text, KNOWN, *lines]) if lines else text


def one_line(text: str, limit: int) -> str:
    """Untrusted text on one line, so that it cannot pose as anything else, and bounded."""
    text = " ".join(utf8(visible(text[: 4 * limit])).replace("\0", " ").split())
    return text if len(text) <= limit else text[: limit - 4].rstrip() + " ..."


def verdict(text: str) -> bool | None:
    """Whether a judgement says yes or no, by the first of these words in it; None for neither."""
    found = _VERDICT.search(visible(text[:MAX_SAID]))
    return None if found is None else found[1] is not None


def tools_of(rules: Rules, meta: Any) -> dict[str, str]:
    """The tools an instance offers by name: how each is called and what it does. Raises ValueError for rules without
    tools."""
    if not isinstance(rules, ToolUse):
        raise ValueError(f"{type(rules).__name__} has no tools to explore; use an environment such as twohop-search")
    world = WORLDS[rules.world] if isinstance(rules.world, str) else rules.world
    return {tool.name: f"the tool {tool.form}, which {tool.does}" for tool in offered(world, meta)}


def trials_of(config: TrainConfig) -> Scenario:
    """The run's environment as trials are played in it. Raises ValueError for one without tools or with two agents."""
    scenario = config.env.scenario("train")
    rules = scenario.rules
    if not isinstance(rules, ToolUse) or len(rules.agents) > 1:
        raise ValueError(f"{scenario.id} is no environment of one agent with tools, such as twohop-search")
    names = tools_of(rules, scenario.task[0].meta)
    if config.imagine.tools != "all" and (unknown := [name for name in config.imagine.tools if name not in names]):
        raise ValueError(f"there is no tool {unknown[0]!r} here, only {', '.join(names)}")
    # one attempt of so many actions, and the answer
    within = replace(rules, max_turns=config.imagine.turns + 1, attempts=1, steps=None, token_budget=None)
    return replace(scenario, rules=within, metric=Unjudged())


def explored() -> Callable[[Episode], Episode]:
    """A dialogue of one agent with tools as an explorer's trial: its question imagined, worked on, and judged solved.

    One that was not right is dropped.
    """

    def step(item: Episode) -> Episode:
        if not item.correct:
            raise BadRow("not right, so it shows no trial")
        inst, told = item.instance, as_transcript(item)
        tools = tools_of(rules_of(item), inst.meta)
        used = next((name for name in tools if any(name in turn.text for turn in item.turns)), next(iter(tools)))
        turns = [Turn(AGENT, one_line(inst.question, MAX_TASK)), Turn(USER, told.instance.question)]
        turns += [*told.turns, Turn(USER, REFLECT), Turn(AGENT, "Yes.")]
        opening = imagine(tools[used], one_line(inst.question, MAX_SAID))
        hidden = [number + 2 for number in masked(told)]  # behind the imagined task and its request
        system = told.instance.meta["system"]
        made = episode("explored", inst.id, opening, turns, system=system, score=item.score, masked=hidden)
        return replace(made, key=item.key)

    return step
