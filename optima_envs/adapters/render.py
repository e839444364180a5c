"""Drawing a dialogue: plain text, or rich panels on a terminal. Model text is shown, never interpreted as mark-up."""

from __future__ import annotations

from collections.abc import Iterable

from ..records import ENVIRONMENT, Instance, Outcome, Turn
from ..text import printable

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


def draw(inst: Instance, turns: Iterable[Turn], outcome: Outcome | None = None) -> str:
    """The dialogue as lines of text; later lines of a text are indented, so none can pose as a speaker or a verdict."""
    lines = [f"Question: {indented(inst.question)}"]
    lines += [f"{_headed(turn)}: {indented(turn.text)}" for turn in turns]
    if outcome is not None:
        lines.append(verdict(outcome))
    return "\n".join(lines)


def indented(text: str) -> str:
    """``text`` for a terminal, its later lines indented."""
    return printable(text).replace("\n", "\n    ")


def _headed(turn: Turn) -> str:
    return speaker(turn) if turn.agent == ENVIRONMENT else f"{speaker(turn)} ({turn.tokens})"


def speaker(turn: Turn) -> str:
    """The speaker's name for a terminal; a record may hold any."""
    return printable(turn.agent, lines=False)


def verdict(outcome: Outcome) -> str:
    """One line on how it ended."""
    answer = "no answer" if outcome.answer is None else f"answer: {printable(outcome.answer, lines=False)}"
    return f"[{outcome.stop}] {answer}"


def show(inst: Instance, turns: Iterable[Turn], outcome: Outcome | None = None) -> None:
    """Print panels to the terminal: the question when there are no turns yet, then every turn, then the verdict."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    console, turns = Console(), list(turns)
    if not turns:
        console.print(Panel(Text(printable(inst.question)), title="question", title_align="left"))
    seats = {agent: COLOURS[i % len(COLOURS)] for i, agent in enumerate(inst.private)}
    for turn in turns:
        colour = seats.get(turn.agent, COLOURS[sum(turn.agent.encode(errors="replace")) % len(COLOURS)])
        world = turn.agent == ENVIRONMENT
        title = Text(speaker(turn) if world else f"{speaker(turn)}, {turn.tokens} tokens")
        style = "dim" if world else colour
        console.print(Panel(Text(printable(turn.text)), title=title, title_align="left", border_style=style))
    if outcome is not None:
        console.print(Text(verdict(outcome), style="bold"))
