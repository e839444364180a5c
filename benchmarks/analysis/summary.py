"""results.json and summary.json: everything a suite may say, from its committed cells alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optima_agents.results.summary import Measured
from optima_train.run.files import read_json, write_json
from optima_train.run.stage import StageError

from ..suite.cells import Cell, Plan
from ..suite.measures import read_log
from ..suite.running import EPISODES, MARKER, committed
from . import curves
from .stats import Line, matched, paired, table


def write_summary(plan: Plan, out: Path, reasons: Mapping[str, str]) -> dict[str, Any]:
    """Write both files and return the summary. ``reasons`` says why cells are missing, by path.

    What is missing is listed, and no line of a table stands for more than the seeds it names. Raises StageError when
    no cell is finished, ValueError for logs of other versions of an environment.
    """
    done = [cell for cell in plan.cells if committed(plan, cell, out)]
    missing = [
        {
            "cell": cell.path,
            "label": cell.label,
            "env": cell.arena.label,
            "model": cell.model,
            "seed": cell.seed,
            "reason": reasons.get(cell.path, "not played yet"),
        }
        for cell in plan.cells
        if cell not in done
    ]
    if not done:
        causes = "; ".join(dict.fromkeys(entry["reason"] for entry in missing))
        raise StageError(f"{out} has no results: {causes}")
    write_json(out / "results.json", [read_json(cell.folder(out) / MARKER) for cell in done])
    lines = gather(done, out)
    at_budgets = matched(lines, plan.suite.budgets)
    drawn, absent = draw(plan, lines, out)
    drawn += curves.budgets(at_budgets, {a.label: a.scenario.metric.name for a in plan.arenas})
    summary = {
        "name": plan.suite.name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "envs": [arena.label for arena in plan.arenas],
        "versions": {arena.label: arena.scenario.id for arena in plan.arenas},
        "rows": table(lines),
        "paired": paired(lines, plan.suite.reference),
        "matched": at_budgets,
        "curves": drawn,
        "plateaus": curves.plateaus(drawn),
        "missing": missing + absent,
        "not_applicable": [{"label": label, "env": env, "reason": why} for label, env, why in plan.skipped],
    }
    write_json(out / "summary.json", summary)
    return summary


def gather(cells: Sequence[Cell], out: Path) -> list[Line]:
    """Finished cells as lines: seeds of one method, environment and model together."""
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.arena.label, cell.label, cell.model), []).append(cell)
    lines = []
    for group in groups.values():
        rows = [row for cell in group for row in read_whole(cell, out)]
        lines.append(Line(group[0], tuple(cell.seed for cell in group), tuple(rows)))
    return lines


def read_whole(cell: Cell, out: Path) -> list[Measured]:
    """A finished cell's episodes. Raises ValueError when its log is not as it was committed."""
    log = cell.folder(out) / EPISODES
    rows = read_log(log, cell.arena)
    count = read_json(log.with_name(MARKER))["episodes"]
    if len(rows) != count:
        raise ValueError(f"{log} holds {len(rows)} whole episodes, {count} were committed; delete {log.parent}")
    return rows


def draw(plan: Plan, lines: Sequence[Line], out: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The curves asked for, and those that cannot be drawn yet as entries of ``missing``."""
    drawn: list[dict[str, Any]] = []
    absent: list[dict[str, Any]] = []
    for curve in plan.suite.curves:
        try:
            if curve.kind == "scaling":
                drawn += curves.scaling(lines, curve)
            else:
                drawn += curves.iterations(plan.suite.models, curve, out)
        except (ValueError, OSError) as err:
            absent.append({"cell": f"curve {curve.kind} of {', '.join(curve.of)}", "reason": str(err)})
    return drawn, absent
