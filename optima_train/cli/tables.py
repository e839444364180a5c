"""What the verbs print about results: a table per iteration, and dialogues before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..report.tables import Table, say

if TYPE_CHECKING:
    from rich.console import Console

    from optima_envs import Episode

COLUMNS = (
    "label", "n", "score", "tokens", "turns", "nll", "guesses", "failures", "kept", "dropped", "cached_share",
    "seconds",
)  # fmt: skip
ALSO = "also_"  # begins the name of a score in an environment of ``evaluate.also``


def results_table(console: Console, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """One line per evaluated model; columns that no row has are left out."""
    # the interval of the score alone, so that a line fits 80 columns
    told = [{**row, "cached_share": row.get("cached"), "tokens_ci": None} for row in rows]
    also = sorted({name for row in rows for name in row if name.startswith(ALSO)})
    titles = {name: name.removeprefix(ALSO) for name in also}
    Table((*COLUMNS, *also), told, title, titles, sparse=True).print(console)


def show_dialogues(console: Console, title: str, episodes: Sequence[Episode]) -> None:
    """Draw dialogues as plain text under a heading; long turns are shown whole."""
    from rich.text import Text

    from optima_envs.adapters.render import draw, printable

    console.rule(Text(printable(title)))
    for episode in episodes:
        golds = " | ".join(episode.instance.answers)
        fate = (
            f"failed: {episode.error.message}"
            if episode.error
            else f"score {episode.score:.2f}, {episode.tokens} tokens"
        )
        text = draw(episode.instance, episode.turns, episode.outcome)
        console.print(f"{text}", markup=False, highlight=False)
        say(console, f"({fate}; accepted: {golds})")
        console.print()


def telling_pair(before: Path, after: Path) -> tuple[Episode, Episode] | None:
    """One question before and after training: the first that was wrong and became right, else the first."""
    from optima_agents import EpisodeLog

    first = {episode.key.instance: episode for episode in EpisodeLog.iterate(before)}
    pairs = [(first[e.key.instance], e) for e in EpisodeLog.iterate(after) if e.key.instance in first]
    pairs.sort(key=lambda pair: pair[1].key.instance)
    turned = [pair for pair in pairs if pair[1].correct and not pair[0].correct]
    return next(iter(turned or pairs), None)
