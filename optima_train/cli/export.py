"""Export an environment, or a run, as a finished folder for a hub.

An environment becomes a package for verifiers (and prime-rl), a server for OpenEnv, or a data set with its card; a run
becomes a model and a data set of its dialogues, each with its card. Nothing is uploaded: the command that does it is
printed, and it uses your own account.

--scores N plays N held-out instances with a team that knows nothing and with the embedded model, for the card.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..run.layout import RunDirectory
from . import UserError
from .arguments import pairs

EXAMPLE = "optima export twohop-asym --to verifiers exported/twohop"
KINDS = ("verifiers", "openenv", "hf")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="ENV|RUN", help="an environment's id, or a run directory")
    parser.add_argument("settings", nargs="*", default=[], metavar="key=value", help="settings of the environment")
    parser.add_argument("--to", required=True, choices=KINDS, help="for whom")
    parser.add_argument("--out", type=Path, help="the folder to write, a new one (or name it last)")
    parser.add_argument(
        "--scores", type=int, default=20, metavar="N", help="instances behind the card's scores (default 20)"
    )
    parser.add_argument("--rows", type=int, default=1_000, help="hf: instances of each split of a generated world")
    parser.add_argument("--iteration", type=int, help="of a run: the model after it (default: the last)")


def run(args: argparse.Namespace) -> int:
    settings, out = _split(args)
    if RunDirectory(Path(args.what)).exists():
        from ..hubs.run_cards import run_to_hf

        if args.to != "hf" or settings:
            raise UserError(f"{args.what} is a run: it is exported with --to hf, without settings")
        told = run_to_hf(Path(args.what), out, args.iteration)
    else:
        told = _environment(args, pairs(settings), out)
    print(f"{out}\nnext: {told}")
    return 0


def _split(args: argparse.Namespace) -> tuple[list[str], Path]:
    """The settings, and the folder: named by --out, or the one argument that is no key=value."""
    settings = [text for text in args.settings if "=" in text]
    folders = [Path(text) for text in args.settings if "=" not in text]
    folders += [args.out] if args.out else []
    if len(folders) != 1:
        raise UserError("name one folder to write, such as exported/twohop")
    return settings, folders[0]


def _environment(args: argparse.Namespace, settings: dict[str, Any], out: Path) -> str:
    from ..hubs.dataset import to_hf
    from ..hubs.environment import KINDS as PACKAGES
    from ..hubs.package import Package, write_files
    from ..hubs.scores import scores

    try:
        package = Package(args.what, settings)
    except TypeError as err:  # how scenario() names a setting that nobody takes
        raise UserError(str(err)) from err
    write_files(out, {})  # a folder that is not new is refused before anything is played
    package = Package(args.what, settings, scores(package.spec.id, package.settings, args.scores))
    return to_hf(package, out, args.rows) if args.to == "hf" else PACKAGES[args.to](package, out)
