"""Train a team by a recipe.

A recipe is a YAML file or the name of a packaged one (optima list recipes); settings a.b=c come on top. The same
command resumes an interrupted run, and shows the results of a finished one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..run.layout import RunDirectory, StageDirectory
from . import UserError
from .verbs import RESUMES

if TYPE_CHECKING:
    from rich.console import Console

    from ..config.settings import TrainConfig

EXAMPLE = "optima train 2wmh-isft model=Qwen/Qwen3-8B"
AFTER_INTERRUPT = RESUMES


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="YAML file or packaged recipe, such as quickstart or 2wmh-isft")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="a.b=c", help="settings, such as model=Qwen/Qwen3-8B"
    )
    place(parser, "runs/NAME")
    parser.add_argument(
        "--part", action="append", default=[], metavar="PART", help="lay this over the recipe: 8b-1gpu, 8b-8gpu, a file"
    )
    parser.add_argument(
        "--reuse",
        action="append",
        default=[],
        type=Path,
        metavar="RUN",
        help="take over what this run has done alike: other settings of selection or training sample nothing again",
    )
    parser.add_argument("--dry-run", action="store_true", help="print settings, steps and estimates, run nothing")
    parser.add_argument(
        "--device-flops", type=float, help="of --dry-run: the device's bf16 FLOP/s (default: this GPU's)"
    )
    parser.add_argument("--devices", type=int, help="of --dry-run: how many devices (default: this machine's GPUs)")
    parser.add_argument("--dialogue-tokens", type=int, help="of --dry-run: tokens sampled per dialogue (default 250)")
    parser.add_argument("--prompt-tokens", type=int, help="of --dry-run: an agent's task in tokens (default: measured)")
    parser.add_argument("--push", metavar="REPO", help="upload the trained model to this hub repository at the end")


def more_help() -> str:
    """Every setting."""
    from .config import listing

    return f"\nsettings, with their defaults:\n\n{listing()}"


def run(args: argparse.Namespace) -> int:
    from ..config.loading import load

    config = with_plugins(load(args.recipe, args.overrides, args.part), args.plugin)
    if args.dry_run:
        from ..config.resolve import absolute_paths
        from ..run.plugins import import_plugins
        from .dry_run import show_plan

        config = absolute_paths(config)
        import_plugins(config.plugins, config.plugin_folders)
        return show_plan(config, args.device_flops, args.dialogue_tokens, args.prompt_tokens, args.devices)
    return launch(config, args.out or Path("runs") / config.name, args.push, args.reuse)


def with_plugins(config: TrainConfig, plugins: list[str]) -> TrainConfig:
    """``config`` with more plugins: every process of the run imports them."""
    return config.model_copy(update={"plugins": tuple(dict.fromkeys([*config.plugins, *plugins]))})


def place(parser: argparse.ArgumentParser, default: str) -> None:
    """``--out``, as other verbs call it; ``--dir``, its name before, is understood."""
    parser.add_argument("--out", type=Path, help=f"run directory (default {default})")
    parser.add_argument("--dir", dest="out", type=Path, help=argparse.SUPPRESS)


def launch(config: TrainConfig, directory: Path, push: str | None = None, sources: Sequence[Path] = ()) -> int:
    """Run (or resume, or show) an experiment, watching it; then upload its model where that is asked for.

    ``sources`` are runs whose stages are taken over where they were made alike. Raises UserError for one that is none.
    """
    for source in sources:
        if not RunDirectory(source).exists():
            raise UserError(f"--reuse: {source} is no run directory")
    from rich.console import Console

    from ..loop.experiment import Experiment
    from .watch import Watch

    console = Console()
    console.print(f"run directory {directory}", markup=False, highlight=False)

    def finished(path: str) -> None:
        if RunDirectory(directory).stage(path) == untrained(directory):
            show_untrained(console, directory)

    with Watch(console, finished) as watch:
        Experiment(config, directory, sources).run(progress=watch)
    conclude(console, directory)
    if push is not None:
        upload(console, directory, push)
    return 0


def untrained(directory: Path) -> StageDirectory:
    """Where a run evaluates the team as it comes."""
    return RunDirectory(directory).of_iteration(-1, "evaluate")


def upload(console: Console, directory: Path, repo: str) -> None:
    """Push the trained model to the hub. Raises UserError when the run has made none."""
    from ..training.hub import push

    model = RunDirectory(directory).model
    if not model.is_dir():
        raise UserError(f"{directory} holds no trained model to push")
    console.print(f"pushed to {push(model, repo)}", markup=False, highlight=False)


def show_untrained(console: Console, directory: Path) -> None:
    """Two dialogues of the team as it comes."""
    from optima_agents import EpisodeLog

    from .tables import show_dialogues

    episodes = list(islice(EpisodeLog.iterate(untrained(directory).episodes), 2))
    show_dialogues(console, "the untrained team on held-out questions", episodes)


def conclude(console: Console, directory: Path) -> None:
    """The results table, one dialogue before and after, and where everything is."""
    from ..report.data import results, terms, weights
    from ..report.reward_note import reward_note
    from ..report.write import write_report
    from .tables import results_table, show_dialogues, telling_pair

    rows = results(directory)
    files = RunDirectory(directory)
    evaluated = [stage.episodes for iteration, stage in files.stages("evaluate") if iteration >= 0]
    evaluated = [log for log in evaluated if log.is_file()]
    pair = telling_pair(untrained(directory).episodes, evaluated[-1]) if evaluated else None
    if pair is not None:
        show_dialogues(console, "before", pair[:1])
        show_dialogues(console, "after", pair[1:])
    results_table(console, rows, "held-out questions, greedy, plain prompts")
    if note := reward_note(weights(files), terms(directory)):
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    report, table = files.report, files.results
    if not report.is_file():
        write_report(directory)
    for path, what in (
        (report, "plots and every dialogue"),
        (table, "the table"),
        (files.model, "the trained model"),
    ):
        console.print(f"{path}  {what}", markup=False, highlight=False, soft_wrap=True)
