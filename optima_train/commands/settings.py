"""Arguments that several verbs share: an environment's ``key=value`` settings, and the policy in the seats."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import UserError

if TYPE_CHECKING:
    from optima_agents import Policy
    from optima_envs import Scenario

POLICY_HELP = "hf:tiny, hf:FOLDER, random, scripted:TEXT, human, ... (default hf:tiny)"


def env_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("env", help="environment id, such as twohop-asym (optima envs lists them)")
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="settings of the environment, such as distractors=4"
    )
    parser.add_argument("--data", help="local data file (jsonl, json, parquet) instead of the hub")
    parser.add_argument("--split", help="split of the data (default: the environment's)")
    parser.add_argument("--max-turns", type=int, help="turn limit")
    parser.add_argument("--token-budget", type=int, help="limit on sampled tokens per dialogue")


def policy_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--policy", default="hf:tiny", help=POLICY_HELP)
    parser.add_argument("--hint", help="a format hint in the prompt, by its name in optima_agents.formats")
    parser.add_argument("--max-tokens", type=int, default=128, help="tokens per turn, at most (default 128)")
    parser.add_argument("--concurrency", type=int, default=64, help="dialogues in flight (default 64)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def asked_scenario(args: argparse.Namespace) -> Scenario:
    """The scenario that ``env_arguments`` describe."""
    given = {"data": args.data, "split": args.split, "max_turns": args.max_turns, "token_budget": args.token_budget}
    return open_scenario(args.env, {**given, **pairs(args.settings)})


def open_scenario(env: str, given: dict[str, Any]) -> Scenario:
    """The scenario ``env`` with its settings. Raises UserError for a setting it does not take."""
    from optima_envs import scenario

    try:
        return scenario(env, **{key: value for key, value in given.items() if value is not None})
    except TypeError as err:  # how scenario() names a setting that nobody takes
        raise UserError(str(err)) from err


def pairs(settings: Sequence[str]) -> dict[str, Any]:
    """``["a=1", "b=x"]`` gives ``{"a": 1, "b": "x"}``; values are read as YAML."""
    import yaml

    found: dict[str, Any] = {}
    for item in settings:
        key, equals, value = item.partition("=")
        if not equals or not key.isidentifier():
            raise UserError(f"{item!r} is not of the form key=value")
        found[key] = yaml.safe_load(value)
    return found


def open_policy(args: argparse.Namespace, temperature: float) -> Policy:
    """The policy for every seat. Raises UnknownName for one that is not known."""
    from optima_agents import make_policy
    from optima_agents.backends.base import Sampling
    from optima_agents.making import BACKENDS

    if args.policy.partition(":")[0] not in BACKENDS:
        if args.hint:
            raise UserError(f"--hint speaks to a language model; {args.policy} is none")
        return make_policy(args.policy)
    return make_policy(
        args.policy, sampling=Sampling(temperature, max_tokens=args.max_tokens), hint=hint_text(args.hint)
    )


def hint_text(name: str | None) -> str | None:
    """The hint called ``name``. Raises UserError with the known names."""
    if name is None:
        return None
    from optima_agents.formats import FORMATS

    if name not in FORMATS:
        raise UserError(f"no format {name!r}; known: {', '.join(sorted(FORMATS))}")
    return FORMATS[name]
