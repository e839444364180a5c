"""Put a team behind an OpenAI-compatible endpoint.

Any program that speaks OpenAI's chat completions asks it a question; the agents talk, and the answer comes back, with
the dialogue as its trace. The team is that of a run, or of an environment with --policy or --team:

  optima serve runs/quickstart
  curl http://127.0.0.1:8000/v1/chat/completions -d '{"model": "quickstart",
       "messages": [{"role": "user", "content": "Who is the mentor of Zed?"}],
       "facts": {"Alice": "Zed is led by Kim.", "Bob": "Kim is the mentor of Zed."}}'

What only one agent may know is in "facts": a text for each agent, or a list that is dealt out among them. What a system
message says, all are told. The answer is the message's content, the talk its reasoning_content; with "stream": true a
turn is sent as soon as it ends. With the variable OPTIMA_API_KEY set, requests must carry it as a bearer token.

Ctrl-C or SIGTERM stops it: no new questions, and --grace seconds for those under way.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.layout import RunDirectory
from . import UserError
from .arguments import MAX_TOKENS, open_scenario, open_team, pairs, seat_arguments, team_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from optima_agents import Policy
    from optima_agents.serving.endpoint import Endpoint
    from optima_envs import Scenario

EXAMPLE = "optima serve runs/quickstart --port 8000"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("team_of", metavar="RUN", help="a run directory, or an environment's id")
    parser.add_argument("settings", nargs="*", default=[], metavar="key=value", help="settings of an environment")
    parser.add_argument(
        "--iteration", type=int, help="of a run: the model after it; -1 is untrained (default: the last)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default 8000)")
    parser.add_argument("--name", help="model name that clients ask for (default: the run's or the environment's)")
    parser.add_argument(
        "--waiting", type=int, default=64, help="requests that may wait beyond --concurrency (default 64)"
    )
    parser.add_argument(
        "--timeout", type=float, default=600.0, help="seconds without a turn until one fails (default 600)"
    )
    parser.add_argument(
        "--grace", type=float, default=10.0, help="seconds for what is under way at the end (default 10)"
    )
    parser.add_argument(
        "--out", type=Path, help="log (jsonl) that every dialogue is appended to (default: none is kept)"
    )
    parser.add_argument("--concurrency", type=int, default=16, help="dialogues in flight (default 16)")
    seat_arguments(parser)
    parser.set_defaults(max_tokens=None)


def run(args: argparse.Namespace) -> int:
    from optima_agents import EpisodeLog, close_team
    from optima_envs.extras import need

    need("serve", "optima serve")
    from optima_agents.serving.endpoint import Endpoint
    from optima_agents.serving.run import listen, run

    if args.waiting < 0 or args.concurrency < 1 or args.timeout <= 0 or args.grace < 0:
        raise UserError("--concurrency is at least 1, --timeout above 0, --waiting and --grace are not negative")
    with listen(args.host, args.port) as listening:  # before a model is loaded for nothing
        scenario, team, name = _of_run(args) if RunDirectory(Path(args.team_of)).exists() else _of_env(args)
        try:
            with EpisodeLog(args.out) if args.out else nullcontext() as log:

                def make(ended: Callable[[], None]) -> Endpoint:
                    endpoint = Endpoint(
                        scenario, team, model=name, concurrency=args.concurrency, waiting=args.waiting, log=log,
                        timeout=args.timeout, key=os.environ.get("OPTIMA_API_KEY") or None, told=_say, ended=ended,
                    )  # fmt: skip
                    port = listening.getsockname()[1]
                    _say(
                        f"{name} ({', '.join(scenario.rules.agents)}) at http://{args.host}:{port}/v1; Ctrl-C stops it"
                    )
                    made.append(endpoint)
                    return endpoint

                made: list[Endpoint] = []
                try:
                    asyncio.run(run(make, listening, grace=args.grace))
                finally:
                    for endpoint in made:
                        _say(f"stopped: {endpoint.answered} questions answered, {endpoint.failed} failed")
                if made[0].failure is not None:
                    raise made[0].failure
        finally:
            asyncio.run(close_team(team.values()))
    return 0


def _of_run(args: argparse.Namespace) -> tuple[Scenario, dict[str, Policy], str]:
    """(rules, team, name) of a run. Raises UserError for arguments that only an environment takes, ConfigError."""
    from ..trained import game, team_of, trained

    given = [name for name in ("policy", "team", "hint", "cache") if getattr(args, name)]
    if given or args.settings:
        raise UserError(f"{args.team_of} is a run and brings its own team; leave out {(given or args.settings)[0]}")
    config, ref = trained(Path(args.team_of), args.iteration)
    scenario = game(config)
    team = team_of(config, ref, scenario.rules.agents, pairs(args.option), args.max_tokens)
    return scenario, team, args.name or config.name


def _of_env(args: argparse.Namespace) -> tuple[Scenario, dict[str, Policy], str]:
    """(rules, team, name) of an environment with the policies asked for."""
    if args.iteration is not None:
        raise UserError(f"--iteration is of a run, and {args.team_of} is no run directory")
    args.max_tokens = args.max_tokens or MAX_TOKENS
    given: dict[str, Any] = {"instances": (), **pairs(args.settings)}
    scenario = open_scenario(args.team_of, given)
    team = open_team(team_settings(args, 0.0), scenario.rules.agents)
    return scenario, team, args.name or scenario.id


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)
