"""Curves: score against samples and tokens, from episodes sampled once; score and tokens over training iterations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from optima_agents.results.intervals import bootstrap
from optima_envs.spec import parse_id
from optima_train.config.loading import ConfigError
from optima_train.run.files import read_json
from optima_train.run.layout import RunDirectory
from optima_train.trained import trained

from ..suite.models import run_directory
from ..suite.settings import Curve, ModelChoice
from .stats import Line, by_env
from .subsampling import coverage, prefixes

RESAMPLES = 2_000
NEAR = 0.01  # a plateau counts as reached from here below its top, so that its cost is not overstated
Points = list[tuple[float, list[float]]]  # x, and the value of every instance there


def scaling(lines: Sequence[Line], curve: Curve) -> list[dict[str, Any]]:
    """Self-consistency (the score of a vote) and coverage (the best score) of k of n samples, for k = 1, 2, 4 ... n;
    against k and against the completion tokens of k samples (paper Fig. 3). Seeds are pooled: they are samples too.

    Raises ConfigError for a method with a single sample per instance.
    """
    found = []
    for here in by_env([line for line in lines if line.cell.method and line.cell.method.called in curve.of]):
        env, metric = here[0].arena.label, here[0].arena.scenario.metric.name
        data = [(line.label, _measured(line)) for line in here]
        for kind, title in (("consistency", "Self-consistency"), ("coverage", "Coverage")):
            for axis, x_label in (("samples", "samples per question"), ("tokens", "completion tokens per question")):
                series = [_series(label, points[kind], points[axis]) for label, points in data]
                found.append(
                    _curve(f"{kind}-{axis}-{env}", f"{title} against {axis}", env, x_label, metric, True, series)
                )
    return found


def _measured(line: Line) -> dict[str, Any]:
    """Values of every instance at each k, and the x of each k."""
    pools = [[row for rows in seeds.values() for row in rows] for seeds in line.samples().values()]
    n = min(len(pool) for pool in pools)
    if n < 2:
        raise ConfigError(f"curves: {line.label} has one sample per instance; give its method samples: 16, say")
    metric = line.arena.scenario.metric
    votes = [prefixes(pool[:n], metric) for pool in pools]
    sizes = powers(n)
    cost = fmean(row.tokens for pool in pools for row in pool[:n])
    return {
        "samples": [float(k) for k in sizes],
        "tokens": [cost * k for k in sizes],
        "consistency": [[vote.vote(k) for vote in votes] for k in sizes],
        "coverage": [[coverage([row.score for row in pool[:n]], k) for pool in pools] for k in sizes],
    }


def powers(n: int) -> list[int]:
    """1, 2, 4, ... below ``n``, and ``n``."""
    return [2**i for i in range(n.bit_length()) if 2**i < n] + [n]


def _series(label: str, values: Sequence[list[float]], x: Sequence[float]) -> dict[str, Any]:
    edges = [bootstrap(at, resamples=RESAMPLES) for at in values]
    low, high = [edge[0] for edge in edges], [edge[1] for edge in edges]
    return {"label": label, "x": list(x), "y": [fmean(at) for at in values], "low": low, "high": high}


def budgets(matched: Sequence[Mapping[str, Any]], metric_of: Mapping[str, str]) -> list[dict[str, Any]]:
    """Score within a budget of completion tokens, a series per method, from ``stats.matched``."""
    found = []
    for env, metric in metric_of.items():
        points = [entry for entry in matched if entry["env"] == env]
        series: dict[str, dict[str, Any]] = {}
        for entry in points:
            for row in entry["rows"]:
                line = {"label": row["label"], "x": [], "y": [], "low": [], "high": []}
                line = series.setdefault(row["label"], line)
                for name, value in (("x", entry["budget"]), ("y", row["score"]), ("low", row["ci"][0]),
                                    ("high", row["ci"][1])):  # fmt: skip
                    line[name].append(value)
        if series:
            x_label = "completion tokens an episode may cost"
            found.append(
                _curve(f"budget-{env}", "Score within a budget", env, x_label, metric, True, list(series.values()))
            )
    return found


def iterations(models: Sequence[ModelChoice], curve: Curve, out: Path) -> list[dict[str, Any]]:
    """Held-out score and tokens over the iterations of training runs (paper Fig. 1); 0 is the model they began with.

    Raises ConfigError for a model without a training run, or one that is not finished.
    """
    by_world: dict[str, list[tuple[str, list[dict[str, Any]]]]] = {}
    for label in curve.of:
        model = next(model for model in models if model.label == label)
        directory = run_directory(model, out)
        if directory is None:
            raise ConfigError(f"curves: {label} was not trained: iterations are of models with run or train")
        config, _ = trained(directory, None)
        by_world.setdefault(parse_id(config.env.id)[1], []).append((label, read_json(RunDirectory(directory).results)))
    found = []
    for env, runs in by_world.items():
        for name, y_label in (("score", "score"), ("tokens", "completion tokens per dialogue")):
            series = [_of_run(label, rows, name) for label, rows in runs]
            title = f"{name.capitalize()} over iterations"
            found.append(
                _curve(f"iterations-{name}-{env}", title, env, "iterations of training", y_label, False, series)
            )
    return found


def _of_run(label: str, rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    edges = [row.get(f"{name}_ci") for row in rows]
    whole = all(edge is not None for edge in edges)
    low, high = ([edge[side] for edge in edges if edge] if whole else None for side in (0, 1))
    x, y = [row["iteration"] + 1 for row in rows], [row[name] for row in rows]
    return {"label": label, "x": x, "y": y, "low": low, "high": high}


def plateaus(curves: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many tokens each other method needs for the plateau of the first one's self-consistency (paper section 3.3).

    The plateau is the first method's highest score; its cost is where it first comes within ``NEAR`` of that, and a
    method has reached it where it scores as much. ``share`` is null for one that never does.
    """
    found = []
    for curve in curves:
        if not curve["id"].startswith("consistency-tokens-"):
            continue
        first, *others = curve["series"]
        top = max(first["y"])
        cost = next(x for x, y in zip(first["x"], first["y"], strict=True) if y >= top - NEAR)
        for other in others:
            reached = next((x for x, y in zip(other["x"], other["y"], strict=True) if y >= top), None)
            share = None if reached is None else reached / cost
            found.append({"env": curve["env"], "of": first["label"], "plateau": top, "tokens": cost,
                          "by": other["label"], "reached": reached, "share": share})  # fmt: skip
    return found


def _curve(
    name: str,
    title: str,
    env: str,
    x: str,
    y: str,
    log_x: bool,
    series: list[dict[str, Any]],
) -> dict[str, Any]:
    return {"id": name, "title": title, "env": env, "x_label": x, "y_label": y, "log_x": log_x, "series": series}
