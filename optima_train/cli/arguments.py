"""Arguments that several verbs share: an environment's ``key=value`` settings, and the policy in the seats."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import UserError

if TYPE_CHECKING:
    from optima_agents import Policy
    from optima_envs import Scenario

DEFAULT_POLICY = "hf:tiny"
MAX_TOKENS = 128
POLICY_HELP = "hf:tiny, hf:FOLDER, vllm:MODEL, openai:URL#MODEL, random, scripted:TEXT, ... (default hf:tiny)"


def env_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("env", help="environment id, such as twohop-asym (optima envs lists them)")
    parser.add_argument(
        "settings",
        nargs="*",
        default=[],
        metavar="key=value",
        help="settings of it, such as distractors=4",
    )
    parser.add_argument("--data", help="local data file (jsonl, json, parquet) instead of the hub")
    parser.add_argument("--split", help="split of the data (default: the environment's)")
    parser.add_argument("--max-turns", type=int, help="turn limit")
    parser.add_argument("--token-budget", type=int, help="limit on sampled tokens per dialogue")


def policy_arguments(parser: argparse.ArgumentParser) -> None:
    seat_arguments(parser)
    parser.add_argument("--concurrency", type=int, default=64, help="dialogues in flight (default 64)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def seat_arguments(parser: argparse.ArgumentParser) -> None:
    """What sits in the seats."""
    parser.add_argument("--policy", help=POLICY_HELP)
    parser.add_argument(
        "--team",
        type=Path,
        help="YAML file with a policy per agent (optima_agents.team), or a folder with a team.yaml, such as the model "
        "of a run whose agents have weights of their own; --policy vllm plays such a folder's team on another backend",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="key=value",
        help="of the policy's backend, such as dtype=float32",
    )
    parser.add_argument("--cache", help="sqlite file of completions made before; what is in it is not sampled again")
    parser.add_argument("--hint", help="one more instruction: a format by its name, or a sentence")
    parser.add_argument(
        "--max-tokens", type=int, default=MAX_TOKENS, help=f"tokens per turn, at most (default {MAX_TOKENS})"
    )


def workers_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        metavar="ray:ADDRESS",
        help="play in processes of a Ray cluster, one for each GPU or core: ray:local, ray:auto or ray:HOST:PORT, "
        "with ?workers=4&gpus=1&cpus=2 if wanted",
    )


def asked_scenario(args: argparse.Namespace) -> Scenario:
    """The scenario that ``env_arguments`` describe."""
    return open_scenario(args.env, env_settings(args))


def env_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of it; None for what is not given."""
    given = {"data": args.data, "split": args.split, "max_turns": args.max_turns, "token_budget": args.token_budget}
    return {**given, **pairs(args.settings)}


def open_scenario(env: str, given: dict[str, Any]) -> Scenario:
    """The scenario ``env`` with its settings. Raises UserError for a setting it does not take, and for an environment
    of the user's own that no plugin has registered."""
    from optima_envs import UnknownName, scenario

    try:
        return scenario(env, **{key: value for key, value in given.items() if value is not None})
    except UnknownName as err:
        if "/" not in env or env.startswith("optima/"):
            raise
        raise UserError(f"{err}; one of your own needs --plugin MODULE, or its package installed") from err
    except TypeError as err:  # how scenario() names a setting that nobody takes
        raise UserError(str(err)) from err


def pairs(settings: Sequence[str]) -> dict[str, Any]:
    """``["a=1", "b=x"]`` gives ``{"a": 1, "b": "x"}``; values are read as YAML."""
    from optima_envs.documents import load_yaml

    found: dict[str, Any] = {}
    for item in settings:
        key, equals, value = item.partition("=")
        if not equals or not key.isidentifier():
            raise UserError(f"{item!r} is not of the form key=value")
        found[key] = load_yaml(value)
    return found


def team_settings(args: argparse.Namespace, temperature: float) -> dict[str, Any]:
    """The team as ``make_team`` takes it; what the ``--team`` file does not say comes from the other arguments.

    Raises UserError for a file that is no team, and for a policy that both name.
    """
    from optima_agents.making import BACKENDS

    given = args.policy
    args.policy = given or DEFAULT_POLICY
    spec = {"policy": args.policy, "options": pairs(args.option), "cache": args.cache}
    spec |= {"temperature": temperature, "max_tokens": args.max_tokens, "hint": hint_text(args.hint)}
    if args.team:
        spec |= asked_team(args.team, given)
    elif args.hint and args.policy.partition(":")[0] not in BACKENDS:
        raise UserError(f"--hint speaks to a language model; {args.policy} is none")
    from .model_paths import sentence_of

    if not spec.get("hint") and (sentence := sentence_of(spec)):
        raise UserError(
            "the model learned dialogues of every outcome, each kind under a sentence of its own, and plays under one: "
            f"--hint '{sentence}' (in a team's file, hint: ...)"
        )
    return spec


def open_team(settings: Mapping[str, Any], agents: Sequence[str]) -> dict[str, Policy]:
    """The policies in the seats. Raises ValueError for settings of no team, UnknownName for an unknown policy."""
    from optima_agents.team import make_team

    return make_team(settings, agents)


def asked_team(path: Path, policy: str | None) -> dict[str, Any]:
    """The team in a file or a folder; ``policy`` moves a folder's team onto another backend."""
    from optima_agents.team_file import on_backend, read_team

    try:
        team = read_team(path)
        if policy and path.is_dir():
            return on_backend(team, policy)
    except ValueError as err:
        raise UserError(str(err)) from None
    if policy and "policy" in team:
        raise UserError(f"--policy {policy} and the policy {team['policy']} in {path}: leave one of them out")
    return team


def hint_text(name: str | None) -> str | None:
    """The hint called ``name``, or a sentence as it is. Raises UserError with the known names."""
    if name is None or " " in name.strip():
        return name
    from optima_agents.formats import FORMATS

    if name not in FORMATS:
        raise UserError(f"no format {name!r}; known: {', '.join(sorted(FORMATS))}")
    return FORMATS[name].hint
