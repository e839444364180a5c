"""A suite's directory, read with suspicion: the summary, the numbers of the cells, and which cells are there at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_train.run.files import read_json

if TYPE_CHECKING:
    from optima_envs.records import Episode

Row = Mapping[str, Any]
TEXT, NUMBER, INTERVAL, ROWS, NUMBERS = "a text", "a number", "an interval [low, high]", "a list", "a list of numbers"
# what each section of summary.json must have; any other key is allowed
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "rows": {"label": TEXT, "block": TEXT, "env": TEXT, "model": TEXT, "score": NUMBER, "tokens": NUMBER},
    "paired": {"env": TEXT, "a": TEXT, "b": TEXT, "diff": NUMBER},
    "matched": {"env": TEXT, "budget": NUMBER, "rows": ROWS},
    "curves": {"id": TEXT, "title": TEXT, "series": ROWS},
    "plateaus": {"env": TEXT, "of": TEXT, "by": TEXT, "plateau": NUMBER, "tokens": NUMBER},
    "missing": {"cell": TEXT, "reason": TEXT},
    "not_applicable": {"label": TEXT, "env": TEXT, "reason": TEXT},
}
INNER = {
    "matched": ("rows", {"label": TEXT, "score": NUMBER}),
    "curves": ("series", {"label": TEXT, "x": NUMBERS, "y": NUMBERS}),
}
CELL = {"label": TEXT, "block": TEXT, "env": TEXT, "model": TEXT, "seed": NUMBER}
INTERVALS = ("score_ci", "tokens_ci", "ci")


@dataclass(frozen=True, slots=True)
class Played:
    """A committed cell. ``label`` is its name in tables, ``env`` the environment's."""

    path: str
    log: Path
    label: str
    block: str
    env: str
    model: str
    seed: int

    def episodes(self) -> Iterator[Episode]:
        """Raises ValueError naming file and line for a row that is no episode."""
        from optima_agents import EpisodeLog

        return EpisodeLog.iterate(self.log)


@dataclass(frozen=True, slots=True)
class Bench:
    """``missing`` are the runs there should be and are not, each with its reason: the suite's own list, and what was
    found not finished or torn in the directory since."""

    directory: Path
    name: str
    summary: Mapping[str, Any]
    results: Sequence[Row]
    cells: tuple[Played, ...]
    missing: tuple[Row, ...]

    @property
    def rows(self) -> Sequence[Row]:
        return self.summary["rows"]

    def incomplete(self, row: Row) -> list[Row]:
        """The missing runs that belong to a row of the summary."""
        method = row["label"].removesuffix(f" ({row['model']})")  # a label names its model only where there are several
        folder = "/".join(map(slug, (method, row["env"], row["model"])))
        return [gone for gone in self.missing if gone["cell"].rpartition("/")[0] == folder]


def load(directory: Path) -> Bench:
    """Raises FileNotFoundError when there are no results, ValueError naming file and place of what is damaged."""
    path = directory / "summary.json"
    if not path.is_file():
        raise FileNotFoundError(f"{directory} holds no benchmark results (no {path.name}); optima bench writes them")
    summary = read_json(path)
    check(path, summary)
    results = directory / "results.json"
    cells, unfinished = played(directory, summary["rows"])
    known = {gone["cell"] for gone in summary["missing"]}
    missing = (*summary["missing"], *(gone for gone in unfinished if gone["cell"] not in known))
    if not summary["rows"]:
        reason = f": {missing[0]['cell']}: {missing[0]['reason']}" if missing else ""
        raise ValueError(f"{path}: no results to report; {len(missing)} runs are missing{reason}")
    refuse_mixed((row["env"], row["version"], row["label"]) for row in summary["rows"] if "version" in row)
    name = str(summary.get("name") or directory.resolve().name)
    return Bench(directory, name, summary, read_json(results) if results.is_file() else [], cells, missing)


