"""The report of a suite: tables, plots and the page, written from what is in its directory."""

from __future__ import annotations

import logging
from pathlib import Path

from optima_envs.extras import install

from . import page, plots, tables
from .directory import load

log = logging.getLogger(__name__)


def write(directory: Path) -> Path:
    """Write ``report.html``, ``tables/`` and ``plots/`` into a suite's directory; returns the page's path.

    Everything comes from ``summary.json`` and the cells' episode logs. Without matplotlib the plots are left out with a
    warning (the page draws its own). Raises FileNotFoundError when there are no results, ValueError for damaged files,
    naming file and place, and for mixed versions of an environment.
    """
    bench = load(directory)
    path = page.write(bench)  # first: it reads every log, so nothing is written when one is damaged
    tables.write(bench)
    try:
        plots.write(bench)
    except ImportError:
        log.warning("no plots as files: matplotlib is missing; %s", install("plots"))
    return path
