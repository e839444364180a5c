"""Comparisons of methods in one call: a suite is planned, played, summed up and written down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_train.run.progress import Progress, silent

if TYPE_CHECKING:
    from .suite.cells import Plan


def bench(
    suite: Mapping[str, Any] | str | Path,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    page: bool = True,
    report: Callable[[Progress], None] = silent,
) -> dict[str, Any]:
    """Play a suite to its end, or go on with it, in ``out`` (default ``runs/bench/NAME``); returns its summary.

    ``suite`` is a mapping of its settings, a YAML file, or the name of a packaged one; ``overrides`` such as
    ``"envs.0.id=2wmh-asym"`` come on top. The summary is the directory's ``summary.json``: its ``rows`` hold ``env``,
    ``label``, ``score`` in [0, 1], sampled ``tokens`` per instance, and 95% intervals (``score_ci``, ``tokens_ci``).
    ``page``: write ``report.html``, tables and plots too. ``report`` is called with the progress.
    Raises ConfigError, UnknownName and StageError, each naming the way out.
    """
    from optima_train.config.loading import assignment

    from .suite.planning import plan
    from .suite.settings import load_suite, overridden, suite_of

    folders: list[Path] = []
    if isinstance(suite, Mapping):
        for item in overrides:
            suite = overridden(suite, *assignment(item))
        chosen = suite_of(suite)
    else:
        chosen = load_suite(suite, overrides)
        folders += [Path(suite).resolve().parent] if Path(suite).is_file() else []
    return play(plan(chosen, folders), Path(out or Path("runs") / "bench" / chosen.name), page=page, report=report)


def play(
    planned: Plan,
    out: Path,
    *,
    only: Collection[str] = (),
    again: Collection[str] = (),
    page: bool = True,
    report: Callable[[Progress], None] = silent,
    workers: str | None = None,
    folders: Sequence[str] = (),
) -> dict[str, Any]:
    """Play what is missing of a planned suite and write its results; returns the summary. ``only`` and ``again`` are
    labels of methods: others wait, these are played anew. ``workers`` and ``folders``: see ``suite.running.run``."""
    from .analysis.summary import write_summary
    from .suite.running import run

    reasons = run(planned, out, only=only, again=again, report=report, workers=workers, folders=folders)
    summary = write_summary(planned, out, reasons)
    if page:
        from .report.write import write

        write(out)
    return summary
