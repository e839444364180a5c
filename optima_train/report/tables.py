"""Tables: rows under named columns, as text for a terminal or a pipe, as markdown, and as CSV.

Numbers are described once, in ``analysis.metrics``; any other column is a label. Labels wrap where the room is short,
numbers are never cut: where even they do not fit, lines become longer than the terminal is wide.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from optima_envs.adapters.render import printable

from ..analysis.metrics import METRICS, metric

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]
NARROWEST = 14  # characters left to a label at least
LABELS = {"label": "team", "a": "against", "b": "method", "of": "plateau of"}
MARKUP = "\\|`*_<>[]"


@dataclass(frozen=True, slots=True)
class Table:
    """``columns`` are names of values in ``rows``; a column no row has a value for is left out when ``sparse``.

    ``titles`` replace the headings of metrics and labels. A value ``score`` beside ``score_ci`` is shown with its
    interval. ``texts`` are columns of text that is written as it is and aligned like numbers.
    """

    columns: Sequence[str]
    rows: Sequence[Row]
    title: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    texts: Sequence[str] = ()
    sparse: bool = False

    @property
    def shown(self) -> list[str]:
        """The names of the columns there are."""
        return [n for n in self.columns if not self.sparse or any(row.get(n) is not None for row in self.rows)]

    def heading(self, name: str) -> str:
        found = self.titles.get(name) or (METRICS[name].title if name in METRICS else LABELS.get(name, name))
        return f"{found} [95%]" if name in METRICS and self._interval(name) else found

    def cell(self, row: Row, name: str, *, brief: bool = False) -> str:
        """A value as readers see it, on one line; ``brief``: with few digits of its interval."""
        value = row.get(name)
        if name == "seeds" and isinstance(value, (list, tuple)):
            return str(len(value))
        text = metric(name).show(value) if self._number(name) else "-" if value is None else str(value)
        interval = row.get(_ci(name))
        if interval is not None and value is not None:
            text += f" {metric(name).interval(interval, brief=brief)}"
        return " ".join(printable(text).split())

    def print(self, console: Console) -> None:
        """Write it as text. Labels wrap; a line is longer than the terminal rather than short of a number."""
        from rich.cells import cell_len
        from rich.console import Console as Plain
        from rich.table import Table as Rich
        from rich.text import Text

        names = self.shown
        columns = [[self.cell(row, name, brief=True) for row in self.rows] for name in names]
        table, needed = Rich(box=None, pad_edge=False, padding=(0, 1, 0, 0)), len(names) - 1
        for name, cells in zip(names, columns, strict=True):
            words = self.heading(name).split() or [""]
            widest = max(map(cell_len, [*cells, *words]))
            label = not (self._number(name) or name in self.texts)
            head = self.heading(name) if label else "\n".join(wrap(self.heading(name), widest))
            table.add_column(Text(head), justify="left" if label else "right", no_wrap=not label, overflow="fold")
            needed += min(widest, NARROWEST) if label else widest
        for cells in zip(*columns, strict=True):
            table.add_row(*map(Text, cells))
        if self.title:
            say(console, self.title)
        if needed > console.width:  # as wide as it has to be
            console = Plain(file=console.file, width=needed, color_system=None, legacy_windows=False)
        console.print(table)

    def markdown(self) -> str:
        """A table of GitHub's markdown, labels to the left."""
        names = self.shown
        lines = ["| " + " | ".join(self.heading(name) for name in names) + " |"]
        lines.append("|" + "|".join("---:" if self._number(name) else "---" for name in names) + "|")
        for row in self.rows:
            cells = [(self.cell(row, name), isinstance(row.get(name), str)) for name in names]
            lines.append("| " + " | ".join(escaped(text) if label else text for text, label in cells) + " |")
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """With every digit, texts in quotes; an interval takes two columns, ``_low`` and ``_high``."""
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        parts: list[tuple[str, Callable[[Row], Any]]] = []
        for name in self.columns:
            parts.append((name, lambda row, name=name: _plain(row.get(name))))
            if self._interval(name):
                low, high = (_ci(name).removesuffix("_ci") + edge for edge in ("_low", "_high"))
                parts.append((low, lambda row, name=name: (row.get(_ci(name)) or [""])[0]))
                parts.append((high, lambda row, name=name: (row.get(_ci(name)) or [""])[-1]))
        writer.writerow([name for name, _ in parts])
        for row in self.rows:
            writer.writerow([value(row) for _, value in parts])
        return text.getvalue()

    def _number(self, name: str) -> bool:
        return name in METRICS or name == "seeds" or any(type(row.get(name)) in (int, float) for row in self.rows)

    def _interval(self, name: str) -> bool:
        return any(row.get(_ci(name)) is not None for row in self.rows)


def _ci(name: str) -> str:
    return "ci" if name == "diff" else f"{name}_ci"


def _plain(value: Any) -> Any:
    return "" if value is None else " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def escaped(text: str) -> str:
    """Text that stays in its cell of a markdown table and is not read as markup."""
    plain = " ".join(printable(text).split())
    return "".join(f"\\{c}" if c in MARKUP else c for c in plain)


def say(console: Console, line: str) -> None:
    """A line of text as it is: no markup, no colours, no terminal escapes, no line ends in between."""
    console.print(" ".join(printable(line).split()), markup=False, highlight=False, soft_wrap=True)
