"""The kinds of plots: score against tokens, and curves; points and lines carry their names, so no key is looked up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .directory import Row
from .plot_labels import place, spread
from .tables import blocks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which people of any colour vision tell apart; yellow is too pale on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
MARKS = {"fair": ("#0072B2", "o"), "oracle": ("#D55E00", "s"), "feedback": ("#009E73", "^")}
OTHER = ("#7F7F7F", "D")
MOST_TICKS = 10
MOST_BANDS = 4  # more of them over each other are mud
INK, SOFT, LINE = "#1d2330", "#5b6475", "#9aa0ab"


def score_against_tokens(axes: Axes, rows: Sequence[Row], env: str) -> None:
    """Every row of one environment with its intervals; rows on the Pareto front are filled and joined."""
    for row in rows:
        colour, marker = MARKS.get(row["block"], OTHER)
        x, y = max(row["tokens"], 1), row["score"]
        high, wide = _arms(y, row.get("score_ci")), _arms(x, row.get("tokens_ci"))
        axes.errorbar(x, y, yerr=high, xerr=wide, fmt="none", ecolor=colour, elinewidth=1, alpha=0.55)
        filled = colour if row.get("pareto") else "white"
        axes.plot(x, y, marker, color=colour, markerfacecolor=filled, markersize=7, linestyle="none", zorder=3)
    front = sorted((max(row["tokens"], 1), row["score"]) for row in rows if row.get("pareto"))
    if front:
        axes.plot(*zip(*front, strict=True), color=SOFT, linewidth=1, drawstyle="steps-post", zorder=1)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_ylim(0, max(1.04, *((row.get("score_ci") or [0, 0])[1] * 1.02 for row in rows)))
    _titles(axes, f"{env}: score against tokens", "completion tokens per question (log scale)", "score")
    _tidy_log(axes)
    _name_points(axes, [(max(row["tokens"], 1), row["score"]) for row in rows], [clean(row["label"]) for row in rows])
    here = blocks(rows)
    for block in here:
        colour, marker = MARKS.get(block, OTHER)
        axes.plot([], [], marker, color=colour, markersize=7, linestyle="none", label=clean(block))
    if front:
        axes.plot([], [], color=SOFT, linewidth=1, label="Pareto front (filled)")
    axes.legend(frameon=False, ncols=len(here) + 1, loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=9)


def draw_curve(axes: Axes, curve: Row) -> None:
    """A line per series with its band, named at its end. Points without a finite x on a log axis are left out."""
    ends: list[tuple[float, float, str, str]] = []
    low_x = 0.0 if curve.get("log_x") else float("-inf")
    for number, line in enumerate(curve["series"]):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        keep = [place for place, x in enumerate(line["x"]) if x > low_x]
        x, y = ([line[key][place] for place in keep] for key in ("x", "y"))
        if not x:
            continue
        dashes = "-" if number < len(COLOURS) else "--"
        axes.plot(x, y, dashes, marker=marker, color=colour, linewidth=1.8, markersize=5)
        if line.get("low") and line.get("high"):
            low, high = ([line[key][place] for place in keep] for key in ("low", "high"))
            if len(curve["series"]) <= MOST_BANDS:
                axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
            else:
                axes.vlines(x, low, high, color=colour, alpha=0.45, linewidth=1)
        end = max(range(len(x)), key=lambda place: x[place])
        ends.append((x[end], y[end], clean(line["label"]), colour))
    xs = sorted({x for line in curve["series"] for x in line["x"] if x > low_x})
    if curve.get("log_x"):
        axes.set_xscale("log")
        _tidy_log(axes)
    if len(xs) <= MOST_TICKS:  # a few measured places say more than round numbers between them
        axes.set_xticks(xs, [f"{x:g}" for x in xs])
        axes.set_xticks([], minor=True)
    axes.margins(x=0.04)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    title = f"{curve['env']}: {curve['title']}" if curve.get("env") else curve["title"]
    _titles(axes, title, curve.get("x_label") or "", curve.get("y_label") or "score")
    _name_ends(axes, ends)


def _name_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    from matplotlib.patheffects import withStroke

    figure: Any = axes.figure
    figure.canvas.draw()
    renderer, to_pixels = figure.canvas.get_renderer(), axes.transData
    pixels = [(float(x), float(y)) for x, y in map(to_pixels.transform, points)]
    texts = [axes.text(0, 0, name, fontsize=8.5) for name in names]
    sizes = [(box.width, box.height) for box in (text.get_window_extent(renderer) for text in texts)]
    area = axes.get_window_extent(renderer)
    boxes = place(pixels, sizes, (area.x0, area.y0, area.x1, area.y1), gap=figure.dpi * 0.1)
    for text, point, pixel, box in zip(texts, points, pixels, boxes, strict=True):
        text.remove()
        left, bottom, right, top = box
        middle = ((left + right) / 2 - pixel[0], (bottom + top) / 2 - pixel[1])
        nearest = (min(max(pixel[0], left), right) - pixel[0], min(max(pixel[1], bottom), top) - pixel[1])
        far = max(abs(nearest[0]), abs(nearest[1])) > figure.dpi * 0.13
        axes.annotate(
            text.get_text(),
            point,
            xytext=(middle[0] * 72 / figure.dpi, middle[1] * 72 / figure.dpi),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8.5,
            color=INK,
            arrowprops={"arrowstyle": "-", "color": LINE, "linewidth": 0.7, "shrinkB": 4} if far else None,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _name_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """The names of lines right of the plot, in the colour of their line, moved apart where they would meet."""
    low, high = axes.get_ylim()
    heights = spread([y for _, y, _, _ in ends], (high - low) * 0.052, low, high)
    for (x, y, name, colour), height in zip(ends, heights, strict=True):
        axes.annotate(
            name,
            (x, y),
            xytext=(1.02, (height - low) / (high - low)),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "relpos": (0, 0.5), "shrinkA": 0},
        )


def _titles(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(clean(title), loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(clean(x))
    axes.set_ylabel(clean(y))


def _tidy_log(axes: Axes) -> None:
    """Plain numbers on a log axis, at 1, 2 and 5 of every power of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _arms(value: float, interval: Sequence[float] | None) -> list[list[float]] | None:
    return [[max(0.0, value - interval[0])], [max(0.0, interval[1] - value)]] if interval else None


def clean(text: str) -> str:
    """Text an SVG can hold: what XML forbids becomes a space."""
    return re.sub(r"[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", " ", text)
