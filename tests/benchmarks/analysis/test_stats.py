"""Statistics: hand-computed scores at budgets and fronts, tests that find what is there and nothing else."""

from __future__ import annotations

import random
from itertools import combinations
from statistics import fmean
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.analysis.stats import Line, holm, matched, on_front, paired, table
from benchmarks.analysis.subsampling import coverage, prefixes
from benchmarks.suite.measures import Measured, numbers
from optima_envs.scoring.metrics import METRICS

ARENA: Any = SimpleNamespace(label="world", scenario=SimpleNamespace(id="acme/world-v0", metric=METRICS["f1"]))


def row(
    instance: int, score: float, tokens: int, *, seed: int = 0, sample: int = 0, answer: str | None = None
) -> Measured:
    said = answer if answer is not None else ("gold" if score else "lead")
    return Measured(f"q{instance}", seed, sample, score, score == 1, tokens, 40, 10, 2, 2, 1.5, None, 0, said)


def line(label: str, rows: list[Measured], block: str = "fair") -> Line:
    method = SimpleNamespace(name=label, called=label)
    cell: Any = SimpleNamespace(label=label, block=block, method=method, arena=ARENA, model="base")
    return Line(cell, tuple(sorted({r.seed for r in rows})), tuple(rows))


def test_means_are_over_instances_of_means_over_seeds():
    rows = [row(0, 1, 10), row(0, 0, 30, seed=1), row(1, 1, 20), row(1, 1, 20, seed=1)]
    found = numbers(rows)
    assert (found["n"], found["episodes"], found["score"], found["tokens"]) == (2, 4, 0.75, 20)
    assert (found["score_ci"], found["cached_share"]) == ([0.5, 1.0], 0.25)
    failed = [row(0, 1, 5), Measured("q1", 0, 0, 0.0, False, 5, 0, 0, 1, 1, 1.0, "timeout", 2, None)]
    found = numbers(failed)
    assert (found["failures"], found["causes"], found["unanswered"], found["unparsed"]) == (1, {"timeout": 1}, 0.5, 1)


def test_the_front_by_hand():
    def entry(label: str, score: float, tokens: float, block: str = "fair", env: str = "world", failures: int = 0):
        row = {"label": label, "score": score, "tokens": tokens, "block": block, "env": env}
        return {**row, "failures": failures, "episodes": 4}

    rows = [entry("cheap", 0.2, 10), entry("good", 0.8, 50), entry("dear", 0.8, 60), entry("bad", 0.1, 20),
            entry("twin", 0.2, 10), entry("oracle", 0.9, 5, "oracle"),
            entry("broken", 0.0, 0, failures=4), entry("shaky", 0.0, 1, failures=3),
            entry("alone", 0.1, 99, env="other")]  # fmt: skip
    assert [r["label"] for r in rows if on_front(r, rows)] == ["cheap", "good", "twin", "shaky", "alone"]


def test_an_episode_over_the_budget_scores_nothing():
    plain = line("plain", [row(i, float(i % 2), 10 + i, seed=s) for i in range(4) for s in (0, 1)])
    by_budget = {entry["budget"]: entry["rows"][0] for entry in matched([plain], [9, 11, 13])}
    assert [by_budget[budget]["score"] for budget in (9, 11, 13)] == [0.0, 0.25, 0.5]
    assert by_budget[9]["n"] == 4


def test_several_samples_vote_within_the_budget():
    # 2 right answers of 3 at 10 tokens each: one sample is right in 2/3 of the orders, three samples always
    samples = [row(0, 1, 10, sample=s) for s in (0, 1)] + [row(0, 0, 10, sample=2)]
    found = prefixes(samples, METRICS["f1"], draws=3_000)
    assert found.within(9) == 0
    assert found.within(10) == found.vote(1) == pytest.approx(2 / 3, abs=0.03)
    # of two samples, the first settles a tie: right with 1/3 (both right) + 1/3 (right one first)
    assert found.vote(2) == pytest.approx(2 / 3, abs=0.03)
    assert found.vote(3) == found.within(1_000) == 1


def test_a_sample_without_an_answer_has_no_vote():
    silent = Measured("q0", 0, 1, 0.0, False, 10, 0, 0, 1, 1, 1.0, None, 1, None)
    assert prefixes([silent, row(0, 1, 10)], METRICS["f1"]).vote(2) == 1
    assert prefixes([silent, silent], METRICS["f1"]).vote(2) == 0


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=7), st.data())
def test_coverage_is_the_mean_best_of_all_subsets(scores: list[float], data: st.DataObject):
    k = data.draw(st.integers(1, len(scores)))
    assert coverage(scores, k) == pytest.approx(fmean(map(max, combinations(scores, k))))


def test_a_paired_test_finds_a_difference_that_means_alone_would_hide():
    rng = random.Random(0)
    hard = [float(rng.random() < 0.5) for _ in range(200)]  # questions differ far more than methods
    base = line("base", [row(i, s, 10) for i, s in enumerate(hard)])
    better = line("better", [row(i, max(s, float(i % 20 == 0)), 10) for i, s in enumerate(hard)])
    same = line("same", [row(i, s, 10) for i, s in enumerate(hard)])
    tests = {test["b"]: test for test in paired([better, base, same], "base")}
    assert tests["better"]["p"] < 0.05
    assert tests["better"]["ci"][0] > 0
    assert (tests["same"]["diff"], tests["same"]["p"], tests["same"]["n"]) == (0, 1, 200)
    assert {test["a"] for test in tests.values()} == {"base"}
    assert paired([better, base, same], None)[0]["a"] == "better"  # without a reference, the first
    assert paired([base], None) == []


def test_p_values_are_rarely_small_where_nothing_is():
    rng = random.Random(1)
    small = 0
    for _ in range(60):
        a, b = ([row(i, float(rng.random() < 0.5), 10) for i in range(60)] for _ in range(2))
        (test,) = paired([line("a", a), line("b", b)], "a")
        small += test["p"] < 0.05
    assert small <= 8  # 3 are expected


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_degenerate_tables_are_whole():
    one = line("one", [row(0, 0, 0)])
    (found,) = table([one])
    assert (found["score_ci"], found["pareto"]) == ([0, 0], True)
    assert matched([one], [1])[0]["rows"] == [{"label": "one", "score": 0.0, "ci": [0.0, 0.0], "n": 1}]
