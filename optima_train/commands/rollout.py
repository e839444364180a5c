"""Sample dialogues of an environment with one policy in every seat. With --out they go into a log as they finish;
with --resume too, those already in it are not sampled again."""

from __future__ import annotations

import argparse
import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from . import UserError
from .settings import asked_scenario, env_arguments, open_policy, policy_arguments

if TYPE_CHECKING:
    from optima_envs import Episode, Scenario


def arguments(parser: argparse.ArgumentParser) -> None:
    env_arguments(parser)
    policy_arguments(parser)
    parser.add_argument("-n", "--episodes", type=int, default=10, help="instances (default 10)")
    parser.add_argument("--samples", type=int, default=1, help="dialogues per instance (default 1)")
    parser.add_argument("--temperature", type=float, default=0.7, help="0 is greedy (default 0.7)")
    output_arguments(parser)


def output_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="episode log to write (jsonl)")
    parser.add_argument("--resume", action="store_true", help="go on with the log of an interrupted, equal command")
    parser.add_argument("--show", type=int, default=0, metavar="K", help="print the first K dialogues")


def run(args: argparse.Namespace) -> int:
    scenario = asked_scenario(args)
    episodes = play(args, scenario, temperature=args.temperature, samples=args.samples)
    return conclude(args, episodes, summarise(args.policy, scenario, episodes, args.seed))


def play(args: argparse.Namespace, scenario: Scenario, *, temperature: float, samples: int) -> list[Episode]:
    """The dialogues the arguments ask for, with progress on stderr."""
    from rich.console import Console

    from optima_agents import EpisodeLog, rollout

    from ..progress import Ticker
    from .watch import Watch

    if args.out and not args.resume and args.out.exists():
        raise UserError(f"{args.out} exists; name another file, or go on with it by --resume")
    policy = open_policy(args, temperature)
    total = min(args.episodes, len(scenario.task)) * samples
    with Watch(Console(stderr=True)) as watch, EpisodeLog(args.out) if args.out else nullcontext() as log:
        ticker = Ticker(watch, scenario.id, total, "dialogues")
        return rollout(
            scenario,
            policy,
            episodes=args.episodes,
            samples=samples,
            seed=args.seed,
            concurrency=args.concurrency,
            log=log,
            progress=lambda episode: ticker.count(episode.tokens),
        )


def summarise(label: str, scenario: Scenario, episodes: list[Episode], seed: int) -> dict[str, object]:
    """One results row; a failed dialogue scores 0. The interval is over instances, whose samples are averaged first."""
    from statistics import fmean

    from ..intervals import bootstrap

    if not episodes:
        raise UserError("no dialogues: ask for at least one with --episodes")
    by_instance: dict[str, list[float]] = {}
    for episode in episodes:
        by_instance.setdefault(episode.key.instance, []).append(0.0 if episode.error else episode.score)
    scores = [fmean(values) for values in by_instance.values()]
    return {
        "label": label,
        "env": scenario.id,
        "n": len(episodes),
        "score": fmean(scores),
        "score_ci": bootstrap(scores, seed=seed),
        "correct": fmean(episode.correct for episode in episodes),
        "tokens": fmean(episode.tokens for episode in episodes),
        "turns": fmean(len(episode.turns) for episode in episodes),
        "failures": sum(episode.error is not None for episode in episodes),
        "seed": seed,
    }


def conclude(args: argparse.Namespace, episodes: list[Episode], row: dict[str, object]) -> int:
    """Print the dialogues asked for and the summary."""
    if args.json:
        print(json.dumps(row))
        return 0
    from rich.console import Console

    from .tables import results_table, show_dialogues

    console = Console()
    if args.show:
        show_dialogues(console, str(row["env"]), episodes[: args.show])
    results_table(console, [row], str(row["env"]))
    if args.out:
        console.print(f"dialogues in {args.out}", markup=False, highlight=False)
    return 0
