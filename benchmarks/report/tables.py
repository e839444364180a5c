"""A suite's numbers as tables: markdown for readers, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optima_train.run.files import write_json, write_text

from .directory import Bench, Row

# in the order in which tables show them; a block nobody named here comes last, under its own name
BLOCKS = {
    "fair": "Fair: sees what the environment's agents see",
    "oracle": "Oracle: sees what no single agent sees",
    "feedback": "Feedback: is told the score",
}
HEADS = {
    "label": "method",
    "score_ci": "95% interval",
    "tokens_ci": "95% interval",
    "cached_share": "cached",
    "prompt_tokens": "prompt tokens",
    "pareto": "front",
    "ci": "95% interval",
    "diff": "difference",
    "a": "against",
    "b": "method",
    "p_holm": "p (Holm)",
    "of": "plateau of",
    "share": "share of its tokens",
}
RESULTS = (
    "label", "model", "score", "score_ci", "tokens", "tokens_ci", "prompt_tokens", "cached_share", "calls", "seconds",
    "failures", "unanswered", "unparsed", "seeds", "n", "missing", "pareto",
)  # fmt: skip
PAIRED = ("env", "b", "a", "model", "diff", "ci", "p", "p_holm", "n")
MATCHED = ("env", "budget", "label", "score", "ci", "n")
CURVES = ("id", "env", "label", "x", "y", "low", "high")
PLATEAUS = ("env", "of", "plateau", "tokens", "by", "reached", "share")
MISSING = ("cell", "reason")
NOT_FOR = ("label", "env", "reason")
SHARES = ("cached_share", "unanswered", "share")
P_VALUES = ("p", "p_holm")


def write(bench: Bench) -> list[Path]:
    """Write ``tables/`` of a suite's directory and return the files. Every table has three forms; one without rows is
    written too, so that a reader sees that it is empty and not forgotten."""
    folder = bench.directory / "tables"
    folder.mkdir(exist_ok=True)
    files = []
    for name, (columns, rows) in tables(bench).items():
        for suffix, text in ((".md", markdown(columns, rows)), (".csv", comma_separated(columns, rows))):
            text = results_page(bench, rows) if (name, suffix) == ("results", ".md") else text
            write_text(folder / f"{name}{suffix}", text)
        write_json(folder / f"{name}.json", rows)
        files += [folder / f"{name}{suffix}" for suffix in (".md", ".csv", ".json")]
    return files


def tables(bench: Bench) -> dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]]:
    """Table name -> (columns in order, rows); a row may hold more keys than there are columns."""
    summary = bench.summary
    rows = [{**row, "missing": len(bench.incomplete(row))} for row in bench.rows]
    matched = [{"env": at["env"], "budget": at["budget"], **row} for at in summary["matched"] for row in at["rows"]]
    curves = [point for curve in summary["curves"] for point in curve_points(curve)]
    return {
        "results": (("env", "block", *RESULTS), rows),
        "paired": (PAIRED, list(summary["paired"])),
        "matched": (MATCHED, matched),
        "curves": (CURVES, curves),
        "plateaus": (PLATEAUS, list(summary["plateaus"])),
        "missing": (MISSING, [dict(row) for row in bench.missing]),
        "not-applicable": (NOT_FOR, list(summary["not_applicable"])),
    }


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
    parts = [f"# {cell_text(bench.name)}\n"]
    for env in dict.fromkeys(row["env"] for row in rows):
        parts.append(f"## {cell_text(env)}\n")
        for block, title in blocks(row for row in rows if row["env"] == env).items():
            here = [row for row in rows if (row["env"], row["block"]) == (env, block)]
            columns = [name for name in RESULTS if any(row.get(name) is not None for row in here)]
            if not any(row["missing"] for row in here):
                columns.remove("missing")
            parts.append(f"{cell_text(title)}.\n\n{markdown(columns, here)}")
    if bench.summary["not_applicable"]:
        parts.append("## Not applicable\n\n" + markdown(NOT_FOR, bench.summary["not_applicable"]))
    if bench.missing:
        parts.append("## Missing runs\n\nThese are in no mean above.\n\n" + markdown(MISSING, bench.missing))
    return "\n".join(parts)


def markdown(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """A table of GitHub's markdown; numbers to the right."""
    lines = ["| " + " | ".join(HEADS.get(name, name) for name in columns) + " |"]
    texts = ("label", "env", "block", "model", "a", "b", "id", "cell", "reason", "of", "by", "pareto")
    lines.append("|" + "|".join("---" if name in texts else "---:" for name in columns) + "|")
    lines += ["| " + " | ".join(cell_text(shown(name, row.get(name))) for name in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def shown(name: str, value: Any) -> str:
    """A value as a reader sees it: three significant places, shares in percent, nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else ""
    if name == "seeds" and isinstance(value, list):
        return str(len(value))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(shown("", item) for item in value) + "]"
    if isinstance(value, (int, float)):
        if name in P_VALUES and value < 0.001:
            return "<0.001"
        return f"{100 * value:.1f}%" if name in SHARES else number(value)
    return str(value)


def number(value: float) -> str:
    """Three significant places, and three decimals below 1: 3, 0.123, 12.3, 1234."""
    if isinstance(value, int):
        return str(value)
    places = next((places for limit, places in ((1, 3), (10, 2), (100, 1)) if abs(value) < limit), 0)
    return f"{value:.{places}f}"


def cell_text(text: str) -> str:
    """Text that stays in its cell of a markdown table and is not read as markup."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for mark in ("\\", "|", "`", "*", "_", "<", ">"):
        plain = plain.replace(mark, f"\\{mark}")
    return plain.replace("](", "]\\(")


def comma_separated(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """CSV with every digit, texts in quotes; an interval takes two columns, ``_low`` and ``_high``."""
    text = io.StringIO()
    names = [part for name in columns for part in _parts(name)]
    writer = csv.DictWriter(text, names, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({part: value for name in columns for part, value in _flat(name, row.get(name)).items()})
    return text.getvalue()


def _parts(name: str) -> tuple[str, ...]:
    if name != "ci" and not name.endswith("_ci"):
        return (name,)
    stem = name.removesuffix("ci").removesuffix("_") or "ci"
    return (f"{stem}_low", f"{stem}_high")


def _flat(name: str, value: Any) -> Mapping[str, Any]:
    parts = _parts(name)
    if len(parts) == 2:
        return dict(zip(parts, value or ("", ""), strict=True))
    return {name: "" if value is None else " ".join(map(str, value)) if isinstance(value, list) else value}
