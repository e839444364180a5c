"""Credit: from ranked dialogues to the advantage of every turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optima_envs.records import ErrorInfo

from .agent_terms import AgentReward
from .estimators import ADVANTAGES, Options, RewardedTurn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optima_envs.records import Episode, EpisodeKey

    from ...config.online_settings import GrpoConfig
    from ...stages.groups import Group

Advantages = dict[int, float | None]


@dataclass(slots=True)
class Credit:
    """``advantages`` of turns by number, for each dialogue that has a reward; ``memory`` is the estimator's, for its
    next call. ``groups`` were compared, of which some were ``without_spread``; ``failed`` dialogues have no reward."""

    advantages: dict[EpisodeKey, Advantages] = field(default_factory=dict)
    memory: Mapping[str, float] = field(default_factory=dict)
    groups: int = 0
    without_spread: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def numbers(self) -> dict[str, Any]:
        """For the log of the run."""
        failed = {reason: count for reason, count in self.failed.items() if count}
        return {
            "groups": self.groups,
            "groups_without_spread": self.without_spread,
            "failed": sum(failed.values()),
            "failed_by_reason": failed,
            "baselines": dict(self.memory),
        }


def options_of(config: GrpoConfig) -> Options:
    return Options(config.scale, config.decay)


def credit(
    groups: Iterable[Group],
    rewards: Mapping[EpisodeKey, float | None],
    config: GrpoConfig,
    memory: Mapping[str, float],
) -> Credit:
    """The credit of all turns of an iteration. ``rewards`` are the team's, None for a dialogue that failed."""
    found = Credit()
    own = AgentReward(config.agent_weights)
    turns: list[RewardedTurn] = []
    places: list[tuple[EpisodeKey, int]] = []
    for group in groups:
        sound = [episode for episode in group.episodes if rewards[episode.key] is not None]
        found.failed["no reward"] += len(group.episodes) - len(sound)
        for number, (episode, extra) in enumerate(zip(sound, own(sound), strict=True)):
            if isinstance(extra, ErrorInfo):
                found.failed[extra.message] += 1
                continue
            found.advantages[episode.key] = {}
            reward = rewards[episode.key] or 0.0
            made = rewarded(episode, number, {agent: reward + more for agent, more in extra.items()})
            turns += made
            places += [(episode.key, place) for place in range(len(made))]
    estimate = ADVANTAGES[config.estimator](turns, options_of(config), memory)
    for (key, place), advantage in zip(places, estimate.advantages, strict=True):
        found.advantages[key][place] = advantage
    found.memory = dict(estimate.memory)
    found.groups, found.without_spread = estimate.groups, estimate.without_spread
    return found


def rewarded(episode: Episode, number: int, rewards: Mapping[str, float]) -> list[RewardedTurn]:
    """The turns of a dialogue as an estimator sees them; ``number`` is the dialogue's in its group."""
    said: Counter[str] = Counter()
    turns = []
    for turn in episode.turns:
        turns.append(RewardedTurn(episode.instance.id, number, turn.agent, said[turn.agent], rewards[turn.agent]))
        said[turn.agent] += 1
    return turns


def credited(log: Iterable[Group], found: Credit) -> Iterator[tuple[Episode, Advantages]]:
    """Every dialogue that has a reward, with the advantages of its turns."""
    for group in log:
        yield from ((e, found.advantages[e.key]) for e in group.episodes if e.key in found.advantages)
