"""report.html of a suite: tables, plots and every dialogue in one self-contained page. Its parts are in ``page/``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optima_train.report.dialogues import MOST, Dialogues
from optima_train.report.one_page import assemble
from optima_train.report.write import BROWSER, STYLE
from optima_train.run.files import write_text

from .dialogues import pack
from .directory import Bench
from .tables import blocks

PAGE = Path(__file__).parent / "page"
FROM_SUMMARY = ("created", "versions", "paired", "curves", "plateaus", "not_applicable")
OWN = ("tables.js", "labels.js", "plots.js", "suite.js")


def write(bench: Bench, *, most: int = MOST) -> Path:
    """Write ``report.html`` into a suite's directory, with at most ``most`` dialogues; returns its path.

    Raises ValueError for a damaged episode log and for mixed versions of an environment.
    """
    path = bench.directory / "report.html"
    write_text(path, render(facts(bench), pack(bench, most=most)))
    return path


def facts(bench: Bench) -> dict[str, Any]:
    """All but the dialogues, as plain JSON."""
    rows = [{**row, "missing": len(bench.incomplete(row))} for row in bench.rows]
    told = {name: bench.summary.get(name) for name in FROM_SUMMARY}
    return {**told, "name": bench.name, "rows": rows, "blocks": blocks(rows), "missing": list(bench.missing)}


def render(told: dict[str, Any], dialogues: Dialogues) -> str:
    """The page for what ``facts`` and ``pack`` gathered."""
    return assemble(
        "Optima benchmark",
        before=[PAGE / "suite.html"],
        style=[*STYLE, PAGE / "style.css"],
        script=[*BROWSER, *(PAGE / name for name in OWN)],
        data=dialogues.data(told),
        index=dialogues.index,
        chunks=dialogues.blocks(),
    )
