"""report.html: what a training run reached and every dialogue, in one page. Its parts are in ``page/``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..run.files import write_text
from ..run.layout import RunDirectory
from .data import collect
from .one_page import PARTS, assemble, inert

SCRIPTS = ("base.js", "axes.js", "listing.js", "page.js", "browser.js")


def write_report(directory: Path) -> Path:
    """Write ``report.html`` into a run directory, from what is there so far; returns its path.

    Raises FileNotFoundError when ``directory`` is no run directory, ValueError for a damaged file in it.
    """
    path = RunDirectory(directory).report
    write_text(path, render(collect(directory)))
    return path


def render(data: Mapping[str, Any]) -> str:
    """The page for what ``report_data.collect`` gathered."""
    scripts = [PARTS / name for name in SCRIPTS]
    return assemble(PARTS / "page.html", style=[PARTS / "style.css"], script=scripts, data=inert(data))
