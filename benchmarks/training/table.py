"""The table of a comparison of training methods: per label and iteration, means over seeds with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from optima_agents import EpisodeLog
from optima_agents.results.summary import measure, sum_up
from optima_train.analysis.metrics import metric
from optima_train.config.settings import Settings
from optima_train.report.tables import Table
from optima_train.run.files import read_json, read_lines, write_json, write_text
from optima_train.run.layout import RunDirectory

MEANS = ("turns", "guesses", "nll", "failures")
COLUMNS = (
    "label", "iteration", "seeds", "n", "score", "score_ratio", "tokens", "token_ratio", "sampled", "turns", "guesses",
    "nll", "failures", "seconds",
)  # fmt: skip


class Targets(Settings):
    """What the last iteration of every label should reach; null: nothing is asked."""

    score: float | None = None
    """At least."""
    score_ratio: Annotated[float, Field(gt=0)] | None = None
    """Score over the untrained team's, at least."""
    token_ratio: Annotated[float, Field(gt=0)] | None = None
    """Tokens over the untrained team's, at most."""
    seconds: Annotated[float, Field(gt=0)] | None = None
    """Of the slowest run, at most."""


Runs = Sequence[tuple[str, int, Path]]


def summarise(runs: Runs, failed: Mapping[tuple[str, int], str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows in the order of ``runs``, and the runs that are not finished, each with the reason.

    A row averages the seeds that have evaluated this iteration; ``seeds`` names them, so a mean over fewer is seen.
    ``seconds`` adds up the stages of a whole run, also those taken over from another, and is the slowest seed's;
    ``sampled`` is the mean of the tokens that were sampled to train on, by all iterations so far.
    """
    evaluated: dict[tuple[str, int], dict[int, tuple[Path, dict[str, Any]]]] = defaultdict(dict)
    missing, last, seconds = [], {}, defaultdict(float)
    sampled: dict[tuple[str, int], list[int]] = defaultdict(list)
    for label, seed, directory in runs:
        reason = _unfinished(directory)
        if reason:
            missing.append({"label": label, "seed": seed, "reason": failed.get((label, seed), reason)})
        run = RunDirectory(directory)
        stages = [*read_lines(run.metrics)] if run.metrics.is_file() else []
        for row in read_json(run.results) if run.results.is_file() else []:
            evaluated[label, row["iteration"]][seed] = run.of_iteration(row["iteration"], "evaluate").episodes, row
            before = [line for line in stages if line["iteration"] <= row["iteration"]]
            sampled[label, row["iteration"]].append(sum(line.get("sampled_tokens", 0) for line in before))
            if row["label"] == "final":
                last[label] = row["iteration"]
                seconds[label] = max(seconds[label], sum(line["seconds"] for line in stages))
    rows = []
    for label in dict.fromkeys(label for label, _, _ in runs):
        mine = sorted(iteration for name, iteration in evaluated if name == label)
        for iteration in mine:
            row = _row(label, iteration, evaluated[label, iteration])
            base = _shared(row, evaluated.get((label, -1), {}))
            row["score_ratio"] = row["score"] / base["score"] if base["score"] else None
            row["token_ratio"] = row["tokens"] / base["tokens"] if base["tokens"] else None
            spent = sampled[label, iteration]
            row["sampled"] = sum(spent) / len(spent) or None
            row["final"] = last.get(label) == iteration
            row["seconds"] = seconds[label] if row["final"] else None
            rows.append(row)
    return rows, missing


def _unfinished(directory: Path) -> str | None:
    run = RunDirectory(directory)
    if not run.state.is_file():
        return "not started"
    state = read_json(run.state)
    return None if state["next_step"] is None else f"stopped before {state['next_step']}"


def _row(label: str, iteration: int, seeds: Mapping[int, tuple[Path, Mapping[str, Any]]]) -> dict[str, Any]:
    """Means over the seeds; intervals by resampling instances, each with its mean over the seeds.

    The seeds answer the same instances, so resampling (seed, instance) pairs would count every instance as several.
    """
    found = sum_up(measure(episode) for log, _ in seeds.values() for episode in EpisodeLog.iterate(log))
    rows = [row for _, row in seeds.values()]
    out: dict[str, Any] = {
        "label": label,
        "iteration": iteration,
        "seeds": sorted(seeds),
        "n": found.n,
        "score": found.score,
        "score_ci": list(found.score_ci),
        "tokens": found.tokens,
        "tokens_ci": list(found.tokens_ci),
        "score_by_seed": {str(seed): row["score"] for seed, (_, row) in sorted(seeds.items())},
    }
    for name in MEANS:
        known = [row[name] for row in rows if row.get(name) is not None]
        out[name] = sum(known) / len(known) if known else None
    return out


def _shared(row: Mapping[str, Any], untrained: Mapping[int, tuple[Path, Mapping[str, Any]]]) -> dict[str, float]:
    """The untrained team's means over the same seeds as the row's."""
    found = [untrained[seed][1] for seed in row["seeds"] if seed in untrained]
    return {name: sum(r[name] for r in found) / len(found) if found else 0.0 for name in ("score", "tokens")}


def judge(row: Mapping[str, Any], targets: Targets) -> dict[str, bool]:
    """Each target asked of a final row, and whether it is met."""
    asked = targets.model_dump(exclude_none=True)
    return {
        name: row[name] is not None and (row[name] <= goal if metric(name).better == "lower" else row[name] >= goal)
        for name, goal in asked.items()
    }


def write_tables(
    out: Path, rows: list[dict[str, Any]], missing: Sequence[Mapping[str, Any]], targets: Targets
) -> list[str]:
    """Write ``table.json``, ``table.csv`` and ``table.md``; returns the lines of the last.

    Each final row gets ``targets`` (name -> met) and ``met``.
    """
    for row in rows:
        row["targets"] = judge(row, targets) if row["final"] else {}
        row["met"] = all(row["targets"].values())
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "table.json", {"rows": rows, "missing": list(missing), "targets": targets.model_dump()})
    write_text(out / "table.csv", Table(COLUMNS, rows).csv())
    lines = markdown(rows, missing, targets)
    write_text(out / "table.md", "\n".join(lines) + "\n")
    return lines


def markdown(rows: Sequence[Mapping[str, Any]], missing: Sequence[Mapping[str, Any]], targets: Targets) -> list[str]:
    """The table for people: a line per label and iteration, what is missing, and which targets are met."""
    named = [{**row, "iteration": iteration_name(row)} for row in rows]
    columns = [name for name in COLUMNS if name != "failures" or any(row["failures"] for row in rows)]
    lines = Table(columns, named, titles={"label": "method"}).markdown().splitlines()
    lines += [""] + [f"MISSING: {item['label']} seed {item['seed']}: {item['reason']}" for item in missing]
    for row in rows:
        for name, met in row["targets"].items():
            verdict = f"target {getattr(targets, name):g}: {'met' if met else 'MISSED'}"
            lines.append(f"{row['label']}: {name} {metric(name).show(row[name])}, {verdict}")
    return lines


def iteration_name(row: Mapping[str, Any]) -> str:
    """An iteration as readers see it."""
    return "untrained" if row["iteration"] < 0 else f"{row['iteration']}{' (final)' if row['final'] else ''}"
