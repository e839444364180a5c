"""report.html: what a training run reached and every dialogue, in one page. Its parts are in ``page/``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..run.files import write_text
from ..run.layout import RunDirectory
from .data import collect
from .dialogues import Dialogues
from .one_page import PARTS, assemble

STYLE = (PARTS / "style.css",)
# what every page with a dialogue browser begins with; its own parts come behind
BROWSER = tuple(PARTS / name for name in ("base.js", "axes.js", "listing.js", "chunks.js", "browser.js"))
OWN = tuple(PARTS / name for name in ("page.js", "run.js"))


def write_report(directory: Path) -> Path:
    """Write ``report.html`` into a run directory, from what is there so far; returns its path.

    Raises FileNotFoundError when ``directory`` is no run directory, ValueError for a damaged file in it.
    """
    path = RunDirectory(directory).report
    write_text(path, render(*collect(directory)))
    return path


def render(told: Mapping[str, Any], dialogues: Dialogues) -> str:
    """The page for what ``data.collect`` gathered."""
    return assemble(
        "Optima run",
        before=[PARTS / "run.html"],
        after=[PARTS / "settings.html"],
        style=STYLE,
        script=[*BROWSER, *OWN],
        data=dialogues.data(dict(told)),
        index=dialogues.index,
        chunks=dialogues.blocks(),
    )
