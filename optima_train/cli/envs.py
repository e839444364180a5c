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
    """The data sheet and the settings, then one instance as each agent sees it."""
    import optima_envs
    from optima_envs import printable

    row = optima_envs.spec(env)
    sheet = row.sheet
    print(f"{row.id}\n  {sheet.summary}\n  source   {sheet.source}\n  licence  {sheet.licence}")
    for name, fact in (("paper", sheet.paper), ("evaluate", sheet.evaluation)):
        if fact:
            print(f"  {name:<8} {fact}")
    if sheet.splits:
        print("  splits   " + ", ".join(f"{name} {size:,}" for name, size in sheet.splits.items()))
    print(f"  metric   {row.metric}{f': {sheet.metric}' if sheet.metric else ''}")
    for name, facts in (("note", sheet.notes), ("version", sheet.history)):
        print("".join(f"  {name:<8} {fact}\n" for fact in facts), end="")
    print("  settings (key=value; --data FILE)\n" + settings(env))
    scene = open_scenario(env, given)
    print(f"  agents   {', '.join(scene.rules.agents)}\n  turns    at most {scene.rules.max_turns}")
    print(f"  split    {scene.task.split}, {len(scene.task)} instances")
    inst = scene.task[0]
    print(f"\ninstance {printable(inst.id, lines=False)}\n  question {indented(inst.question)}")
    print(f"  accepted {' | '.join(printable(answer, lines=False) for answer in inst.answers)}")
    for agent, text in inst.private.items():
        print(f"\n  only {printable(agent, lines=False)} sees:\n    {indented(text)}")
    return 0


def settings(env: str) -> str:
    """The settings an environment takes, a line each: name, default, meaning."""
    import optima_envs

    rows = [
        (item.name, "must be given" if item.default is item.empty else f"{item.default!r}", item.meaning)
        for item in optima_envs.settings(env)
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"    {name:<{widths[0]}}  {default:<{widths[1]}}  {why}".rstrip() for name, default, why in rows)


def indented(text: str) -> str:
    """``text`` for a terminal, its later lines under its first."""
    from optima_envs import printable

    return printable(text).replace("\n", "\n    ")


def check(env: str, given: dict[str, Any]) -> int:
    """Our conformance kit. Raises what it finds wrong."""
    import optima_envs

    name = open_scenario(env, given).id
    print(f"{name}: passed {', '.join(optima_envs.check_env(name, **given))}")
    return 0
