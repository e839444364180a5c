"""The contract of a tool world: which tools there are, what a call is answered, what the final answer is.

A world is pure: it keeps nothing between calls. Whatever it needs of the past are the calls carried out so far and
the texts they were answered with, so the same turns give the same replies on every replay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from ..records import Instance
from ..registry import Registry

MAX_TEXT = 2_000  # characters of an observation


@dataclass(frozen=True, slots=True)
class Tool:
    """Something an agent can call. ``parameters`` are the names of its text arguments, ``does`` one line for people.

    A tool with one parameter is also called as ``name[argument]``; one that is ``fenced`` by a block of that name.
    """

    name: str
    parameters: tuple[str, ...]
    does: str
    fenced: bool = False

    @property
    def form(self) -> str:
        """How a call is written."""
        if self.fenced:
            return f"a ```{self.name} block"
        if len(self.parameters) == 1:
            return f"{self.name}[{self.parameters[0]}]"
        inputs = ", ".join(f'"{name}": "..."' for name in self.parameters)
        return f"Action: {self.name} / Action Input: {{{inputs}}}"


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a tool; ``arguments`` are (parameter, text) pairs in the tool's order."""

    tool: str
    arguments: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The first argument."""
        return self.arguments[0][1] if self.arguments else ""


@dataclass(frozen=True, slots=True)
class Done:
    """A call that was carried out, and the observation it was answered with."""

    call: Call
    observation: str


@runtime_checkable
class World(Protocol):
    """What stands behind the tools. Everything is a function of the arguments alone; model text never raises."""

    tools: tuple[Tool, ...]

    def observe(self, inst: Instance, done: Sequence[Done], call: Call) -> str:
        """The observation of ``call`` after ``done``; what went wrong is told as ``error: ...``, in one line."""
        ...

    def answer(self, inst: Instance, done: Sequence[Done], stated: str | None) -> str | None:
        """What the metric is given, once ``stated`` is the agent's last word (None: it gave no answer)."""
        ...

    def solved(self, inst: Instance, answer: str | None) -> bool:
        """Whether such an answer is right: what an agent with further attempts is told."""
        ...


WORLDS: Registry[World] = Registry("tool world", "optima.worlds")
"""Worlds behind tools by name; ``WORLDS.register("mine", world)`` adds one."""
WORLDS.register("sql", "optima_envs.tools.sql_world:WORLD")
WORLDS.register("search", "optima_envs.tools.search:WORLD")
WORLDS.register("calculator", "optima_envs.tools.calculator_world:WORLD")


def offered(world: World, meta: Mapping[str, object]) -> tuple[Tool, ...]:
    """The tools an instance offers: those ``meta["tools"]`` names (texts, or objects with a ``name``), or else all of
    the world's. Raises ValueError for a name the world does not know, or another shape."""
    listed = meta.get("tools")
    if listed is None:
        return world.tools
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise ValueError(f"meta['tools'] must be a list of names, not {type(listed).__name__}")
    items = list(cast("Sequence[object]", listed))
    names = [cast("Mapping[str, object]", item).get("name") if isinstance(item, Mapping) else item for item in items]
    known = {tool.name: tool for tool in world.tools}
    unknown = [str(name) for name in names if name not in known]
    if unknown:
        raise ValueError(f"meta['tools'] offers {', '.join(unknown)}, but the world has {', '.join(known)}")
    return tuple(known[str(name)] for name in names)


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """``text`` cut to ``limit`` characters, with a mark where it was cut."""
    mark = " ..."
    return text if len(text) <= limit else text[: limit - len(mark)].rstrip() + mark
