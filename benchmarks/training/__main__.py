"""Training methods side by side: labelled recipes times seeds, each a resumable run, and one table over all of them.

``python -m benchmarks.training benchmarks/configs/methods.yaml`` goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field
from rich.console import Console

from optima_train.cli.watch import Watch
from optima_train.config import loading as recipes
from optima_train.config.settings import Settings, TrainConfig
from optima_train.loop.experiment import Experiment
from optima_train.run.stage import StageError

from .table import Targets, summarise, write_tables

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Entry(Settings):
    """One row of the comparison: a recipe and what differs from it."""

    recipe: str
    overrides: tuple[str, ...] = ()


class Comparison(Settings):
    """The file: labelled recipes, the seeds each is run with, and what every one of them should reach."""

    runs: Annotated[dict[Label, Entry], Field(min_length=1)]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)
    targets: Targets = Targets()


@dataclass(frozen=True, slots=True)
class Run:
    """One recipe with one seed, in its own directory."""

    label: str
    seed: int
    config: TrainConfig
    directory: Path


def main(argv: Sequence[str] | None = None) -> int:
    """Do what is missing, write the table; 0 when every run is finished and every target is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("comparison", type=Path, help="YAML file, such as benchmarks/configs/methods.yaml")
    parser.add_argument("--out", type=Path, help="directory of the runs and the table (default runs/NAME of the file)")
    parser.add_argument("--only", action="append", metavar="LABEL", help="run this label alone (may be repeated)")
    parser.add_argument("--seeds", help="such as 0,1 (default: the file's)")
    parser.add_argument("--table", action="store_true", help="run nothing, write the table of what is there")
    parser.add_argument("--no-reuse", action="store_true", help="compute stages that another run has done alike again")
    args = parser.parse_args(argv)
    console, out = Console(), args.out or Path("runs") / args.comparison.stem
    try:
        comparison = recipes.check(recipes.read(args.comparison), Comparison)
        runs = list(planned(comparison, out, args.only or (), args.seeds))
    except (ValueError, OSError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    failed = {} if args.table else play(console, runs, reuse=not args.no_reuse)
    everything = list(planned(comparison, out, (), args.seeds))
    rows, missing = summarise([(run.label, run.seed, run.directory) for run in everything], failed)
    lines = write_tables(out, rows, missing, comparison.targets)
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    return int(bool(missing) or not all(row["met"] for row in rows if row["final"]))


def planned(comparison: Comparison, out: Path, only: Sequence[str], seeds: str | None) -> Iterator[Run]:
    """The runs, seed by seed, so that early tables hold every method. Raises ValueError for a label or seed."""
    unknown = sorted(set(only) - comparison.runs.keys())
    if unknown:
        raise ValueError(f"no run {', '.join(unknown)}; known: {', '.join(comparison.runs)}")
    chosen = comparison.seeds if seeds is None else tuple(int(seed) for seed in seeds.split(","))
    for seed in chosen:
        for label, entry in comparison.runs.items():
            if not only or label in only:
                config = recipes.load(entry.recipe, [*entry.overrides, f"seed={seed}"])
                yield Run(label, seed, config, out / label / f"seed{seed}")


def play(console: Console, runs: Sequence[Run], *, reuse: bool) -> dict[tuple[str, int], str]:
    """Finish every run; a failed one is reported and the others go on. Returns why each failed run failed."""
    failed = {}
    for number, run in enumerate(runs, 1):
        console.rule(f"{number}/{len(runs)}: {run.label}, seed {run.seed}")
        sources = sorted(run.directory.parent.parent.glob(f"*/seed{run.seed}")) if reuse else []
        started = time.monotonic()
        try:
            with Watch(console) as watch:
                experiment = Experiment(run.config, run.directory, [d for d in sources if d != run.directory])
                experiment.run(progress=watch)
        except (StageError, ValueError) as err:
            failed[run.label, run.seed] = str(err)
            console.print(f"failed: {err}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"{time.monotonic() - started:.0f} s")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
