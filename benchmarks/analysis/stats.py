"""What a comparison may claim: intervals, paired tests, score at matched tokens, and the Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from optima_agents.results.intervals import bootstrap
from optima_agents.results.summary import Measured, by_instance
from optima_train.analysis.comparison import difference

from ..suite.cells import Arena, Cell
from ..suite.measures import head, numbers
from .subsampling import prefixes


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the main table: all finished seeds of one method, environment and model."""

    cell: Cell
    seeds: tuple[int, ...]
    rows: tuple[Measured, ...]

    @property
    def arena(self) -> Arena:
        return self.cell.arena

    @property
    def label(self) -> str:
        return self.cell.label

    def samples(self) -> dict[str, dict[int, list[Measured]]]:
        """Rows by instance and seed."""
        found: dict[str, dict[int, list[Measured]]] = {}
        for row in self.rows:
            found.setdefault(row.instance, {}).setdefault(row.seed, []).append(row)
        return found


def table(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """A row per line: means over instances of the means over seeds and samples, with 95% intervals."""
    rows = [{**head(line.cell), "seeds": list(line.seeds), **numbers(line.rows)} for line in lines]
    for row in rows:
        row["pareto"] = on_front(row, rows)
    return rows


def on_front(row: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether no other fair method of the environment scores as much with as few tokens and is better in one of both.

    Methods that see what no agent sees, or are told the score, are on no front; nor are those that failed in all.
    """
    rivals = [other for other in rows if other["env"] == row["env"] and _compares(other)]
    beaten = any(
        other["score"] >= row["score"]
        and other["tokens"] <= row["tokens"]
        and (other["score"], other["tokens"]) != (row["score"], row["tokens"])
        for other in rivals
    )
    return _compares(row) and not beaten


def _compares(row: Mapping[str, Any]) -> bool:
    return row["block"] == "fair" and row["failures"] < row["episodes"]


def paired(lines: Sequence[Line], reference: str | None) -> list[dict[str, Any]]:
    """Each line against the reference of its environment (where it does not play: the first line), per instance.

    ``diff`` is b minus a with a 95% interval; ``p`` is two-sided, from the paired bootstrap, and ``p_holm`` corrected
    for the number of tests in the environment (Holm 1979).
    """
    found = []
    for here in by_env(lines):
        first = next((line for line in here if line.label == reference), here[0])
        base = by_instance(first.rows)
        tests = []
        for line in here:
            if line is first:
                continue
            other = by_instance(line.rows)
            common = sorted(base.keys() & other.keys())
            gap = difference("score", [base[key].score for key in common], [other[key].score for key in common], seed=0)
            tests.append(
                {
                    "env": line.arena.label,
                    "model": line.cell.model,
                    "a": first.label,
                    "b": line.label,
                    "diff": gap.difference,
                    "ci": list(gap.interval),
                    "p": gap.p,
                    "n": len(common),
                }
            )
        for test, adjusted in zip(tests, holm([test["p"] for test in tests]), strict=True):
            test["p_holm"] = adjusted
        found += tests
    return found


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down rule, in the order given."""
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, values[place] * (len(values) - rank)))
        adjusted[place] = highest
    return adjusted


def matched(lines: Sequence[Line], budgets: Sequence[int]) -> list[dict[str, Any]]:
    """Scores when no episode may cost more than a budget of completion tokens.

    An episode over the budget scores 0; a method with several samples per instance votes over as many as fit.
    """
    found = []
    for here in by_env(lines):
        profiles = [profile(line) for line in here]
        for budget in budgets:
            rows = []
            for line, instances in zip(here, profiles, strict=True):
                scores = [fmean(seed.within(budget) for seed in seeds) for seeds in instances.values()]
                interval = bootstrap(scores, resamples=2_000)
                rows.append({"label": line.label, "score": fmean(scores), "ci": interval, "n": len(scores)})
            found.append({"env": here[0].arena.label, "budget": budget, "rows": rows})
    return found


def profile(line: Line) -> dict[str, list[Any]]:
    """The ``Prefixes`` of each instance, one per seed: runs of different seeds never vote together."""
    metric = line.arena.scenario.metric
    return {instance: [prefixes(rows, metric) for rows in seeds.values()] for instance, seeds in line.samples().items()}


def by_env(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines of each environment, in order."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.arena.label, []).append(line)
    return list(groups.values())
