"""Reward terms that a model which knows nothing earns by chance, so that groups of its dialogues have spread."""

from __future__ import annotations

from collections.abc import Sequence

from optima_envs.records import Episode
from optima_envs.rewards import term
from optima_train.online.credit.agent_terms import agent_term


@term("letters")
def letters(episode: Episode) -> float:
    """The share of e and a in what was said."""
    said = "".join(turn.text for turn in episode.turns)
    return sum(letter in "ea" for letter in said) / max(1, len(said))


@agent_term("letters-own")
def letters_own(group: Sequence[Episode]) -> list[dict[str, float]]:
    """The same for each agent."""
    rows = []
    for episode in group:
        said = {turn.agent: "" for turn in episode.turns}
        for turn in episode.turns:
            said[turn.agent] += turn.text
        rows.append({agent: sum(x in "ea" for x in text) / max(1, len(text)) for agent, text in said.items()})
    return rows
