"""Validate a data file for an environment.

Every row is read, split and scored against itself; oddities are counted.
"""

from __future__ import annotations

import argparse

EXAMPLE = "optima data check 2wmh-asym --data dev.parquet"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("check",))
    parser.add_argument("env", help="environment id, such as 2wmh-asym")
    parser.add_argument("--data", required=True, help="the file (jsonl, json, parquet)")


def run(args: argparse.Namespace) -> int:
    from optima_envs.checks.datacheck import check

    report = check(args.env, args.data)
    print(report)
    return 0 if report.ok else 1
