"""Read, show, write, check and mix trajectories; validate a data file.

``check`` of an environment takes its file as ``--data``: every row is read, split and scored against itself.

    optima data read nat FILE... --questions Q --out episodes.jsonl
    optima data show episodes.jsonl db_12
    optima data show agentinstruct FILE... --id db_12
    optima data write trl-prompt episodes.jsonl --out sft.jsonl
    optima data check agentinstruct FILE...
    optima data check 2wmh-asym --data dev.parquet
    optima data mix agent.jsonl=0.2 general.jsonl=0.8 --rows 2000 --out mixed.jsonl
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import UserError
from .arguments import pairs

if TYPE_CHECKING:
    from optima_envs.records import Episode

    from ..trajectories.pipeline import Item

SHOWN = 3

EXAMPLE = "optima data check 2wmh-asym --data dev.parquet"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("read", "show", "write", "check", "mix"))
    parser.add_argument("what", help="a layout (see docs/trajectories.md), an environment, or for mix FILE=WEIGHT")
    parser.add_argument("files", nargs="*", help="the files (jsonl, json, csv, parquet)")
    parser.add_argument("--data", help="check an environment: the file (jsonl, json, parquet)")
    parser.add_argument("--out", type=Path, help="file to write (jsonl, json, csv, parquet)")
    parser.add_argument("--dropped", type=Path, help="also write the rows left out, with reasons (jsonl)")
    parser.add_argument("--option", action="append", default=[], metavar="key=value", help="of the reader or writer")
    parser.add_argument("--questions", help="the same as --option questions=FILE (nat)")
    parser.add_argument("--from", dest="source", default="optima", help="write: the layout read (default: our own log)")
    parser.add_argument(
        "--step", action="append", default=[], help="a step, such as dedupe or 'keep: {min_score: 1.0}'"
    )
    parser.add_argument("--id", help="show: only the trajectory of that id")
    parser.add_argument("-n", type=int, default=SHOWN, help=f"show: how many (default {SHOWN})")
    parser.add_argument("--model", default="tiny", help="show: whose tokenizer and template mark the tokens")
    parser.add_argument("--rows", type=int, help="mix: rows to draw (default: all there are)")
    parser.add_argument("--seed", type=int, default=0, help="mix: of the order inside each file")


def run(args: argparse.Namespace) -> int:
    if args.action == "mix":
        return mix(args)
    if args.action == "check" and args.data:
        return check_environment(args.what, args.data)
    if args.action == "show" and Path(args.what).is_file():  # our own log, and perhaps an id
        args.id = args.files[0] if args.files else args.id
        args.what, args.files = args.source, [args.what]
    if not args.files:
        raise UserError(f"optima data {args.action} {args.what} needs files (or, to check an environment, --data)")
    try:
        return {"read": read, "show": show, "write": write, "check": check}[args.action](args)
    except TypeError as err:  # an option that a reader, writer or step does not take
        raise UserError(str(err)) from err


def check_environment(env: str, data: str) -> int:
    from optima_envs.checks.datacheck import check as check_data

    report = check_data(env, data)
    print(report)
    return 0 if report.ok else 1


def options(args: argparse.Namespace) -> dict[str, Any]:
    return pairs(args.option) | ({"questions": args.questions} if args.questions else {})


def stream(args: argparse.Namespace, layout: str, given: dict[str, Any]) -> Iterator[Item]:
    """What the files hold, taken through the steps asked for."""
    from optima_envs.documents import load_yaml

    from ..trajectories import make_steps, run_steps
    from ..trajectories import read as read_files

    chosen = make_steps(load_yaml(step) for step in args.step)
    return run_steps(chosen, read_files(layout, args.files, **given))


class Count:
    """Counts what goes through, and writes what is dropped."""

    def __init__(self, dropped: Path | None) -> None:
        self.kept = self.turns = self.learned = 0
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.notes: Counter[str] = Counter()
        self._path = dropped

    def kept_of(self, items: Iterator[Item]) -> Iterator[Episode]:
        import json

        from ..trajectories import Dropped
        from ..trajectories.transcript import trained

        with self._path.open("w", encoding="utf-8") if self._path else nullcontext() as file:
            for item in items:
                if isinstance(item, Dropped):
                    self.reasons[item.reason] += 1
                    self.examples.setdefault(item.reason, f"{item.file} row {item.row} {item.id}".strip())
                    if file:
                        file.write(json.dumps(item.to_json()) + "\n")
                    continue
                self.kept += 1
                self.turns += len(item.turns)
                self.learned += len(trained(item))
                self.notes.update([str(item.info["note"])] if "note" in item.info else [])
                self.notes.update(["an id that came before"] if "repeats" in item.info else [])
                self.notes.update(item.info.get("flags", ()))
                yield item

    def lines(self) -> Iterator[str]:
        rows = self.kept + self.reasons.total()
        yield f"{rows:,} rows: {self.kept:,} kept, {self.reasons.total():,} dropped"
        yield f"{self.turns:,} turns, {self.learned:,} with loss"
        yield from (
            f"  dropped {count:,}: {reason} ({self.examples[reason]})" for reason, count in self.reasons.most_common()
        )
        yield from (f"  noted {count:,}: {note}" for note, count in self.notes.most_common())


def read(args: argparse.Namespace) -> int:
    """Into an episode log, and what was dropped."""
    from ..trajectories import write as rows
    from ..trajectories import write_file

    count = Count(args.dropped)
    kept = count.kept_of(stream(args, args.what, options(args)))
    if args.out:
        write_file(args.out, (row.to_json() if hasattr(row, "to_json") else row for row in rows("optima", kept)))
    else:
        for _ in kept:
            pass
    print("\n".join(count.lines()))
    if args.out:
        print(f"episodes in {args.out}")
    return 0 if count.kept else 1


def check(args: argparse.Namespace) -> int:
    """Read and write back every row: what is kept, what is dropped, what would be lost."""
    from ..trajectories.registry import WRITERS, make, row_of

    count = Count(args.dropped)
    writer = make(WRITERS, args.what, {}) if args.what in WRITERS else None
    unwritten: Counter[str] = Counter()
    for item in count.kept_of(stream(args, args.what, options(args))):
        if writer is not None:
            try:
                row_of(args.what, item, writer)
            except ValueError as err:
                unwritten[str(err)] += 1
    print("\n".join(count.lines()))
    print("\n".join(f"  cannot be written back {n:,}: {why}" for why, n in unwritten.items()), end="")
    return 1 if count.reasons or unwritten or not count.kept else 0


def show(args: argparse.Namespace) -> int:
    """As chat, with the tokens that are trained on marked."""
    from rich.console import Console
    from rich.text import Text

    from ..trajectories.rows import Tokeniser
    from ..trajectories.show import pieces, plain

    console, count = Console(), Count(args.dropped)
    tokeniser = Tokeniser(args.model)
    shown = 0
    for item in count.kept_of(stream(args, args.what, options(args))):
        if args.id is not None and item.instance.id != args.id:
            continue
        if console.is_terminal:
            console.print(Text.assemble(*((text, "reverse" if mark else "") for text, mark in pieces(item, tokeniser))))
        else:
            print(plain(item, tokeniser))
        shown += 1
        if shown == args.n:
            break
    if not shown:
        print("\n".join(count.lines()))
        raise UserError(f"no trajectory {args.id!r} in {', '.join(args.files)}" if args.id else "no trajectory to show")
    return 0


def write(args: argparse.Namespace) -> int:
    """Episodes in another layout; what it cannot hold is dropped and counted."""
    from ..trajectories import Dropped, write_file
    from ..trajectories import write as rows

    if args.out is None:
        raise UserError("optima data write needs --out FILE")
    count, refused = Count(args.dropped), Counter[str]()

    def written() -> Iterator[Any]:
        given = pairs(args.option)
        for row in rows(args.what, count.kept_of(stream(args, args.source, {})), **given):
            if isinstance(row, Dropped):
                refused[row.reason] += 1
            else:
                yield row

    number = write_file(args.out, written())
    print("\n".join(count.lines()))
    print(
        "".join(f"  not written {n:,}: {why}\n" for why, n in refused.most_common()) + f"{number:,} rows in {args.out}"
    )
    return 0 if number else 1


def mix(args: argparse.Namespace) -> int:
    """Lines of several files in exact shares."""
    from ..run.files import replacing
    from ..trajectories.mixture import Lines, Mixture

    weights: dict[str, float] = {}
    for item in [args.what, *args.files]:
        name, equals, weight = item.rpartition("=")
        try:
            weights[name] = float(weight)
        except ValueError:
            equals = ""
        if not equals:
            raise UserError(f"{item!r} is not of the form FILE=WEIGHT")
    if args.out is None:
        raise UserError("optima data mix needs --out FILE")
    sources = {name: Lines(Path(name)) for name, weight in weights.items() if weight}
    sizes = {name: len(lines) for name, lines in sources.items()}
    mixture = Mixture(sizes, weights, args.seed)
    total = args.rows or sum(sizes.values())
    drawn: Counter[str] = Counter()
    with replacing(args.out) as out:
        for draw in mixture.draws(total):
            out.write(sources[draw.source][draw.row].decode("utf-8"))
            drawn[draw.source] += 1
    repeats = mixture.repeats(total)
    for name in mixture.names:
        print(f"{name}: {drawn[name]:,} of {total:,} rows ({drawn[name] / total:.1%}), {repeats[name]:,} repeated")
    return 0
