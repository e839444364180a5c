"""Print the version."""

from __future__ import annotations

import argparse

EXAMPLE = "optima version"


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(args: argparse.Namespace) -> int:
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(f"optima-marl {version('optima-marl')}")
    except PackageNotFoundError:
        print("optima-marl (source tree, not installed)")
    return 0
