"""What a log of dialogues is of: environment, team, data and model weights, so that no other ones are mixed into it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.digests import digest
from .model_paths import model_path, texts

if TYPE_CHECKING:
    from optima_envs import Scenario

SECRET = re.compile(r"(^|[_-])(api_?key|token|secret|password|auth\w*|credentials?)$", re.IGNORECASE)
FREE = ("cache",)  # where completions are kept changes none of them


def holds(args: argparse.Namespace, scenario: Scenario, team: Mapping[str, Any]) -> dict[str, Any]:
    """Plain JSON for ``EpisodeLog``: the full id and arguments of the environment, digests of a local data file or
    folder, the team's settings without secrets, and digests of its local models and adapters."""
    given = {"split": scenario.task.split, "max_turns": args.max_turns, "token_budget": args.token_budget}
    named = {key: value for key, value in given.items() if value is not None}
    settings = {key: plain(value) for key, value in sorted({**named, **pairs_of(args)}.items())}
    local = sorted({text for text in texts(team) if (path := model_path(text)) is not None and path.exists()})
    return {
        "env": scenario.id,
        "settings": settings,
        "data": None if args.data is None else digest(Path(args.data)) if Path(args.data).exists() else args.data,
        "team": plain({key: value for key, value in team.items() if key not in FREE}),
        "models": {text: digest(path) for text in local if (path := model_path(text)) is not None},
    }


def pairs_of(args: argparse.Namespace) -> dict[str, Any]:
    """The environment's ``key=value`` settings."""
    from .arguments import pairs

    return pairs(args.settings)


def plain(value: Any, name: str = "") -> Any:
    """A setting as JSON; a secret is hidden."""
    if isinstance(value, Mapping):
        return {str(key): plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if SECRET.search(name) and value is not None:
        return "[hidden]"
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
