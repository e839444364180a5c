"""A suite's plots as PNG and SVG files: score against tokens, and the curves."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_train.run.files import write_text

from .directory import Bench
from .plot_kinds import draw_curve, score_against_tokens

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the same everywhere
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e5ea",
    "axes.axisbelow": True,
    "axes.edgecolor": "#9aa0ab",
    "svg.hashsalt": "optima",  # ids of the parts of an SVG; by default they change with every run
    "text.parse_math": False,  # a label with a $ in it is a label
}


def write(bench: Bench) -> list[Path]:
    """Write ``plots/`` of a suite's directory and return the files, the same bytes for the same numbers.

    Raises ImportError without matplotlib.
    """
    folder = bench.directory / "plots"
    folder.mkdir(exist_ok=True)
    files = []
    for name, figure in figures(bench):
        for suffix, metadata in ((".svg", {"Date": None}), (".png", {"Software": None})):
            data = io.BytesIO()
            figure.savefig(data, format=suffix[1:], metadata=metadata, dpi=160, bbox_inches="tight")
            file = folder / f"{name}{suffix}"
            if suffix == ".svg":
                write_text(file, data.getvalue().decode())
            else:
                file.write_bytes(data.getvalue())
            files.append(file)
    return files


def figures(bench: Bench) -> Iterator[tuple[str, Figure]]:
    """(file name without suffix, figure), one at a time: memory does not grow with the number of plots."""
    envs = dict.fromkeys(row["env"] for row in bench.rows)
    for env in envs:
        rows = [row for row in bench.rows if row["env"] == env]
        with _figure() as (figure, axes):
            score_against_tokens(axes, rows, env)
            yield f"score-tokens-{file_name(env)}", figure
    for curve in bench.summary["curves"]:
        with _figure() as (figure, axes):
            draw_curve(axes, curve)
            yield file_name(curve["id"]), figure


@contextmanager
def _figure() -> Iterator[tuple[Figure, Axes]]:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):  # the caller saves while the style holds
        figure = Figure(figsize=(7.2, 4.6))
        FigureCanvasAgg(figure)
        yield figure, figure.add_subplot()


def file_name(text: str) -> str:
    """A file name out of any text."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:80] or "plot"
