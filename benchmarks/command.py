"""compare methods on the same instances: tables, plots and a page

A suite is a YAML file (methods, environments, models, seeds; benchmarks/configs has some), with settings on top, or is
described by --env, --method and --model. The same command goes on where it stopped; a method whose code was edited
since is played again, as is every one named by --again. The exit code is 1 when cells are missing, or when every
episode of a method failed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_train.cli import UserError
from optima_train.cli.arguments import workers_argument
from optima_train.cli.verbs import RESUMES

if TYPE_CHECKING:
    from rich.console import Console

    from .suite.cells import Plan
    from .suite.settings import Suite

EXAMPLE = "optima bench --env twohop-asym --method cot --method dialogue --model hf:tiny -n 50"
AFTER_INTERRUPT = RESUMES
METHODS, MODEL = ("cot", "dialogue"), "hf:tiny"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", nargs="*", metavar="SUITE a.b=c", help="YAML file or packaged suite, and settings")
    parser.add_argument("--env", action="append", default=[], help="environment id (without a file; may be repeated)")
    parser.add_argument("--method", action="append", default=[], help=f"baseline (default {' and '.join(METHODS)})")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        help=f"backend:name (default {MODEL}); with a file, one for all that play untrained or are trained",
    )
    parser.add_argument("-n", "--instances", type=int, help="instances of each environment")
    parser.add_argument("--seeds", help="such as 0,1,2")
    parser.add_argument("--out", type=Path, help="directory (default runs/bench/NAME)")
    parser.add_argument("--only", action="append", default=[], metavar="LABEL", help="play these methods alone now")
    parser.add_argument("--again", action="append", default=[], metavar="LABEL", help="play these methods anew")
    workers_argument(parser)
    parser.add_argument("--dry-run", action="store_true", help="print settings and cells, play nothing")
    parser.add_argument("--no-report", action="store_true", help="write results.json and summary.json alone")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from optima_agents.workers.opening import check_workers
    from optima_train.cli.watch import Watch

    from .one_call import play
    from .suite.planning import plan
    from .suite.running import LEFT_OUT

    files = [Path(text) for text in args.suite if Path(text).is_file()]
    folders = [str(file.resolve().parent) for file in files]
    planned = plan(asked_suite(args), folders)
    refuse_unknown([*args.only, *args.again], planned)
    out = args.out or Path("runs") / "bench" / planned.suite.name
    if args.dry_run:
        return show_plan(planned, out)
    if args.workers is not None:
        check_workers(args.workers)
    with Watch(Console(stderr=True)) as watch:
        chosen = {"only": args.only, "again": args.again}
        far = {"workers": args.workers, "folders": folders}
        summary = play(planned, out, page=not args.no_report, report=watch, **chosen, **far)
    show(Console(), summary, out)
    unfinished = any(entry["reason"] != LEFT_OUT for entry in summary["missing"])
    return int(unfinished or any(row["failures"] == row["episodes"] for row in summary["rows"]))


def asked_suite(args: argparse.Namespace) -> Suite:
    """The suite that the arguments name or describe. Raises UserError, ConfigError."""
    from .suite.settings import load_suite

    sources = [text for text in args.suite if "=" not in text]
    settings = [text for text in args.suite if "=" in text]
    on_top = {"instances": args.instances, "seeds": seeds(args.seeds)}
    settings += [f"{key}={value}" for key, value in on_top.items() if value is not None]
    if len(sources) > 1:
        raise UserError(f"one suite at a time, not {' and '.join(sources)}")
    if sources:
        if args.env or args.method or len(args.model) > 1:
            raise UserError(
                "--env, --method and several --model describe a suite of their own; with a file, set envs.0.id=... "
                "and the like, and choose methods by --only LABEL"
            )
        return load_suite(sources[0], settings, *args.model)
    if not args.env:
        raise UserError("name a suite (a YAML file), or describe one with --env; see optima bench --help")
    return described(args, settings)


def described(args: argparse.Namespace, settings: list[str]) -> Suite:
    """The suite of the command line alone; its models are called by their backends' names."""
    from optima_train.config.loading import assignment

    from .suite.settings import overridden, suite_of

    models = args.model or [MODEL]
    data: dict[str, Any] = {
        "name": "command-line",
        "envs": [{"id": env} for env in args.env],
        "methods": [{"name": method} for method in args.method or METHODS],
        "models": [{"label": label_of(model), "backend": model} for model in models],
        "sampling": {"max_tokens": 128},
    }
    for setting in settings:
        data = overridden(data, *assignment(setting))
    return suite_of(data)


def label_of(model: str) -> str:
    """A label for a backend's name that can be a folder: ``hf:tiny`` gives ``hf-tiny``."""
    import re

    return re.sub(r"[^\w.+=-]+", "-", model).strip("-") or "model"


def seeds(text: str | None) -> list[int] | None:
    """``"0,1,2"`` as numbers. Raises UserError."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"--seeds takes numbers such as 0,1,2, not {text!r}") from None


def refuse_unknown(labels: list[str], planned: Plan) -> None:
    """Raises UnknownName for a label that no cell has."""
    from optima_envs.registry import unknown_name

    known = {cell.label for cell in planned.cells}
    for label in labels:
        if label not in known:
            raise unknown_name("method in this suite", label, known)


def show_plan(planned: Plan, out: Path) -> int:
    """The resolved settings, and every cell with what there is of it already."""
    from optima_train.config.loading import dump

    from .suite.running import state

    print(dump(planned.suite))
    print(f"{len(planned.cells)} cells:")
    for cell in planned.cells:
        episodes = len(cell.arena.instances) * cell.samples
        block = f"  ({cell.block})" if cell.block != "fair" else ""
        print(f"  {cell.path}  {episodes} episodes{block}{state(planned, cell, out)}")
    for label, env, why in planned.skipped:
        print(f"  not played: {label} in {env}: it {why}")
    for model in planned.suite.models:
        if model.train is not None:
            print(f"trained first where needed: {model.label} by {model.train.recipe}")
    return 0


def show(console: Console, summary: dict[str, Any], out: Path) -> None:
    """The main table of each environment, what is missing, and where everything is."""
    from optima_train.report.tables import say

    from .report.printing import print_summary

    print_summary(console, summary)
    for name, what in (
        ("report.html", "tables, plots and every dialogue"),
        ("tables", "markdown, CSV and JSON"),
        ("plots", "PNG and SVG"),
        ("summary.json", "all numbers"),
    ):
        if (out / name).exists():
            say(console, f"{out / name}  {what}")
