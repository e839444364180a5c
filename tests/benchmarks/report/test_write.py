"""The report of a suite: what it writes, and what it says of directories that are damaged or incomplete."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from support.bench_run import METHODS, write_bench

from benchmarks.report import page, tables
from benchmarks.report import write as report
from benchmarks.report.directory import load
from optima_agents import EpisodeLog
from optima_envs.extras import install


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return write_bench(tmp_path / "bench", count=8)


def edit(path: Path, change) -> None:
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def test_everything_is_written_and_again(bench: Path):
    before = {path: path.read_bytes() for path in bench.rglob("*.json*")}
    assert report.write(bench) == bench / "report.html"
    assert {path.suffix for path in (bench / "tables").iterdir()} == {".md", ".csv", ".json"}
    assert {path.suffix for path in (bench / "plots").iterdir()} == {".png", ".svg"}
    made = {path: path.read_bytes() for path in bench.rglob("*") if path.is_file()}
    assert all(made[path] == text for path, text in before.items()), "the inputs are only read"
    page.write(load(bench))
    tables.write(load(bench))
    assert {path: path.read_bytes() for path in bench.rglob("*") if path.is_file()} == made


def test_without_matplotlib_the_rest_is_written(bench: Path, monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    report.write(bench)
    assert install("plots") in caplog.text
    assert (bench / "report.html").is_file() and (bench / "tables/results.md").is_file()


def test_no_results_is_a_clear_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"holds no benchmark results \(no summary\.json\)"):
        report.write(tmp_path)
    gone = {"cell": "cot/twohop-asym/tiny/seed0", "reason": "the engine died"}
    (tmp_path / "summary.json").write_text(json.dumps({"name": "x", "rows": [], "missing": [gone]}))
    with pytest.raises(ValueError, match=r"no results to report; 1 runs are missing: cot/.*: the engine died"):
        report.write(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["rows"][2].pop("score"), r"summary\.json: rows\[2\]\.score must be a number, not None"),
        (lambda s: s["rows"][0].update(score_ci=[0.1]), r"rows\[0\]\.score_ci must be an interval"),
        (lambda s: s["rows"][0].update(tokens=True), r"rows\[0\]\.tokens must be a number, not True"),
        (lambda s: s.update(paired={}), r"paired is no list"),
        (lambda s: s["curves"][0]["series"][0]["y"].pop(), r"curves\[0\]\.series\[0\]: x, y, low, high differ"),
        (lambda s: s["curves"][0]["series"][0].update(x=["a"]), r"curves\[0\]\.series\[0\]\.x must be a list of"),
        (lambda s: s["matched"][1]["rows"].append(3), r"matched\[1\]\.rows\[\d\] is no object"),
    ],
)
def test_a_damaged_summary_names_the_place(bench: Path, change, message: str):
    edit(bench / "summary.json", change)
    with pytest.raises(ValueError, match=message):
        report.write(bench)
    assert not (bench / "report.html").exists()


def test_no_json_names_the_file(bench: Path):
    (bench / "summary.json").write_text("{")
    with pytest.raises(ValueError, match=r"summary\.json: not JSON"):
        report.write(bench)


def test_mixed_versions_are_refused_by_name(bench: Path):
    log = bench / "cells/cot/twohop-asym/tiny/seed1/episodes.jsonl"
    log.write_text(log.read_text().replace("optima/twohop-asym-v0", "optima/twohop-asym-v1"))
    with pytest.raises(ValueError, match=r"mixed versions of twohop-asym .*-v0, cot/twohop-asym/tiny/seed1 .*-v1"):
        report.write(bench)
    assert not (bench / "report.html").exists()


def test_rows_of_two_versions_are_refused(bench: Path):
    def change(summary):
        for number, row in enumerate(row for row in summary["rows"] if row["env"] == "arith-debate"):
            row["version"] = f"optima/arith-debate-v{number // 3}"

    edit(bench / "summary.json", change)
    with pytest.raises(ValueError, match=r"mixed versions of arith-debate in one table: cot played .*-v0, .* -?.*v1"):
        report.write(bench)


def test_a_truncated_log_names_file_and_line(bench: Path):
    log = bench / "cells/cot/twohop-asym/tiny/seed0/episodes.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    lines[3] = lines[3][:200] + "\n"
    log.write_text("".join(lines))
    with pytest.raises(ValueError, match=r"cot/twohop-asym/tiny/seed0/episodes\.jsonl, line 4"):
        report.write(bench)
    assert not (bench / "report.html").exists()


def test_a_torn_last_line_is_counted(bench: Path):
    log = bench / "cells/cot/twohop-asym/tiny/seed0/episodes.jsonl"
    log.write_bytes(log.read_bytes()[:-40])
    found = load(bench)
    page.write(found)
    tables.write(found)
    assert [gone["reason"] for gone in found.missing if "cot/" in gone["cell"]] == [
        "one episode: the last line of its log is half-written"
    ]
    assert "half-written" in (bench / "tables/missing.csv").read_text()


def test_missing_runs_are_shown_as_missing(bench: Path):
    (bench / "cells/cot/twohop-asym/tiny/seed1/cell.json").unlink()
    found = load(bench)
    assert [(gone["cell"], gone["reason"]) for gone in found.missing] == [
        ("debate/arith-debate/tiny/seed1", "stopped by the user"),
        ("cot/twohop-asym/tiny/seed1", "not finished"),
    ]
    lacking = [(row["label"], row["env"]) for row in found.rows if found.incomplete(row)]
    assert lacking == [("cot", "twohop-asym"), ("debate", "arith-debate")]
    assert len(found.cells) == 2 * 2 * len(METHODS) - 2
    tables.write(found)
    text = (bench / "tables/results.md").read_text()
    assert "## Missing runs" in text and "stopped by the user" in text and "not finished" in text


def test_a_cell_of_no_row_is_named_and_not_shown(bench: Path):
    edit(bench / "summary.json", lambda s: s["rows"].pop(0))
    found = load(bench)
    assert "cot" not in {cell.label for cell in found.cells if cell.env == "twohop-asym"}
    assert sum("not in the summary" in gone["reason"] for gone in found.missing) == 2


def test_a_marker_without_a_label_is_refused(bench: Path):
    edit(bench / "cells/cot/twohop-asym/tiny/seed0/cell.json", lambda cell: cell.update(label=3))
    with pytest.raises(ValueError, match=r"seed0/cell\.json: label must be a text, not 3"):
        report.write(bench)


def test_cells_come_in_the_order_of_the_summary(bench: Path):
    labels = list(dict.fromkeys(cell.label for cell in load(bench).cells))
    assert labels == [label for label, *_ in METHODS]
    for cell in load(bench).cells:
        assert [e.to_json() for e in cell.episodes()] == [e.to_json() for e in EpisodeLog.read(cell.log)]


def test_optima_report_knows_a_suite_by_its_summary(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from optima_train.cli.main import main

    assert main(["report", str(bench)]) == 0
    assert (bench / "report.html").is_file() and "report.html" in capsys.readouterr().out
