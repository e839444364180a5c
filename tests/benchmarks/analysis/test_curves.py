"""Curves: against brute force over all subsets, and from a training run's own table."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from support import small_suites
from support.small_suites import make, opened, play

from benchmarks.analysis.curves import plateaus, powers
from benchmarks.analysis.summary import write_summary
from benchmarks.suite.planning import plan
from optima_train.config.loading import ConfigError
from optima_train.config.settings import TrainConfig
from optima_train.methods import METHODS
from optima_train.run.engines import ModelRef
from optima_train.run.stage import Stage, StageContext, StageKind, StageResult
from optima_train.stages.evaluate import Evaluate

SAMPLED = [{"name": "small-lucky", "samples": 5}, {"name": "small-even", "samples": 5}, "small-right"]
SCALING = [{"kind": "scaling", "of": ["small-lucky", "small-even"]}]


def test_votes_and_coverage_against_samples_and_tokens(tmp_path: Path):
    summary = play(tmp_path, methods=SAMPLED, curves=SCALING)
    curves = {curve["id"]: curve for curve in summary["curves"]}
    assert set(curves) == {
        *(f"{kind}-{axis}-twohop-asym" for kind in ("consistency", "coverage") for axis in ("samples", "tokens")),
        "budget-twohop-asym",
    }
    lucky, even = curves["consistency-samples-twohop-asym"]["series"]
    assert (lucky["label"], even["label"]) == ("small-lucky", "small-even")
    # samples 0 and 3 of five agree on the truth, the others stand alone; the vote over all orders, by brute force
    scores = [1, 0, 0, 1, 0]

    def vote(order: tuple[int, ...]) -> int:
        return scores[order[0]] if sum(scores[i] for i in order) < 2 else 1

    assert lucky["x"] == [1, 2, 4, 5]
    for k, y in zip(lucky["x"], lucky["y"], strict=True):
        assert y == pytest.approx(fmean(vote(order) for order in permutations(range(5), int(k))), abs=0.06)
    assert even["y"] == [0.5] * 4  # the same answer every time: samples are no help
    assert curves["coverage-samples-twohop-asym"]["series"][0]["y"] == pytest.approx([0.4, 0.7, 1.0, 1.0])
    tokens = curves["coverage-tokens-twohop-asym"]
    assert tokens["log_x"] is True
    assert (tokens["series"][0]["x"], tokens["series"][1]["x"]) == ([6, 12, 24, 30], [12, 24, 48, 60])
    for curve in curves.values():
        for line in curve["series"]:
            for low, y, high in zip(line["low"], line["y"], line["high"], strict=True):
                assert low - 1e-9 <= y <= high + 1e-9


def test_the_budget_curve_counts_samples_that_fit(tmp_path: Path):
    summary = play(tmp_path, methods=SAMPLED, curves=[], budgets=[5, 6, 12, 60])
    series = {line["label"]: line for line in summary["curves"][0]["series"]}
    assert series["small-right"]["y"] == [0, 1, 1, 1]
    assert series["small-even"]["y"] == [0, 0, 0.5, 0.5]
    assert series["small-lucky"]["y"][0] == 0
    assert series["small-lucky"]["y"][3] == 1


def test_no_number_tells_which_episode_ended_first(tmp_path: Path):
    first = play(tmp_path, methods=SAMPLED, curves=SCALING, budgets=[5, 6, 12, 60])
    for path in (tmp_path / "cells").rglob("episodes.jsonl"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        head, rows = [line for line in lines if '"key"' not in line], [line for line in lines if '"key"' in line]
        path.write_text("".join([*head, *random.Random(1).sample(rows, len(rows))]), encoding="utf-8")
    planned = plan(make(methods=SAMPLED, curves=SCALING, budgets=[5, 6, 12, 60]))
    again = write_summary(planned, tmp_path, {})
    assert {**again, "created": None} == {**first, "created": None}


def test_a_curve_that_cannot_be_drawn_is_missing_with_its_reason(tmp_path: Path):
    summary = play(
        tmp_path, curves=[{"kind": "scaling", "of": ["small-right"]}, {"kind": "iterations", "of": ["base"]}]
    )
    told = {entry["cell"]: entry["reason"] for entry in summary["missing"]}
    assert "samples: 16" in told["curve scaling of small-right"]
    assert "base was not trained" in told["curve iterations of base"]
    assert [curve["id"] for curve in summary["curves"]] == ["budget-twohop-asym"]


def test_the_plateau_by_hand():
    def series(label: str, x: list[float], y: list[float]) -> dict:
        return {"label": label, "x": x, "y": y, "low": None, "high": None}

    curve = {"id": "consistency-tokens-w", "env": "w", "series": [
        series("untrained", [100, 200, 400, 800], [0.3, 0.5, 0.595, 0.6]),
        series("trained", [20, 40], [0.55, 0.7]), series("other", [10, 20], [0.1, 0.2])]}  # fmt: skip
    trained, other = plateaus([curve, {**curve, "id": "coverage-tokens-w"}])
    # within 0.01 of its top the untrained one is at 400 tokens already, so that its cost is not overstated
    assert (trained["plateau"], trained["tokens"], trained["reached"], trained["share"]) == (0.6, 400, 40, 0.1)
    assert (other["by"], other["reached"], other["share"]) == ("other", None, None)


@pytest.mark.parametrize(("n", "expected"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])])
def test_powers(n: int, expected: list[int]):
    assert powers(n) == expected


class Teach:
    """A training stage that leaves a folder for a model."""

    name = "train"
    kind: StageKind = "training"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        (ctx.out / "model").mkdir()
        return StageResult({}, ModelRef("model"))


@METHODS.register("small-teaching")
def small_teaching(config: TrainConfig) -> Callable[[int], tuple[Stage, ...]]:
    def stages(iteration: int) -> tuple[Stage, ...]:
        return Teach(), Evaluate()

    return stages


def test_iterations_of_a_run_and_its_models(tmp_path: Path):
    overrides = ["method=small-teaching", "backend=opened", "model=untaught", "dtype=null", "evaluate.instances=4",
                 "evaluate.nll=false", "iterations=2", "isolation=inline", "reward.weights={task: 1.0}"]  # fmt: skip
    recipe = {"recipe": "quickstart", "overrides": overrides}
    models = [
        {"label": "taught", "train": recipe},
        {"label": "first", "train": recipe, "iteration": 0},
        {"label": "before", "train": recipe, "iteration": -1},
    ]
    changes: dict[str, Any] = {
        "models": models,
        "methods": [{"name": "small-right", "models": ["taught", "first", "before"]}],
        "curves": [{"kind": "iterations", "of": ["taught"]}],
    }
    opened.clear()
    summary = play(tmp_path / "bench", **changes)
    (run,) = (tmp_path / "bench" / "trained").iterdir()  # one training, three of its models
    assert summary["missing"] == []
    assert {str(run / "it001/train/model"), str(run / "it000/train/model")} <= set(opened)
    assert opened[-2:] == ["untaught", "untaught closed"]  # what the run began with
    curve = summary["curves"][0]
    assert (curve["id"], curve["series"][0]["x"]) == ("iterations-score-twohop-asym", [0, 1, 2])
    assert curve["series"][0]["y"] == [row["score"] for row in json.loads((run / "results.json").read_text())]

    opened.clear()
    assert play(tmp_path / "bench", **changes)["rows"] == summary["rows"]
    assert opened == []  # trained and played once
    (run / "it001/train/DONE.json").unlink()
    for iteration, told in ((None, "has not done it001/train yet; finish it with: optima resume"), (7, "not 7")):
        unready = {"label": "x", "run": str(run), "iteration": iteration}
        with pytest.raises(ConfigError, match=told):
            plan(small_suites.make(**{**changes, "models": [*models, unready]}))
