"""Drawing a dialogue: plain text, or rich panels on a terminal. Model text is shown, never interpreted as mark-up."""

from __future__ import annotations

from collections.abc import Iterable

from ..records import Instance, Outcome, Turn
from ..utf8 import utf8

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


def printable(text: str) -> str:
    """Control characters (terminal escapes) replaced; line breaks and tabs stay. A lone surrogate becomes ``?``."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in utf8(text))


def draw(inst: Instance, turns: Iterable[Turn], outcome: Outcome | None = None) -> str:
    """The dialogue as lines of text; a turn's later lines are indented, so none can pose as a speaker."""
    lines = [f"Question: {printable(inst.question)}"]
    lines += [f"{turn.agent} ({turn.tokens}): " + printable(turn.text).replace("\n", "\n    ") for turn in turns]
    if outcome is not None:
        lines.append(verdict(outcome))
    return "\n".join(lines)


def verdict(outcome: Outcome) -> str:
    """One line on how it ended."""
    answer = "no answer" if outcome.answer is None else f"answer: {printable(outcome.answer)}"
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
        colour = seats.get(turn.agent, COLOURS[sum(turn.agent.encode()) % len(COLOURS)])
        title = Text(f"{turn.agent}, {turn.tokens} tokens")
        console.print(Panel(Text(printable(turn.text)), title=title, title_align="left", border_style=colour))
    if outcome is not None:
        console.print(Text(verdict(outcome), style="bold"))
