"""List, show or check environments.

show prints an environment's data sheet and an instance as each agent sees it; check runs the conformance checks.
"""

from __future__ import annotations

import argparse
from typing import Any

from . import UserError
from .arguments import open_scenario, pairs

EXAMPLE = "optima envs show twohop-asym"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", default="list", choices=("list", "show", "check"))
    parser.add_argument("env", nargs="?", help="environment id, such as twohop-asym")
    parser.add_argument("settings", nargs="*", default=[], metavar="key=value", help="settings of the environment")
    parser.add_argument("--data", help="local data file instead of the hub")


def run(args: argparse.Namespace) -> int:
    if args.action == "list":
        return list_all()
    if args.env is None:
        raise UserError(f"optima envs {args.action} needs an environment id; optima envs lists them")
    given = pairs(args.settings) | ({"data": args.data} if args.data else {})
    return show(args.env, given) if args.action == "show" else check(args.env, given)


def list_all() -> int:
    """Every registered id with its summary."""
    from rich.console import Console
    from rich.table import Table

    import optima_envs

    table = Table(box=None, pad_edge=False)
    for heading in ("id", "metric", "what it is"):
        table.add_column(heading, overflow="fold")
    for name in optima_envs.list_envs():
        row = optima_envs.spec(name)
        table.add_row(name, row.metric, row.sheet.summary)
    Console().print(table)
    return 0


def show(env: str, given: dict[str, Any]) -> int:
    """The data sheet, then one instance as each agent sees it."""
    import optima_envs
    from optima_envs.adapters.render import printable

    row = optima_envs.spec(env)
    print(f"{row.id}\n  {row.sheet.summary}\n  source   {row.sheet.source}\n  licence  {row.sheet.licence}")
    for name, fact in (("paper", row.sheet.paper), ("evaluate", row.sheet.evaluation)):
        if fact:
            print(f"  {name:<8} {fact}")
    if row.sheet.splits:
        print("  splits   " + ", ".join(f"{name} {size:,}" for name, size in row.sheet.splits.items()))
    print(f"  metric   {row.metric}\n  defaults {dict(row.defaults) or 'none'}")
    print("\n".join(f"  version  {line}" for line in row.sheet.history))
    scene = open_scenario(env, given)
    print(f"  agents   {', '.join(scene.rules.agents)}\n  turns    at most {scene.rules.max_turns}")
    print(f"  split    {scene.task.split}, {len(scene.task)} instances")
    inst = scene.task[0]
    print(f"\ninstance {inst.id}\n  question {printable(inst.question)}")
    print(f"  accepted {' | '.join(map(printable, inst.answers))}")
    for agent, text in inst.private.items():
        print(f"\n  only {agent} sees:\n    " + printable(text).replace("\n", "\n    "))
    return 0


def check(env: str, given: dict[str, Any]) -> int:
    """Our conformance kit. Raises what it finds wrong."""
    import optima_envs

    name = open_scenario(env, given).id
    print(f"{name}: passed {', '.join(optima_envs.check_env(name, **given))}")
    return 0
