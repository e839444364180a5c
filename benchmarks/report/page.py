"""report.html of a suite: tables, plots and every dialogue in one self-contained page. Its parts are in ``page/``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optima_train.report.one_page import PARTS, assemble, inert
from optima_train.run.files import write_text

from .dialogues import MOST, Dialogues, pack
from .directory import Bench
from .tables import blocks

PAGE = Path(__file__).parent / "page"
SHARED = ("base.js", "axes.js", "listing.js")
FROM_SUMMARY = ("created", "versions", "paired", "curves", "plateaus", "not_applicable")
OWN = ("tables.js", "labels.js", "plots.js", "chunks.js", "browser.js")


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
    """The page. The chunks stand in blocks of a type no browser runs; base64 holds nothing that could end them."""
    blocks = [f'<script type="text/plain" id="chunk-{n}">{chunk}</script>' for n, chunk in enumerate(dialogues.chunks)]
    return assemble(
        PAGE / "page.html",
        style=[PARTS / "style.css", PAGE / "style.css"],
        script=[*(PARTS / name for name in SHARED), *(PAGE / name for name in OWN)],
        data=inert({**told, "total": dialogues.total, "shown": dialogues.shown}),
        index=dialogues.index,
        chunks="\n".join(blocks),
    )
