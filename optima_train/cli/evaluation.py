"""Score a policy or a team on held-out instances: greedy, plain prompt (unless --hint); mean score and interval."""

from __future__ import annotations

import argparse

from . import rollout
from .arguments import asked_scenario, env_arguments, policy_arguments


def arguments(parser: argparse.ArgumentParser) -> None:
    env_arguments(parser)
    policy_arguments(parser)
    parser.set_defaults(split="test")
    parser.add_argument("-n", "--episodes", type=int, default=300, help="instances (default 300)")
    rollout.output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    scenario = asked_scenario(args)
    return rollout.conclude(args, scenario, rollout.play(args, scenario, temperature=0.0, samples=1))
