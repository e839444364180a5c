"""Step ``negatives`` (Agent-FLAN): runs in which calling a tool would be the mistake.

* ``no tool offered``: the same question without tools; the right turn says so instead of calling one.
* ``tool not needed``: the same tools offered, but somebody only wants to chat; the right turn chats.

The label is in ``info["negative"]``. A model that was trained on calls alone calls in both.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from optima_envs.games.tool_use import ToolUse
from optima_envs.records import Episode, Turn
from optima_envs.tools.world import WORLDS, Tool, offered

from ..rows import rules_of
from ..transcript import AGENT, IMPORTED, USER, episode, imported, trained
from .flan import calls_of, due

ABSENT, IDLE = "no tool offered", "tool not needed"
REFUSALS = (
    "I have no tool for that here, so I cannot look it up.",
    "That would need a tool, and none is offered to me here.",
    "Without a tool I cannot find this out, and I will not make it up.",
)
CHATS = (
    ("Hello, how are you today?", "I am well, thank you. How can I help you?"),
    ("Thank you, that was all for now.", "You are welcome. Good bye!"),
    ("What is your favourite season?", "I have none of my own, but many people like spring for its light."),
    ("Please say something kind.", "It is good that you take the time to ask. I wish you a calm day."),
    ("Can you write one sentence about rain?", "Rain taps on the roof as if it wanted to come in and talk."),
    ("I am a little tired today.", "Then rest if you can; what is left will wait for you."),
)


def negatives(share: float = 1.0, seed: int = 0) -> Callable[[Episode], list[Episode]]:
    """Beside ``share`` of the runs with tools, exactly to within one, both kinds of negatives made from it.

    Those are runs of others with a call in them, and all dialogues of our own environments in which one agent has
    tools. Several runs of one question give the same negatives: ``dedupe`` them. Raises ValueError for a share outside
    [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is a share from 0 to 1, not {share}")
    seen = 0

    def step(item: Episode) -> list[Episode]:
        nonlocal seen
        found = _offer(item)
        if found is None:
            return [item]
        seen += 1
        if due(seen, share) == due(seen - 1, share):
            return [item]
        layout = item.env.removeprefix(IMPORTED).rpartition("/")[2]
        return [item, *built(item.instance.id, *found, seed, layout)]

    return step


def _offer(item: Episode) -> tuple[str, list[Any], str] | None:
    """(question, tools on offer, system text that offers them); None: nobody has any."""
    if imported(item):
        calls = calls_of(item)
        tools = item.instance.meta.get("tools") or [{"name": name} for name in dict.fromkeys(name for name, _ in calls)]
        return (task_of(item), tools, str(item.instance.meta.get("system", ""))) if calls else None
    rules = rules_of(item)
    if not isinstance(rules, ToolUse):
        return None
    from optima_agents.prompts import messages

    world = WORLDS[rules.world] if isinstance(rules.world, str) else rules.world
    system, opening = (row["content"] for row in messages(rules.view(item.instance, (), rules.agents[0])))
    return opening, [_schema(tool) for tool in offered(world, item.instance.meta)], system


def _schema(tool: Tool) -> dict[str, Any]:
    texts = {"type": "object", "properties": {name: {"type": "string"} for name in tool.parameters}}
    described = {"name": tool.name, "description": tool.does, "parameters": texts | {"required": [*tool.parameters]}}
    return {"type": "function", "function": described}


def built(name: str, question: str, tools: Sequence[Any], system: str, seed: int, layout: str) -> list[Episode]:
    """Both negatives of one instance whose question needs one of ``tools``."""
    rng = random.Random(f"negatives/{seed}/{name}")
    refusal, (asked, reply) = rng.choice(REFUSALS), rng.choice(CHATS)
    absent = episode(layout, f"{name}/absent", question, [Turn(AGENT, refusal)], info={"negative": ABSENT})
    kept = {"system": system, "tools": tools, "info": {"negative": IDLE}}
    return [absent, episode(layout, f"{name}/idle", asked, [Turn(AGENT, reply)], **kept)]


def task_of(item: Episode) -> str:
    """What was asked: the opening, or where that only instructs and is accepted, what was said next."""
    first = min(trained(item), default=0)
    asked = [turn.text for turn in item.turns[:first] if turn.agent == USER]
    return asked[-1] if asked else item.instance.question
