"""Take a seat in a dialogue yourself.

You see what your agent sees and type its turns; a policy plays the others. State an answer as <A> answer </A>. An empty
line says nothing; Ctrl-C leaves.
"""

from __future__ import annotations

import argparse

from . import UserError
from .arguments import asked_scenario, env_arguments, open_team, policy_arguments, team_settings

EXAMPLE = "optima play twohop-asym"


def arguments(parser: argparse.ArgumentParser) -> None:
    env_arguments(parser)
    policy_arguments(parser)
    parser.add_argument("--seat", help="the agent you play (default: the first)")
    parser.add_argument("--index", type=int, help="instance to play (default: by --seed)")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from optima_agents import rollout
    from optima_agents.human import HumanPolicy

    from .tables import show_dialogues

    scenario = asked_scenario(args)
    agents = scenario.rules.agents
    seat = args.seat or agents[0]
    if seat not in agents:
        raise UserError(f"no seat {seat!r} in {scenario.id}; seats: {', '.join(agents)}")
    index = args.seed % len(scenario.task) if args.index is None else args.index
    if not 0 <= index < len(scenario.task):
        raise UserError(f"no instance {index} in {scenario.id}; it has {len(scenario.task)}")
    team = {**open_team(team_settings(args, 0.0), agents), seat: HumanPolicy()}
    (episode,) = rollout(scenario, team, episodes=1, start=index, seed=args.seed, episode_timeout=24 * 3600.0)
    show_dialogues(Console(), "the whole dialogue", [episode])
    return 1 if episode.error else 0
