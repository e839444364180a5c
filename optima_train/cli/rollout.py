"""Sample dialogues of an environment.

One policy takes every seat, or a team from a file. With --out they go into a log as they finish; with --resume too,
those already in it are not sampled again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import UserError
from .arguments import (
    asked_scenario,
    env_arguments,
    env_settings,
    open_scenario,
    open_team,
    policy_arguments,
    team_settings,
    workers_argument,
)

if TYPE_CHECKING:
    from optima_agents import Summary
    from optima_agents.workers.dialogues import Dialogues
    from optima_agents.workers.worker import Site
    from optima_envs import Episode, Scenario

EXAMPLE = "optima rollout twohop-asym --policy hf:tiny --episodes 5 --show 2"


@dataclass(frozen=True)
class Played:
    """The dialogues that were asked for, summed up: memory does not grow with them. ``first`` are those to show."""

    summary: Summary
    first: list[Episode]
    seconds: float


def arguments(parser: argparse.ArgumentParser) -> None:
    env_arguments(parser)
    policy_arguments(parser)
    parser.add_argument("-n", "--episodes", type=int, default=10, help="instances (default 10)")
    parser.add_argument("--samples", type=int, default=1, help="dialogues per instance (default 1)")
    parser.add_argument("--temperature", type=float, default=0.7, help="0 is greedy (default 0.7)")
    output_arguments(parser)


def output_arguments(parser: argparse.ArgumentParser) -> None:
    workers_argument(parser)
    parser.add_argument("--out", type=Path, help="episode log to write (jsonl)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the log of an interrupted, equal command; what its backend failed in is asked again",
    )
    parser.add_argument("--retry-failed", action="store_true", help="with --resume: play all again that failed")
    parser.add_argument(
        "--episode-timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="give a dialogue up after so long without progress (default 600)",
    )
    parser.add_argument("--show", type=int, default=0, metavar="K", help="print the first K dialogues")


def run(args: argparse.Namespace) -> int:
    scenario = asked_scenario(args)
    return conclude(args, scenario, play(args, scenario, temperature=args.temperature, samples=args.samples))


def play(args: argparse.Namespace, scenario: Scenario, *, temperature: float, samples: int) -> Played:
    """Play what the arguments ask for, with progress on stderr."""
    from rich.console import Console

    from optima_agents import EpisodeLog
    from optima_agents.results.one_call import play as play_all
    from optima_agents.results.summary import Measured, measure, sum_up, summarise
    from optima_agents.team import close_team
    from optima_agents.workers.opening import check_workers

    from ..run.progress import ProgressReporter
    from .holds import holds
    from .watch import Watch

    refuse(args)
    if args.out and not args.resume and args.out.exists():
        raise UserError(f"{args.out} exists; name another file, or go on with it by --resume")
    settings = team_settings(args, temperature)
    team, there = {}, None
    if args.workers is None:
        team = open_team(settings, scenario.rules.agents)
    else:
        check_workers(args.workers)
        limits = {"concurrency": args.concurrency, "episode_timeout": args.episode_timeout}
        there = partial(opened_there, args.env, env_settings(args), settings, limits, args.plugin, str(Path.cwd()))
    total = min(args.episodes, len(scenario.task)) * samples
    rows: list[Measured] = []
    started = time.monotonic()
    try:
        with (
            Watch(Console(stderr=True)) as watch,
            EpisodeLog(args.out, holds=holds(args, scenario, settings)) if args.out else nullcontext() as log,
        ):
            progress = ProgressReporter(watch, scenario.id, total, "dialogues")

            def count(episode: Episode) -> None:
                progress.count(episode.tokens)
                if not args.out:
                    rows.append(measure(episode))

            found, _ = asyncio.run(
                play_all(
                    scenario,
                    team,
                    episodes=args.episodes,
                    samples=samples,
                    seed=args.seed,
                    concurrency=args.concurrency,
                    episode_timeout=args.episode_timeout,
                    log=log,
                    retry_failed=args.retry_failed,
                    progress=count,
                    keep=args.show,
                    workers=args.workers,
                    there=there,
                )
            )
        summary = sum_up(rows, seed=args.seed) if log is None else summarise(found, seed=args.seed)
        return Played(summary, list(found[: args.show]), time.monotonic() - started)
    finally:
        asyncio.run(close_team(team.values()))


def opened_there(
    env: str,
    given: dict[str, Any],
    team: dict[str, Any],
    limits: dict[str, Any],
    plugins: Sequence[str],
    folder: str,
    site: Site,
) -> Dialogues:
    """In a worker: the dialogues of this verb; plugins that are not installed lie in ``folder``."""
    from optima_agents import Rollouts
    from optima_agents.team import close_team
    from optima_agents.workers.dialogues import Dialogues

    from ..run.plugins import import_plugins

    import_plugins(plugins, [folder])
    scenario = open_scenario(env, given)
    policies = open_team(team, scenario.rules.agents)
    return Dialogues(Rollouts(scenario, policies, **limits), lambda: close_team(policies.values()))


def refuse(args: argparse.Namespace) -> None:
    """Raises UserError for arguments that cannot be meant."""
    if args.episodes < 1 or getattr(args, "samples", 1) < 1:
        raise UserError("no dialogues: ask for at least one with --episodes")
    if args.retry_failed and not args.resume:
        raise UserError("--retry-failed is about dialogues in a log; give --out and --resume too")
    if args.resume and not args.out:
        raise UserError("--resume goes on with a log; name it by --out")


def as_row(label: str, scenario: Scenario, summary: Summary, seed: int) -> dict[str, Any]:
    """One results row; ``n`` counts dialogues, ``cached`` is the share of prompt tokens that an engine's prefix cache
    already held, ``reasons`` hold the first message of every cause of failure."""
    return {
        "label": label,
        "env": scenario.id,
        "n": summary.episodes,
        "instances": summary.n,
        "score": summary.score,
        "score_ci": list(summary.score_ci),
        "correct": summary.correct,
        "tokens": summary.tokens,
        "tokens_ci": list(summary.tokens_ci),
        "turns": summary.turns,
        "failures": summary.failures,
        "causes": dict(summary.causes),
        "reasons": dict(summary.reasons),
        "cached": summary.cached_share,
        "seed": seed,
    }


def conclude(args: argparse.Namespace, scenario: Scenario, played: Played) -> int:
    """Print the dialogues asked for and the summary. 1 when every dialogue failed."""
    label = args.team.stem if args.team else args.policy
    row = {**as_row(label, scenario, played.summary, args.seed), "seconds": round(played.seconds, 3)}
    code = int(played.summary.failures == played.summary.episodes)
    if args.json:
        print(json.dumps(row))
        return code
    from rich.console import Console

    from ..report.tables import say
    from .tables import results_table, show_dialogues

    console = Console()
    if played.first:
        show_dialogues(console, scenario.id, played.first)
    results_table(console, [row], scenario.id)
    if played.summary.failures:
        say(console, played.summary.failed())
        again = "--resume --retry-failed plays them again" if args.out else "--show 1 shows one"
        say(console, f"all of them failed; {again}" if code else again)
    if args.out:
        say(console, f"dialogues in {args.out}")
    return code
