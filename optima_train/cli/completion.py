"""Print a script that completes verbs and options in a shell: bash, zsh or tcsh.

For bash: eval "$(optima completion bash)", or the output in ~/.local/share/bash-completion/completions/optima.
For zsh: the output in a file _optima in a folder of $fpath.
"""

from __future__ import annotations

import argparse

EXAMPLE = "optima completion bash"
SHELLS = ("bash", "zsh", "tcsh")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(whole(), shell=args.shell))
    return 0


def whole() -> argparse.ArgumentParser:
    """One parser with every verb as a subcommand, as the completion script wants it."""
    from .verbs import VERBS, added, described, module_of, parser_of

    parser = argparse.ArgumentParser(prog="optima", add_help=True)
    parsers = parser.add_subparsers()
    for verb in (*VERBS, *added()):
        try:
            command = module_of(verb)
        except Exception:  # a broken package must not take the others down  # noqa: S112
            continue
        own = parser_of(verb, command)
        parsers.add_parser(verb, parents=[own], add_help=False, help=described(command)[0].replace("%", "%%"))
    return parser
