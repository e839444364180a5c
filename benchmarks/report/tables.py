"""A suite's numbers as tables: markdown for readers, CSV and JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from optima_train.report.tables import Table, escaped
from optima_train.run.files import write_json, write_text

from .directory import Bench, Row

# in the order in which tables show them; a block nobody named here comes last, under its own name
BLOCKS = {
    "fair": "Fair: sees what the environment's agents see",
    "oracle": "Oracle: sees what no single agent sees",
    "feedback": "Feedback: is told the score",
}
RESULTS = (
    "label", "model", "score", "tokens", "pareto", "prompt_tokens", "cached_share", "calls", "seconds", "failures",
    "unanswered", "unparsed", "seeds", "n", "missing",
)  # fmt: skip
PAIRED = ("env", "b", "a", "model", "diff", "p", "p_holm", "n")
MATCHED = ("env", "budget", "label", "score", "n")
CURVES = ("id", "env", "label", "x", "y", "low", "high")
PLATEAUS = ("env", "of", "plateau", "tokens", "by", "reached", "share")
MISSING = ("cell", "reason")
NOT_FOR = ("label", "env", "reason")
TITLES = {"label": "method", "plateau": "its score"}


def write(bench: Bench) -> list[Path]:
    """Write ``tables/`` of a suite's directory and return the files. Every table has three forms; one without rows is
    written too, so that a reader sees that it is empty and not forgotten."""
    folder = bench.directory / "tables"
    folder.mkdir(exist_ok=True)
    files = []
    for name, table in tables(bench).items():
        for suffix, text in ((".md", table.markdown()), (".csv", table.csv())):
            text = results_page(bench, table.rows) if (name, suffix) == ("results", ".md") else text
            write_text(folder / f"{name}{suffix}", text)
        write_json(folder / f"{name}.json", list(table.rows))
        files += [folder / f"{name}{suffix}" for suffix in (".md", ".csv", ".json")]
    return files


def tables(bench: Bench) -> dict[str, Table]:
    """Every table by its name; a row may hold more than there are columns."""
    summary = bench.summary
    rows = [{**row, "missing": len(bench.incomplete(row))} for row in bench.rows]
    matched = [
        {"env": at["env"], "budget": at["budget"], **row, "score_ci": row.get("ci")}
        for at in summary["matched"]
        for row in at["rows"]
    ]
    curves = [point for curve in summary["curves"] for point in curve_points(curve)]
    found: dict[str, tuple[Sequence[str], Sequence[Row]]] = {
        "results": (("env", "block", *RESULTS), rows),
        "paired": (PAIRED, list(summary["paired"])),
        "matched": (MATCHED, matched),
        "curves": (CURVES, curves),
        "plateaus": (PLATEAUS, list(summary["plateaus"])),
        "missing": (MISSING, [dict(row) for row in bench.missing]),
        "not-applicable": (NOT_FOR, list(summary["not_applicable"])),
    }
    return {name: Table(columns, rows, titles=TITLES) for name, (columns, rows) in found.items()}


def curve_points(curve: Row) -> Iterator[dict[str, Any]]:
    """A curve as one row per point."""
    for line in curve["series"]:
        for place, (x, y) in enumerate(zip(line["x"], line["y"], strict=True)):
            low, high = (line[edge][place] if line.get(edge) else None for edge in ("low", "high"))
            named = {"id": curve["id"], "env": curve.get("env"), "label": line["label"]}
            yield {**named, "x": x, "y": y, "low": low, "high": high}


def blocks(rows: Iterable[Row]) -> dict[str, str]:
    """The blocks there are, in reading order, with their titles."""
    seen = {str(row["block"]) for row in rows}
    named = {name: title for name, title in BLOCKS.items() if name in seen}
    return named | {name: name for name in sorted(seen - named.keys())}


def results_page(bench: Bench, rows: Sequence[Row]) -> str:
    """The main table in markdown: a section per environment and block, then what is missing."""
    parts = [f"# {escaped(bench.name)}\n"]
    for env in dict.fromkeys(row["env"] for row in rows):
        parts.append(f"## {escaped(env)}\n")
        for block, title in blocks(row for row in rows if row["env"] == env).items():
            here = [row for row in rows if (row["env"], row["block"]) == (env, block)]
            columns = [name for name in RESULTS if name != "missing" or any(row["missing"] for row in here)]
            table = Table(columns, here, titles=TITLES, sparse=True)
            parts.append(f"{escaped(title)}.\n\n{table.markdown()}")
    if bench.summary["not_applicable"]:
        parts.append("## Not applicable\n\n" + Table(NOT_FOR, bench.summary["not_applicable"]).markdown())
    if bench.missing:
        about = "## Missing runs\n\nThese are in no mean above.\n\n"
        parts.append(about + Table(MISSING, bench.missing).markdown())
    return "\n".join(parts)
