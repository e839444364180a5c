"""The ``optima`` command: one verb per file in this folder, imported only when called.

Exit codes: 0 done, 2 what the user asked for cannot be done as asked, 1 it failed, 130 interrupted, 143 terminated.
Errors are one line on stderr; ``--debug`` shows the traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from ..run.signals import ending_as_ctrl_c
from . import UserError
from .verbs import module_of, overview, parser_of

HELP = {"-h", "--help"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    args = [arg for arg in given if arg != "--debug"]
    came: list[int] = []
    try:
        with ending_as_ctrl_c() as came:
            code = run(args)
            sys.stdout.flush()  # here, where a reader that is gone is expected
            return code
    except KeyboardInterrupt as err:
        print("\n" + "; ".join(["interrupted", *map(str, err.args)]), file=sys.stderr)
        return 128 + (came[0] if came else signal.SIGINT)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as err:
        if len(args) < len(given):
            raise
        return explain(err)


def run(line: Sequence[str]) -> int:
    """Parse a command line and do it; an empty one asks for help."""
    verb, *args = line or ["help"]
    if verb in (*HELP, "help"):
        print(overview())
        return 0
    verb = "version" if verb in ("--version", "-V") else verb
    command = module_of(verb)
    parsed = parser_of(verb, command, full=not HELP.isdisjoint(args)).parse_intermixed_args(args)
    if parsed.plugin:
        from ..run.plugins import import_plugins

        import_plugins(parsed.plugin)
    try:
        return command.run(parsed) or 0
    except KeyboardInterrupt:
        hint = getattr(command, "AFTER_INTERRUPT", None)
        hint = hint(parsed, args) if callable(hint) else hint
        raise KeyboardInterrupt(*([hint] if hint else [])) from None


def explain(err: Exception) -> int:
    """One line on stderr; the exit code says whose turn it is to act."""
    from optima_envs.registry import UnknownName

    asked = isinstance(err, (UserError, UnknownName, ValueError, OSError, ImportError))
    text = " ".join(str(err).split()) or type(err).__name__
    known = asked or type(err).__module__.startswith("optima_")
    print(f"error: {text if known else f'{type(err).__name__}: {text} (--debug shows where)'}", file=sys.stderr)
    return 2 if asked else 1
