"""The ``optima`` command: one verb per file in this folder, imported only when called.

Other packages add verbs through the entry-point group ``optima.commands``: a module like those here whose
docstring's first line says what it does and whose ``EXAMPLE`` is one command line.

Exit codes: 0 done, 2 what the user asked for cannot be done as asked, 1 it failed, 130 interrupted. Errors are one
line on stderr; ``--debug`` shows the traceback.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import NoReturn

from . import UserError

# verb -> (module, what it does, an example)
VERBS = {
    "quickstart": ("quickstart", "the whole loop on the embedded world and model", "optima quickstart"),
    "train": ("train", "train a team by a recipe", "optima train 2wmh-isft model=Qwen/Qwen3-8B"),
    "resume": ("resume", "resume an interrupted run", "optima resume runs/2wmh-isft"),
    "rollout": ("rollout", "sample dialogues", "optima rollout twohop-asym --policy hf:tiny --episodes 5 --show 2"),
    "eval": (
        "evaluation",
        "score a policy, greedy, with an interval",
        "optima eval twohop-asym --policy hf:tiny -n 100",
    ),
    "compare": ("compare", "two teams on the same instances", "optima compare runs/a runs/b"),
    "report": ("report", "write a run's report.html again", "optima report runs/quickstart"),
    "envs": ("envs", "list, show or check environments", "optima envs show twohop-asym"),
    "play": ("play", "take a seat in a dialogue yourself", "optima play twohop-asym"),
    "data": ("data", "validate a data file", "optima data check 2wmh-asym --data dev.parquet"),
    "doctor": ("doctor", "what is installed, what is missing, how to get it", "optima doctor"),
    "version": ("version", "print the version", "optima version"),
}


class Parser(argparse.ArgumentParser):
    """Argument errors in one line, like all others."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    verb = "version" if args[0] in ("--version", "-V") else args[0]
    debug = "--debug" in args
    try:
        if verb not in VERBS and verb not in (others := added()):
            near = difflib.get_close_matches(verb, [*VERBS, *others], n=1)
            raise UserError(f"no verb {verb!r}; " + (f"did you mean {near[0]}?" if near else "see optima --help"))
        return run(verb, [arg for arg in args[1:] if arg != "--debug"])
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as err:
        if debug:
            raise
        return explain(err)


def run(verb: str, args: Sequence[str]) -> int:
    """Parse a verb's arguments and do it."""
    if verb in VERBS:
        name, summary, example = VERBS[verb]
        command = importlib.import_module(f".{name}", __package__)
    else:
        command = added()[verb].load()
        summary, example = described(command)
    parser = Parser(
        prog=f"optima {verb}",
        description=(command.__doc__ or summary).strip(),
        epilog=f"example:\n  {example}\n\n--debug shows a traceback when something fails",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.arguments(parser)
    return command.run(parser.parse_intermixed_args(args)) or 0


def added() -> dict[str, EntryPoint]:
    """Verbs of installed packages, by name; a built-in verb cannot be replaced."""
    return {point.name: point for point in entry_points(group="optima.commands") if point.name not in VERBS}


def described(command: ModuleType) -> tuple[str, str]:
    """(what it does, an example) of an added verb."""
    return (command.__doc__ or "").strip().partition("\n")[0].rstrip("."), getattr(command, "EXAMPLE", "")


def overview() -> str:
    """What ``optima --help`` prints."""
    rows = {verb: (summary, example) for verb, (_, summary, example) in VERBS.items()}
    for verb, point in added().items():
        try:
            rows[verb] = described(point.load())
        except Exception as err:  # a broken package must not take the others down
            rows[verb] = (f"({point.value} cannot be imported: {err})", "")
    lines = ["usage: optima VERB ...        optima VERB --help explains one", ""]
    lines += [f"  {verb:<11} {summary}" for verb, (summary, _) in rows.items()]
    lines += ["", "examples:"] + [f"  {example}" for _, example in rows.values() if example]
    return "\n".join(lines)


def explain(err: Exception) -> int:
    """One line on stderr; the exit code says whose turn it is to act."""
    from optima_envs.registry import UnknownName

    asked = isinstance(err, (UserError, UnknownName, ValueError, OSError, ImportError))
    text = " ".join(str(err).split()) or type(err).__name__
    known = asked or type(err).__module__.startswith("optima_")
    print(f"error: {text if known else f'{type(err).__name__}: {text} (--debug shows where)'}", file=sys.stderr)
    return 2 if asked else 1