def refuse_mixed(played: Iterable[tuple[str, str, str]]) -> None:
    """``played`` are (environment, its version, who played it). Raises ValueError when an environment comes in two
    versions: a change of version is a change of scores, so they are never put into one table."""
    first: dict[str, tuple[str, str]] = {}
    for env, version, who in played:
        known, by = first.setdefault(env, (version, who))
        if version != known:
            raise ValueError(
                f"mixed versions of {env} in one table: {by} played {known}, {who} played {version}; "
                "run one of them again, or report them apart"
            )


def check(path: Path, summary: Any) -> None:
    """Raises ValueError unless ``summary`` has the sections and keys that a report is made of."""
    if not isinstance(summary, dict):
        raise ValueError(f"{path}: not a JSON object")
    for section, keys in SECTIONS.items():
        rows = summary.setdefault(section, [])
        _check_rows(f"{path}: {section}", rows, keys)
        inner, inner_keys = INNER.get(section, ("", {}))
        for number, row in enumerate(rows if inner else ()):
            _check_rows(f"{path}: {section}[{number}].{inner}", row[inner], inner_keys)
            for place, line in enumerate(row[inner] if section == "curves" else ()):
                lengths = {len(line[key]) for key in ("x", "y", "low", "high") if line.get(key) is not None}
                if len(lengths) != 1:
                    raise ValueError(f"{path}: {section}[{number}].{inner}[{place}]: x, y, low, high differ in length")


def _check_rows(where: str, rows: Any, keys: Mapping[str, str]) -> None:
    if not isinstance(rows, list):
        raise ValueError(f"{where} is no list")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"{where}[{number}] is no object")
        wanted = {**keys, **{key: INTERVAL for key in INTERVALS if row.get(key) is not None}}
        for key, kind in wanted.items():
            if not _is(row.get(key), kind):
                raise ValueError(f"{where}[{number}].{key} must be {kind}, not {row.get(key)!r:.60}")


def _is(value: Any, kind: str) -> bool:
    if kind == TEXT:
        return isinstance(value, str)
    if kind == NUMBER:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if kind == INTERVAL:
        return isinstance(value, list) and len(value) == 2 and all(_is(edge, NUMBER) for edge in value)
    return isinstance(value, list) and (kind == ROWS or all(_is(item, NUMBER) for item in value))


def played(directory: Path, rows: Sequence[Row]) -> tuple[tuple[Played, ...], list[Row]]:
    """The committed cells in the order of the summary, and those that are not, or whose log is torn, with reasons."""
    order = {(row["env"], row["label"], row["model"]): place for place, row in enumerate(rows)}
    cells, missing = [], []
    for log in sorted((directory / "cells").glob("*/*/*/seed*/episodes.jsonl")):
        marker = log.with_name("cell.json")
        path = log.parent.relative_to(directory / "cells").as_posix()
        if not marker.is_file():
            missing.append({"cell": path, "reason": "not finished"})
            continue
        told = read_json(marker)
        if not isinstance(told, dict):
            raise ValueError(f"{marker}: not a JSON object")
        for key, kind in CELL.items():
            if not _is(told.get(key), kind):
                raise ValueError(f"{marker}: {key} must be {kind}, not {told.get(key)!r:.60}")
        if (told["env"], told["label"], told["model"]) not in order:
            missing.append({"cell": path, "reason": "finished, but not in the summary: run the suite again"})
            continue
        if torn(log):
            missing.append({"cell": path, "reason": "one episode: the last line of its log is half-written"})
        cells.append(Played(path, log, *(told[key] for key in CELL)))
    return tuple(sorted(cells, key=lambda c: (order[c.env, c.label, c.model], c.seed))), missing


def torn(log: Path) -> bool:
    """Whether a log ends in the middle of a line."""
    with log.open("rb") as handle:
        if handle.seek(0, 2) == 0:
            return False
        handle.seek(-1, 2)
        return handle.read() != b"\n"


def slug(label: str) -> str:
    """A label as the suite writes it into paths."""
    return label.replace(" ", "-")
