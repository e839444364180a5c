"""Reward terms of an agent's own: what one agent did for, or cost, its team in a dialogue.

R_agent(tau) = R(tau) + sum over terms of weight * term_agent(tau). A pure team reward gives every agent of a dialogue
the same number, and then normalising agent by agent changes nothing; these terms are what it is for.
``AGENT_TERMS`` is open: ``@agent_term("mine")`` adds one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from optima_envs.records import Episode, ErrorInfo, Turn
from optima_envs.registry import Registry
from optima_envs.rewards import ill_formed
from optima_envs.scoring.answer_format import FORMATS
from optima_envs.scoring.parsing import normalise

Group = Sequence[Episode]
AgentRewards = list[dict[str, float]]
"""For every dialogue of a group, in order, a number for each agent that spoke in it."""
AgentTerm = Callable[[Group], AgentRewards]
AGENT_TERMS: Registry[AgentTerm] = Registry("agent reward term", "optima.agent_rewards")


def agent_term(name: str) -> Callable[[AgentTerm], AgentTerm]:
    """Register a function of a group of dialogues on one instance; more is better.

    >>> @agent_term("own-turns")
    ... def own_turns(group):
    ...     return [{turn.agent: -sum(t.agent == turn.agent for t in e.turns) for turn in e.turns} for e in group]
    """
    return lambda function: AGENT_TERMS.register(name, function)


@agent_term("tokens-own")
def tokens_own(group: Group) -> AgentRewards:
    """Minus the agent's tokens over those of its longest sibling, in [-1, 0]: the paper's R_token for one agent."""
    spent = [_by_agent(episode, lambda turn: turn.tokens) for episode in group]
    longest: dict[str, float] = {}
    for row in spent:
        for agent, count in row.items():
            longest[agent] = max(longest.get(agent, 0.0), count)
    return [{agent: -count / (longest[agent] or 1.0) for agent, count in row.items()} for row in spent]


@agent_term("format-own")
def format_own(group: Group) -> AgentRewards:
    """Minus the share of the agent's turns that are empty, cut off, or speak for another agent, in [-1, 0]."""
    rows = []
    for episode in group:
        agents = {turn.agent for turn in episode.turns}
        bad = _by_agent(episode, lambda turn, agents=agents: ill_formed(turn, agents))
        turns = _by_agent(episode, lambda turn: 1)
        rows.append({agent: -count / turns[agent] for agent, count in bad.items()})
    return rows


@agent_term("answered-first")
def answered_first(group: Group) -> AgentRewards:
    """The dialogue's score for the agent who was first to state what became its final answer, 0 for the others."""
    rows = []
    for episode in group:
        row = dict.fromkeys((turn.agent for turn in episode.turns), 0.0)
        final = None if episode.outcome.answer is None else normalise(episode.outcome.answer)
        for turn in episode.turns if final is not None else ():
            stated = (form.find(turn.text) for form in FORMATS.values())
            if final in [normalise(answer) for answer in stated if answer is not None]:
                row[turn.agent] = episode.score
                break
        rows.append(row)
    return rows


class AgentReward:
    """A weighted sum of agent terms over a group; ``weights`` by name, >= 0 (a term carries its own sign).

    Raises UnknownName for a term nobody registered.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._terms = [(name, AGENT_TERMS[name], weight) for name, weight in weights.items() if weight]

    def __call__(self, group: Group) -> list[dict[str, float] | ErrorInfo]:
        """What each agent of each dialogue gets on top of the team's reward, or which term is no finite number.

        Raises ValueError when a term miscounts.
        """
        totals: list[dict[str, float] | ErrorInfo] = [
            dict.fromkeys((turn.agent for turn in episode.turns), 0.0) for episode in group
        ]
        for name, term, weight in self._terms:
            rows = term(group)
            if len(rows) != len(group):
                raise ValueError(f"agent reward term {name!r} gave {len(rows)} rows for {len(group)} dialogues")
            totals = [_added(total, row, name, weight) for total, row in zip(totals, rows, strict=True)]
        return totals


def _added(
    total: dict[str, float] | ErrorInfo, row: Mapping[str, float], name: str, weight: float
) -> dict[str, float] | ErrorInfo:
    if isinstance(total, ErrorInfo):
        return total
    broken = [agent for agent in total if not math.isfinite(row.get(agent, math.nan))]
    if broken:
        return ErrorInfo("reward", f"agent term {name} is not finite for {', '.join(broken)}")
    return {agent: value + weight * row[agent] for agent, value in total.items()}


def _by_agent(episode: Episode, measure: Callable[[Turn], float]) -> dict[str, float]:
    """The sum of ``measure`` over the turns of each agent."""
    sums: dict[str, float] = {}
    for turn in episode.turns:
        sums[turn.agent] = sums.get(turn.agent, 0.0) + measure(turn)
    return sums
