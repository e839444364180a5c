"""Tables: what was written reads back, in every form, and what is missing is seen."""

from __future__ import annotations

import csv
import json
import re

import pytest
from support.bench_run import METHODS, write_bench

from benchmarks.report import tables
from benchmarks.report.directory import Bench, load


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    found = load(write_bench(tmp_path_factory.mktemp("tables") / "bench", count=8))
    tables.write(found)
    return found


def read_csv(bench: Bench, name: str) -> list[dict[str, str]]:
    with (bench.directory / f"tables/{name}.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def cells(line: str) -> list[str]:
    """The cells of a markdown row as a reader sees them."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line.strip())[1:-1]
    return [re.sub(r"\\(.)", r"\1", part.strip()) for part in parts]


def test_every_table_has_three_forms(bench: Bench):
    names = {"results", "paired", "matched", "curves", "plateaus", "missing", "not-applicable"}
    files = {path.name for path in (bench.directory / "tables").iterdir()}
    assert files == {f"{name}{suffix}" for name in names for suffix in (".md", ".csv", ".json")}


def test_csv_keeps_every_digit(bench: Bench):
    rows = read_csv(bench, "results")
    assert len(rows) == len(bench.rows) == 2 * len(METHODS)
    for told, row in zip(rows, bench.rows, strict=True):
        for name in ("score", "tokens", "prompt_tokens", "cached_share", "calls"):
            assert float(told[name]) == row[name]
        assert [float(told["score_low"]), float(told["score_high"])] == row["score_ci"]
        assert [int(seed) for seed in told["seeds"].split()] == row["seeds"]
        assert (told["label"], told["block"], told["pareto"]) == (row["label"], row["block"], str(row["pareto"]))


def test_json_is_the_summary_and_what_is_missing(bench: Bench):
    rows = json.loads((bench.directory / "tables/results.json").read_text())
    assert [{**row, "missing": 0} for row in rows] == [{**row, "missing": 0} for row in bench.rows]
    assert [row["label"] for row in rows if row["missing"]] == ["debate"]
    assert json.loads((bench.directory / "tables/paired.json").read_text()) == bench.summary["paired"]


def test_curves_are_one_row_per_point(bench: Bench):
    rows = read_csv(bench, "curves")
    assert len(rows) == sum(len(line["x"]) for curve in bench.summary["curves"] for line in curve["series"])
    last = [row for row in rows if row["id"] == "iterations"]
    assert [(float(row["x"]), float(row["low"])) for row in last] == [(-1, 0.2), (0, 0.5), (1, 0.8)]
    assert {row["low"] for row in rows if row["id"] != "iterations"} == {""}


def test_the_main_page_has_a_section_per_environment_and_block(bench: Bench):
    text = (bench.directory / "tables/results.md").read_text()
    marks = ["## twohop-asym", *tables.BLOCKS.values(), "## arith-debate", "## Not applicable", "## Missing runs"]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places) and text.count("## twohop-asym") == 1
    line = next(cells(line) for line in text.splitlines() if line.startswith("| dialogue (trained)"))
    row = next(row for row in bench.rows if row["label"] == "dialogue (trained)")
    low, high = row["score_ci"]
    assert line[0] == row["label"] and line[2] == f"{row['score']:.3f} [{low:.3f}, {high:.3f}]" and line[4] == "yes"
    debate = [cells(line) for line in text.splitlines() if line.startswith("| debate")]
    assert [len(debate[1]) - len(debate[0]), debate[1][-1]] == [1, "1"], "runs are missing in one environment only"


def test_a_budget_nobody_meets_has_no_row(bench: Bench):
    at = [row for row in read_csv(bench, "matched") if row["env"] == "twohop-asym"]
    assert {row["label"] for row in at if row["budget"] == "16"} == {"dialogue (trained)"}
