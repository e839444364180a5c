"""What the verbs print about results: a table per iteration, and dialogues before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from optima_envs import Episode

HEADINGS = {
    "label": "team",
    "n": "n",
    "score": "score [95%]",
    "tokens": "tokens",
    "turns": "turns",
    "nll": "NLL",
    "guesses": "guess",
    "failures": "fail",
    "kept": "kept",
    "dropped": "drop",
    "cached": "cached",
    "seconds": "sec",
}


def results_table(console: Console, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """One line per evaluated model; columns that no row has are left out."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)  # 80 columns
    columns = [name for name in HEADINGS if any(row.get(name) is not None for row in rows)]
    for name in columns:
        table.add_column(HEADINGS[name], justify="left" if name == "label" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(cell(row, name) for name in columns))
    console.print(table)


def cell(row: Mapping[str, Any], name: str) -> str:
    """A number with the digits that matter; a dash for what was not measured."""
    value = row.get(name)
    if value is None:
        return "-"
    if name == "score":
        interval = row.get("score_ci")
        return f"{value:.3f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")
    if isinstance(value, float):
        return f"{value:.3f}" if name in ("nll", "guesses", "cached") else f"{value:.{name != 'seconds':d}f}"
    return str(value)


def show_dialogues(console: Console, title: str, episodes: Sequence[Episode]) -> None:
    """Draw dialogues as plain text under a heading; long turns are shown whole."""
    from rich.text import Text

    from optima_envs.adapters.render import draw

    console.rule(Text(title))
    for episode in episodes:
        golds = " | ".join(episode.instance.answers)
        fate = (
            f"failed: {episode.error.message}"
            if episode.error
            else f"score {episode.score:.2f}, {episode.tokens} tokens"
        )
        text = draw(episode.instance, episode.turns, episode.outcome)
        console.print(f"{text}\n({fate}; accepted: {golds})\n", markup=False, highlight=False)


def telling_pair(before: Path, after: Path) -> tuple[Episode, Episode] | None:
    """One question before and after training: the first that was wrong and became right, else the first."""
    from optima_agents import EpisodeLog

    first = {episode.key.instance: episode for episode in EpisodeLog.iterate(before)}
    pairs = [(first[e.key.instance], e) for e in EpisodeLog.iterate(after) if e.key.instance in first]
    pairs.sort(key=lambda pair: pair[1].key.instance)
    turned = [pair for pair in pairs if pair[1].correct and not pair[0].correct]
    return next(iter(turned or pairs), None)
