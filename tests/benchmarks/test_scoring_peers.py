"""The comparison of scorers: ours is right on every answer it holds, peers are asked where they are installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scoring_peers import (
    PEERS,
    Case,
    built_in,
    contenders,
    counts,
    main,
    ordinary,
    ours,
    read_cases,
    verdicts,
)

pytest.importorskip("math_verify")


def test_our_metrics_are_right_on_the_built_in_answers() -> None:
    cases = built_in()
    assert len(cases) > 150 and {case.metric for case in cases} == {"choice", "number", "math", "em"}
    assert sum(case.right for case in cases) > 60 < sum(not case.right for case in cases)
    assert not [case for case, right in zip(cases, verdicts(cases, ours), strict=True) if not right]


def test_peers_are_asked_where_they_are_installed_and_a_line_tells_of_the_others() -> None:
    found, missing = contenders()
    assert len(found) + len(missing) == 1 + len(PEERS)
    assert "optima" in found and any(name.startswith("math-verify") for name in found)
    assert all("was not asked" in line for line in missing)


def test_an_exception_is_a_wrong_verdict_and_no_scorer_is_none() -> None:
    def peer(metric: str, answer: str, golds: object) -> bool | None:
        if metric == "em":
            return None
        return answer == "7" or bool(1 / 0)

    cases = [Case("a", "number", "7", ("7",), True), Case("a", "number", "8", ("7",), False)]
    cases.append(Case("b", "em", "x", ("x",), True))
    told = verdicts(cases, peer)
    assert told == [True, False, None]
    rows = counts(cases, {"peer": told})
    assert [row["peers"]["peer"] for row in rows] == [
        {"right": 1, "asked": 2},
        {"right": 0, "asked": 0},
        {"right": 1, "asked": 2},
    ]


def test_a_file_of_cases_is_scored_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"kind": "k", "input": {"metric": "number", "answer": "\u20137", "golds": ["-7"]}, "expected": 1},
        {"kind": "k", "input": {"metric": "number", "answer": "7", "golds": ["-7"]}, "expected": 0},
        {"kind": "other", "input": {"format": "tag", "text": "x"}, "expected": None},
    ]
    given, out = tmp_path / "cases.json", tmp_path / "out.json"
    given.write_text(json.dumps(rows), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["scoring_peers", "--cases", str(given), "--json", str(out)])
    assert main() == 0
    (row, total) = json.loads(out.read_text(encoding="utf-8"))
    assert row["peers"]["optima"] == total["peers"]["optima"] == {"right": 2, "asked": 2}
    given.write_text(json.dumps([{"kind": "k", "input": {"metric": "em"}}]), encoding="utf-8")
    with pytest.raises(ValueError, match="case 1: KeyError 'golds'"):
        read_cases(given)


def test_ordinary_answers_can_be_timed(tmp_path: Path) -> None:
    assert len(set(ordinary(200))) > 100 and ordinary(5) == ordinary(5)
    out = tmp_path / "time.json"
    command = [sys.executable, "-m", "benchmarks.scoring_peers", "--time", "12", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "12 ordinary answers" in done.stdout
    assert json.loads(out.read_text(encoding="utf-8"))["answers"] == 12
