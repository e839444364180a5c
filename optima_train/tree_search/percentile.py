"""The token term of the reference code's trees: tokens over a high percentile of fresh dialogues' lengths.

Q = floor(percentile of the tokens of ``reward.probe`` dialogues) + 1; the term is -tokens / Q, not bounded below
(train/dpo.py and reward/deploy_reward.py of the reference; the paper divides by the longest sibling everywhere).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..stages.playing import EPISODES, play

if TYPE_CHECKING:
    from optima_agents.policy import Policy
    from optima_envs.rewards import Term
    from optima_envs.scenario import Scenario

    from ..run.engines import StageContext


def over(quantile: int) -> Term:
    """The term ``tokens`` with the normaliser Q."""
    from optima_envs.rewards import lift

    return lift(lambda episode: -episode.tokens / quantile)


def quantile(lengths: Sequence[int], percent: float) -> int:
    """Q of these token counts (linear interpolation, as numpy's default)."""
    import numpy as np

    return math.floor(np.percentile(lengths, percent)) + 1


def probe(ctx: StageContext, scenario: Scenario, indices: Sequence[int], policy: Policy) -> int:
    """Q of this iteration's team, from fresh dialogues on ``indices``, sampled as the trees are.

    They are kept in ``episodes.jsonl``, so a resumed stage finds the same Q. Raises StageError when all of them fail.
    """
    from optima_agents import EpisodeLog, Job

    seed, config = ctx.seed("probe"), ctx.config.reward
    jobs = [Job(indices[k % len(indices)], k // len(indices), seed) for k in range(config.probe)]
    play(ctx, scenario, jobs, lambda job: policy, ctx.config.tree)
    sound = [e.tokens for e in EpisodeLog.iterate(ctx.out / EPISODES) if e.error is None]
    return quantile(sound, config.percentile)
