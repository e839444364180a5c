"""Sample dialogues of an environment.

One policy takes every seat, or a team from a file. With --out they go into a log as they finish; with --resume too,
those already in it are not sampled again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import UserError
from .arguments import asked_scenario, env_arguments, open_team, policy_arguments

if TYPE_CHECKING:
    from optima_envs import Episode, Scenario

EXAMPLE = "optima rollout twohop-asym --policy hf:tiny --episodes 5 --show 2"


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
    played = play(args, scenario, temperature=args.temperature, samples=args.samples)
    return conclude(args, scenario, *played)


def play(
    args: argparse.Namespace, scenario: Scenario, *, temperature: float, samples: int
) -> tuple[list[Episode], float]:
    """The dialogues the arguments ask for, with progress on stderr, and the seconds they took."""
    from rich.console import Console

    from optima_agents import EpisodeLog, rollout
    from optima_agents.team import close_team

    from ..run.progress import ProgressReporter
    from .watch import Watch

    if args.out and not args.resume and args.out.exists():
        raise UserError(f"{args.out} exists; name another file, or go on with it by --resume")
    team = open_team(args, temperature, scenario.rules.agents)
    total = min(args.episodes, len(scenario.task)) * samples
    started = time.monotonic()
    try:
        with Watch(Console(stderr=True)) as watch, EpisodeLog(args.out) if args.out else nullcontext() as log:
            progress = ProgressReporter(watch, scenario.id, total, "dialogues")
            episodes = rollout(
                scenario,
                team,
                episodes=args.episodes,
                samples=samples,
                seed=args.seed,
                concurrency=args.concurrency,
                log=log,
                progress=lambda episode: progress.count(episode.tokens),
            )
        return episodes, time.monotonic() - started
    finally:
        asyncio.run(close_team(team.values()))


def summarise(label: str, scenario: Scenario, episodes: list[Episode], seed: int) -> dict[str, Any]:
    """One results row; a failed dialogue scores 0. The interval is over instances, whose samples are averaged first.

    ``cached`` is the share of prompt tokens that an engine's prefix cache already held; ``causes`` counts failures.
    """
    from collections import Counter
    from statistics import fmean

    from optima_agents.results.intervals import bootstrap

    if not episodes:
        raise UserError("no dialogues: ask for at least one with --episodes")
    by_instance: dict[str, list[float]] = {}
    for episode in episodes:
        by_instance.setdefault(episode.key.instance, []).append(0.0 if episode.error else episode.score)
    scores = [fmean(values) for values in by_instance.values()]
    usages = [turn.usage for episode in episodes for turn in episode.turns if turn.usage is not None]
    prompts = sum(usage.prompt_tokens for usage in usages)
    return {
        "label": label,
        "env": scenario.id,
        "n": len(episodes),
        "score": fmean(scores),
        "score_ci": bootstrap(scores, seed=seed),
        "correct": fmean(episode.correct for episode in episodes),
        "tokens": fmean(episode.tokens for episode in episodes),
        "turns": fmean(len(episode.spoken) for episode in episodes),
        "failures": sum(episode.error is not None for episode in episodes),
        "causes": dict(sorted(Counter(episode.error.kind for episode in episodes if episode.error).items())),
        "cached": sum(usage.cached_tokens for usage in usages) / prompts if prompts else None,
        "seed": seed,
    }


def conclude(args: argparse.Namespace, scenario: Scenario, episodes: list[Episode], seconds: float) -> int:
    """Print the dialogues asked for and the summary."""
    label = args.team.stem if args.team else args.policy
    row = {**summarise(label, scenario, episodes, args.seed), "seconds": round(seconds, 3)}
    if args.json:
        print(json.dumps(row))
        return 0
    from rich.console import Console

    from .tables import results_table, show_dialogues

    console = Console()
    if args.show:
        show_dialogues(console, str(row["env"]), episodes[: args.show])
    results_table(console, [row], str(row["env"]))
    if row["causes"]:
        console.print("failed: " + ", ".join(f"{count} {kind}" for kind, count in row["causes"].items()))
    if args.out:
        console.print(f"dialogues in {args.out}", markup=False, highlight=False)
    return 0
