"""Playing a game with a world by hand, and records in AgentBench's database layout with a made-up table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optima_envs.games.replies import replied
from optima_envs.games.rules import Rules, Turns
from optima_envs.records import Instance, Outcome, Turn, View

from .worlds import DATA

TUNING = DATA / "agent_tuning"
BOATS = [["Wren", "cod", "12"], ["Heron", "crab", "7"], ["Tern", "cod", "31"], ["Gull", "-", "0"]]
COLUMNS = [("Boat", "TEXT"), ("Catch", "TEXT"), ("Crates", "INT")]


def play(rules: Rules, inst: Instance, say: Callable[[View], str]) -> tuple[Turns, Outcome]:
    """The whole dialogue: turns, the world's replies among them, and how it ended."""
    turns: Turns = ()
    while (outcome := rules.outcome(inst, turns)) is None:
        said = tuple(
            Turn(agent, text := say(rules.view(inst, turns, agent)), len(text.split()))
            for agent in rules.speakers(inst, turns)
        )
        turns = replied(rules, inst, (*turns, *said))
        assert len(turns) < 500
    return turns, outcome


def script(lines: Mapping[str, Sequence[str]]) -> Callable[[View], str]:
    """Says each role's lines in order, then its last one again and again."""
    said: dict[str, int] = {}

    def say(view: View) -> str:
        at = said.get(view.role, 0)
        said[view.role] = at + 1
        return lines[view.role][min(at, len(lines[view.role]) - 1)]

    return say


def replies(turns: Turns) -> list[str]:
    """What the world said."""
    return [turn.text for turn in turns if turn.agent == "environment"]


def record(kind: str, label: Sequence[str], task: str = "Look into the harbour log.", **more: Any) -> dict[str, Any]:
    """A row of AgentBench's layout over the boats."""
    columns = [{"name": name, "type": declared} for name, declared in COLUMNS]
    return {
        "description": task,
        "add_description": "The table harbour log has the columns Boat, Catch, Crates.",
        "type": [kind],
        "label": list(label),
        "table": {"table_name": "harbour log", "table_info": {"columns": columns, "rows": BOATS}},
        **more,
    }


def sql(statement: str) -> str:
    """The statement as an agent writes it."""
    return f"```sql\n{statement}\n```"
