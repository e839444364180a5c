"""What the tests of trees share: a policy whose words come from a list, and trees grown with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import optima_envs
from optima_agents.guard import together
from optima_agents.policy import Act, Policy, seats
from optima_agents.prompts import messages
from optima_envs.records import Usage, View
from optima_envs.rewards import Reward
from optima_envs.scenario import Scenario
from optima_train.config.settings import TreeConfig
from optima_train.tree_search.search import Round, TreeSearch
from optima_train.tree_search.tree import Tree


def rendered(view: View) -> tuple[int, ...]:
    """Prompt ids of a view: one for each character, so that no two prompts share theirs."""
    return tuple(ord(letter) for letter in repr(messages(view)))


class Writer:
    """Says one of ``texts``, drawn by the turn's seed, after a moment that depends on the seed too."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.views: list[View] = []

    async def act(self, view: View, *, seed: int) -> Act:
        self.views.append(view)
        rng = Random(seed)
        text = rng.choice(self.texts)
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        ids = (*(ord(letter) for letter in text), 0)
        prompt = rendered(view)
        return Act(text, len(ids), prompt, ids, (-0.5,) * len(ids), usage=Usage(len(prompt), len(ids), 7))


def world(env: str = "twohop-asym", **options: Any) -> Scenario:
    return optima_envs.scenario(env, split="train", **options)


def grow(
    scenario: Scenario,
    policy: Policy | Mapping[str, Policy],
    *,
    trees: Sequence[Tree] | int = 1,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
    done: Callable[[int, Tree, Round], None] = lambda number, tree, made: None,
    **config: Any,
) -> list[Tree]:
    """Trees on the first instances, new ones or given ones to go on with, side by side."""
    settings = TreeConfig.model_validate(config)
    team = seats(policy, scenario.rules.agents)
    grown = [Tree() for _ in range(trees)] if isinstance(trees, int) else list(trees)

    async def run() -> None:
        reward = Reward(weights or {"task": 1.0, "tokens": 0.6})
        search = TreeSearch(scenario, team, reward, settings, seed)
        await together((search.grow(tree, k, partial(done, k, tree)) for k, tree in enumerate(grown)), hurry=True)

    asyncio.run(run())
    return grown


def picture(tree: Tree) -> str:
    """All that a seed determines."""
    nodes = [
        (n.id, n.parent, n.turn.agent, n.turn.text, n.turn.ids, n.turn.prompt_ids, str(n.ending), n.value, n.expanded)
        for n in tree.nodes
    ]
    rewards = sorted((leaf, row.total, sorted(row.terms.items())) for leaf, row in tree.rewards.items())
    return json.dumps([nodes, [str(d) for d in tree.dialogues], rewards, tree.rounds])
