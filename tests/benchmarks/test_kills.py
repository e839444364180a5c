"""The script of kills: what it counts, and a few kills of a real rollout."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from benchmarks import kills
from benchmarks.kills import Tally, compare, leavings, timeless, trial

WHOLE = {"episodes": {"a": ["1"], "b": ["2"]}, "weights": {"model": "x"}, "tables": {"results.json": [{"score": 1}]}}


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (lambda found: found["episodes"].pop("a"), "lost"),
        (lambda found: found["episodes"]["a"].append("1"), "doubled"),
        (lambda found: found["episodes"].update(a=["other"]), "different"),
        (lambda found: found["episodes"].update(c=["3"]), "different"),
        (lambda found: found["weights"].update(model="y"), "different"),
        (lambda found: found["weights"].clear(), "different"),
        (lambda found: found["tables"].update({"results.json": []}), "different"),
    ],
)
def test_whatever_is_not_as_it_was_is_counted(damage, field: str):
    found, tally = copy.deepcopy(WHOLE), Tally("train")
    compare(WHOLE, found, tally)
    assert tally.clean
    damage(found)
    compare(WHOLE, found, tally)
    assert getattr(tally, field) == 1 and not tally.clean


def test_times_count_for_nothing():
    row = {"score": 1.0, "seconds": 3.0, "inner": [{"created": "today", "n": 2}]}
    assert timeless(row) == {"score": 1.0, "inner": [{"n": 2}]}


@pytest.mark.slow
def test_a_killed_rollout_ends_as_one_that_nobody_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = ["--samples", "2", "--max-tokens", "8", "--max-turns", "2", "--concurrency", "2"]
    small = ["rollout", "twohop-asym", "--policy", "hf:tiny", "--option", "dtype=float64", "-n", "8", *log]
    monkeypatch.setitem(kills.COMMANDS, "rollout", small)
    tally = trial("rollout", 2, 2, 0, tmp_path)
    assert tally.clean and tally.instants == 2, tally.notes
    assert len(leavings("rollout", tmp_path / "rollout-0")["episodes"]) == 16
