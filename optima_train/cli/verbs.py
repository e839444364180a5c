"""The verbs: where each is, what its docstring says of it, and its arguments. Standard library only.

A verb is a module here, or of another package through the entry-point group ``optima.commands``: its docstring's first
line says what it does, ``EXAMPLE`` is one command line, ``arguments(parser)`` declares, ``run(args)`` does. It may also
have ``more_help() -> str``, printed at the end of its ``--help``, and ``AFTER_INTERRUPT``, what to do after Ctrl-C: a
text, or a function of the parsed arguments and the command line.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import NoReturn

from . import UserError

# verb -> module in this folder, in the order a newcomer meets them
VERBS = {
    "quickstart": "quickstart",
    "init": "init",
    "train": "train",
    "plan": "plan",
    "resume": "resume",
    "join": "join",
    "rollout": "rollout",
    "eval": "evaluation",
    "compare": "compare",
    "report": "report",
    "list": "listing",
    "envs": "envs",
    "play": "play",
    "serve": "serve",
    "export": "export",
    "data": "data",
    "models": "models",
    "config": "config",
    "doctor": "doctor",
    "completion": "completion",
    "version": "version",
}


RESUMES = "the same command resumes where it stopped"


class Parser(argparse.ArgumentParser):
    """Argument errors in one line, like all others."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def added() -> dict[str, EntryPoint]:
    """Verbs of installed packages, by name; a built-in verb cannot be replaced."""
    return {point.name: point for point in entry_points(group="optima.commands") if point.name not in VERBS}


def module_of(verb: str) -> ModuleType:
    """The module behind a verb. Raises UserError with the nearest one."""
    if verb in VERBS:
        return importlib.import_module(f".{VERBS[verb]}", __package__)
    others = added()
    if verb not in others:
        near = difflib.get_close_matches(verb, [*VERBS, *others], n=1)
        raise UserError(f"no verb {verb!r}; " + (f"did you mean {near[0]}?" if near else "see optima --help"))
    return others[verb].load()


def described(command: ModuleType) -> tuple[str, str]:
    """(what it does, an example) of a verb."""
    summary = (command.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return summary[:1].lower() + summary[1:], getattr(command, "EXAMPLE", "")


def parser_of(verb: str, command: ModuleType, *, full: bool = False) -> Parser:
    """The parser of a verb; ``full``: with all of its help."""
    summary, example = described(command)
    more = command.more_help() if full and hasattr(command, "more_help") else ""
    parser = Parser(
        prog=f"optima {verb}",
        description=(command.__doc__ or summary).strip(),
        epilog=f"example:\n  {example}\n\n--debug shows a traceback when something fails\n{more}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.arguments(parser)
    parser.add_argument(
        "--plugin", action="append", default=[], metavar="MODULE", help="import a module of yours first"
    )
    return parser


def overview() -> str:
    """What ``optima --help`` prints."""
    rows = {verb: described(module_of(verb)) for verb in VERBS}
    for verb, point in added().items():
        try:
            rows[verb] = described(point.load())
        except Exception as err:  # a broken package must not take the others down
            rows[verb] = (f"({point.value} cannot be imported: {err})", "")
    lines = ["usage: optima VERB ...        optima VERB --help explains one", ""]
    lines += [f"  {verb:<11} {summary}" for verb, (summary, _) in rows.items()]
    lines += ["", "examples:"] + [f"  {example}" for _, example in rows.values() if example]
    return "\n".join(lines)
