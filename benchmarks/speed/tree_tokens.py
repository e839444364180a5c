"""What trees save: tokens sampled for a tree over those of as many independent dialogues on the same instance.

Two teams of the embedded model: as it is (long dialogues), and under a format hint, which speaks as a trained team
does (a few tokens a turn). The paper's trees: 8 rounds of 3 dialogues, so 24 independent ones beside each, also where
a tree ends early because nothing new is found any more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import optima_envs
from optima_agents import LLMPolicy, Sampling, arollout, make_backend
from optima_agents.formats import FORMATS
from optima_agents.guard import together
from optima_agents.policy import seats
from optima_envs.rewards import Reward
from optima_envs.scenario import Scenario
from optima_train.config.settings import TreeConfig
from optima_train.stages.readability import Readability
from optima_train.tree_search.search import Round, TreeSearch
from optima_train.tree_search.tree import ROOT, Tree

from .timing import Figure, arguments, conclude, figure

ENV, TARGET = "twohop-asym", 0.7
SAMPLING = Sampling(0.7, max_tokens=64)
TEAMS = {"as it is": None, "terse, by a format hint": "arrows"}


@dataclass(frozen=True)
class Spent:
    """Tokens sampled per tree or per as many dialogues, on each instance."""

    trees: list[int]
    merged: list[int]
    alone: list[int]
    distinct: list[int]
    played: list[int]
    again: float

    def figures(self, team: str) -> list[Figure]:
        """The promised ratio, over all instances, and what explains it."""
        ratios = [tree / alone for tree, alone in zip(self.trees, self.alone, strict=True)]
        count = len(ratios)
        return [
            figure(
                f"{team}: tokens sampled, trees / dialogues", sum(self.trees) / sum(self.alone), TARGET, at_most=True
            ),
            figure(f"{team}: the same, worst instance", max(ratios)),
            figure(f"{team}: of a tree's tokens, merged away", sum(self.merged) / sum(self.trees)),
            figure(f"{team}: tokens of a tree", sum(self.trees) / count),
            figure(f"{team}: tokens of its dialogues, sampled independently", sum(self.alone) / count),
            figure(f"{team}: dialogues played in a tree", sum(self.played) / count),
            figure(f"{team}: different dialogues in a tree", sum(self.distinct) / count),
            figure(f"{team}: rounds begun at the root again, for want of candidates", self.again),
        ]


async def spent(scenario: Scenario, policy: LLMPolicy, reward: Reward, instances: int, seed: int) -> Spent:
    """Grow a tree on each of the first instances, and play as many dialogues as each holds."""
    config = TreeConfig()
    trees = [Tree() for _ in range(instances)]
    made: list[list[Round]] = [[] for _ in trees]
    search = TreeSearch(scenario, seats(policy, scenario.rules.agents), reward, config, seed)
    await together((search.grow(tree, k, made[k].append) for k, tree in enumerate(trees)), hurry=True)
    samples = config.rounds * config.rollouts
    episodes = await arollout(scenario, policy, episodes=instances, samples=samples, seed=seed + 1)
    failed = [str(e.error) for e in episodes if e.error] + [str(d.error) for t in trees for d in t.dialogues if d.error]
    if failed:
        raise RuntimeError(f"{len(failed)} dialogues failed, so the tokens do not compare: {failed[0]}")
    return Spent(
        [sum(one.sampled_tokens for one in rounds) for rounds in made],
        [sum(one.merged_tokens for one in rounds) for rounds in made],
        [sum(e.tokens for e in episodes[k * samples : (k + 1) * samples]) for k in range(instances)],
        [len(tree.leaves()) for tree in trees],
        [len(tree.dialogues) for tree in trees],
        sum(one.number > 0 and one.expanded == ROOT for rounds in made for one in rounds) / sum(map(len, made)),
    )


async def measure(model: str, instances: int, seed: int) -> list[Figure]:
    scenario = optima_envs.scenario(ENV, split="train")
    backend = make_backend(f"hf:{model}", device="cpu")
    readability = Readability(backend, scenario.rules, cap=0.5)  # type: ignore[arg-type]
    reward = Reward({"task": 1.0, "tokens": 0.6, "readability": 1.0}, terms={"readability": readability})
    out: list[Figure] = []
    for team, hint in TEAMS.items():
        policy = LLMPolicy(backend, SAMPLING, hint=None if hint is None else FORMATS[hint].hint)
        out += (await spent(scenario, policy, reward, instances, seed)).figures(team)
    await backend.aclose()
    return out


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--model", default="tiny", help="of both teams (default tiny, the embedded one)")
    parser.add_argument("--instances", type=int, default=20, help="questions (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of both, trees and dialogues (default 0)")
    args = parser.parse_args()
    return conclude(asyncio.run(measure(args.model, args.instances, args.seed)), args.json)


if __name__ == "__main__":
    raise SystemExit(main())
