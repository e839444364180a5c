"""Score a policy or a team on held-out instances.

Greedy, with the plain prompt (unless --hint): mean score with its 95% interval, tokens, failures.

The instances are the first ones of the split that the environment is usually evaluated on, or of --split."""

from __future__ import annotations

import argparse

from . import rollout
from .arguments import asked_scenario, env_arguments, policy_arguments

EXAMPLE = "optima eval twohop-asym --policy hf:tiny -n 100"


def arguments(parser: argparse.ArgumentParser) -> None:
    env_arguments(parser)
    policy_arguments(parser)
    parser.add_argument("-n", "--episodes", type=int, default=300, help="instances (default 300)")
    rollout.output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    scenario = asked_scenario(args)
    return rollout.conclude(args, scenario, rollout.play(args, scenario, temperature=0.0, samples=1))
