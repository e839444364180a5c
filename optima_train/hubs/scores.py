"""Scores for a card: teams that everybody has, on the first held-out instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optima_envs.extras import missing

TEAMS = {"random words": "random", "tiny, the embedded model": "hf:tiny"}


def scores(env: str, settings: Mapping[str, Any], episodes: int) -> list[dict[str, Any]]:
    """A result row for each team that can play here; none for 0 ``episodes``. Raises what opening the data raises."""
    from optima_agents import evaluate
    from optima_agents.backends import Sampling

    rows, greedy = [], Sampling(0.0, max_tokens=128, logprobs=False)
    for label, policy in TEAMS.items() if episodes else ():
        if policy.startswith("hf:") and missing("hf"):
            continue
        found = evaluate(env, policy, episodes=episodes, sampling=greedy, **settings)
        row = {"label": label, "n": found.summary.n, "score": found.score, "score_ci": list(found.score_ci)}
        rows.append(row | {"tokens": found.tokens, "tokens_ci": list(found.tokens_ci), "turns": found.summary.turns})
    return rows
