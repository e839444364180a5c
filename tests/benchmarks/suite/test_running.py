"""Running a suite: resumed exactly, failures scored 0 and shown, nothing missing without being named."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest
from support import small_suites
from support.small_suites import opened, play

from benchmarks.analysis.summary import write_summary
from benchmarks.suite.planning import plan
from benchmarks.suite.running import run
from optima_agents import EpisodeLog
from optima_train.config.loading import ConfigError
from optima_train.run.failpoints import VARIABLE
from optima_train.run.stage import StageError


def keys(out: Path) -> dict[str, list[str]]:
    logs = sorted(out.glob("cells/*/*/*/seed*/episodes.jsonl"))
    return {str(log.parent.relative_to(out / "cells")): [str(e.key) for e in EpisodeLog.read(log)] for log in logs}


def test_the_directory_and_the_numbers(tmp_path: Path):
    opened.clear()
    summary = play(tmp_path, seeds=[0, 1], methods=["small-right", "small-even", "small-oracle"])
    assert opened == ["base", "base closed"]  # one engine start, whatever the number of cells
    assert {len(log) for log in keys(tmp_path).values()} == {6}
    assert (tmp_path / "suite.resolved.yaml").is_file()
    assert json.loads((tmp_path / "env.json").read_text())["packages"]["optima-marl"]
    right, even, oracle = summary["rows"]
    assert (right["label"], right["score"], right["tokens"], right["calls"], right["n"]) == ("small-right", 1, 6, 1, 6)
    assert (even["score"], even["tokens"], even["calls"], even["seeds"]) == (0.5, 12, 2, [0, 1])
    assert (right["pareto"], even["pareto"], oracle["pareto"], oracle["block"]) == (True, False, False, "oracle")
    assert summary["paired"][0] | {"ci": 0, "p": 0, "p_holm": 0} == {
        "env": "twohop-asym", "model": "base", "a": "small-right", "b": "small-even", "diff": -0.5, "n": 6, "ci": 0,
        "p": 0, "p_holm": 0,
    }  # fmt: skip
    assert summary["versions"] == {"twohop-asym": "optima/twohop-asym-v0"}
    assert summary["missing"] == []
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(row["label"], row["seed"]) for row in results] == [
        (label, seed) for label in ("small-right", "small-even", "small-oracle") for seed in (0, 1)
    ]


def test_a_second_run_plays_nothing(tmp_path: Path):
    first = play(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "cells").rglob("*.json*")}
    opened.clear()
    second = play(tmp_path)
    assert opened == []
    assert second | {"created": 0} == first | {"created": 0}
    assert {path: path.read_bytes() for path in before} == before


def killed(out: str, point: str) -> None:
    os.environ[VARIABLE] = point
    play(Path(out))


@pytest.mark.parametrize("point", ["small-right/twohop-asym/base/seed0:1", "small-even/twohop-asym/base/seed0:6"])
def test_a_kill_loses_and_doubles_nothing(tmp_path: Path, point: str):
    child = multiprocessing.get_context("fork").Process(target=killed, args=(str(tmp_path / "killed"), point))
    child.start()
    child.join()
    assert child.exitcode == -9
    cell = tmp_path / "killed" / "cells" / point.partition(":")[0]
    log = cell / "episodes.jsonl"
    assert log.is_file()
    assert not (cell / "cell.json").is_file()
    with log.open("ab") as torn:
        torn.write(b'{"schema": 1, "key"')
    rows = play(tmp_path / "killed")["rows"]
    whole = play(tmp_path / "whole")["rows"]
    assert [row | {"seconds": 0} for row in rows] == [row | {"seconds": 0} for row in whole]
    assert {name: sorted(log) for name, log in keys(tmp_path / "killed").items()} == {
        name: sorted(log) for name, log in keys(tmp_path / "whole").items()
    }


def test_failures_are_scored_zero_and_named(tmp_path: Path):
    summary = play(tmp_path, methods=["small-right", "small-broken", "small-endless"], episode_timeout=0.05)
    _, broken, endless = summary["rows"]
    assert (broken["score"], broken["failures"], broken["causes"], broken["tokens"]) == (0, 6, {"method": 6}, 6)
    assert (endless["score"], endless["failures"], endless["causes"]) == (0, 6, {"timeout": 6})
    (episode, *_) = EpisodeLog.read(tmp_path / "cells/small-broken/twohop-asym/base/seed0/episodes.jsonl")
    assert episode.error is not None
    assert episode.error.message == "ValueError: no such luck"
    assert len(episode.turns) == 1  # what it cost is counted


def test_missing_cells_are_named_and_never_averaged_over(tmp_path: Path):
    models = [{"label": name, "backend": f"opened:{name}"} for name in ("base", "mortal", "absent")]
    summary = play(tmp_path, models=models, seeds=[0, 1])
    assert {(row["label"], tuple(row["seeds"])) for row in summary["rows"]} == {
        ("small-right (base)", (0, 1)), ("small-even (base)", (0, 1)),
    }  # fmt: skip
    reasons = {entry["cell"]: entry["reason"] for entry in summary["missing"]}
    assert len(reasons) == 8
    assert reasons["small-right/twohop-asym/mortal/seed0"] == "the engine died: out of memory"
    assert reasons["small-even/twohop-asym/absent/seed1"] == "model absent: OSError: no such model"


def test_a_row_names_the_seeds_it_stands_for(tmp_path: Path):
    play(tmp_path, seeds=[0])
    planned = plan(small_suites.make(seeds=[0, 1]))
    summary = write_summary(planned, tmp_path, {})
    assert {tuple(row["seeds"]) for row in summary["rows"]} == {(0,)}
    assert {entry["cell"] for entry in summary["missing"]} == {
        "small-right/twohop-asym/base/seed1", "small-even/twohop-asym/base/seed1",
    }  # fmt: skip


def test_only_some_methods_now(tmp_path: Path):
    first = play(tmp_path, only=("small-even",))
    assert [row["label"] for row in first["rows"]] == ["small-even"]
    assert [entry["reason"] for entry in first["missing"]] == ["left out by --only"]
    assert [row["label"] for row in play(tmp_path)["rows"]] == ["small-right", "small-even"]


def test_no_results_is_an_error(tmp_path: Path):
    with pytest.raises(StageError, match="no results: model base: OSError: no such model"):
        play(tmp_path, models=[{"label": "base", "backend": "opened:absent"}])


def test_other_settings_are_refused(tmp_path: Path):
    play(tmp_path)
    with pytest.raises(ConfigError, match="was played with instances 6, not 5"):
        play(tmp_path, instances=5)
    with pytest.raises(ConfigError, match="sampling"):
        play(tmp_path, sampling={"temperature": 1.0})
    assert len(play(tmp_path, methods=["small-right", "small-even", "small-lucky"])["rows"]) == 3  # more is welcome


def test_a_strange_directory_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match=r"thesis\.tex"):
        run(plan(small_suites.make()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_mixed_versions_and_damaged_logs_are_refused(tmp_path: Path):
    play(tmp_path)
    log = tmp_path / "cells/small-even/twohop-asym/base/seed0/episodes.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([*lines[:-1], lines[-1].replace("twohop-asym-v0", "twohop-asym-v9")]))
    with pytest.raises(ValueError, match=r"twohop-asym-v9, but twohop-asym is optima/twohop-asym-v0 now"):
        play(tmp_path)
    log.write_text("".join(lines[:-1]) + lines[-1][:40])
    with pytest.raises(ValueError, match="holds 5 whole episodes, 6 were committed"):
        play(tmp_path)
    log.write_text("".join([lines[0], "{}\n", *lines[2:]]))
    with pytest.raises(ValueError, match="line 2"):
        play(tmp_path)


def test_a_start_that_was_killed_before_its_suite_was_written_starts_again(tmp_path: Path):
    (tmp_path / "env.json").write_text("{}")
    assert play(tmp_path)["rows"]
