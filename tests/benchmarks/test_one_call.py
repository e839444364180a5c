"""A comparison in one call: what it returns is what it wrote, and a second call plays nothing again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import bench
from optima_train import ConfigError

SUITE = {
    "name": "called",
    "envs": [{"id": "twohop-asym"}],
    "models": [{"label": "parrot", "backend": "fake:<A> olive </A>"}],
    "methods": ["dialogue", "cot-half"],
    "instances": 4,
}


def test_a_suite_as_a_mapping(tmp_path: Path):
    summary = bench(SUITE, tmp_path / "out", ["instances=3"], page=False)
    assert [(row["label"], row["episodes"]) for row in summary["rows"]] == [("dialogue", 3), ("cot-half", 3)]
    assert json.loads((tmp_path / "out/summary.json").read_text())["rows"] == summary["rows"]
    assert not (tmp_path / "out/report.html").exists()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("episodes.jsonl")}
    assert bench(SUITE, tmp_path / "out", ["instances=3"])["rows"] == summary["rows"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "out/report.html").is_file()


def test_a_suite_in_a_file_goes_where_its_name_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("called.yaml").write_text(json.dumps(SUITE), encoding="utf-8")
    assert len(bench("called.yaml", page=False)["rows"]) == 2
    assert (tmp_path / "runs/bench/called/results.json").is_file()
    with pytest.raises(ConfigError, match="methds"):
        bench({**SUITE, "methds": []}, page=False)
