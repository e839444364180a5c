"""The verbs that end well, each as a user would call it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.runs import write_run

from optima_train.cli.main import VERBS

Optima = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(optima: Optima, verb: str):
    done = optima(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "example:" in done.stdout
    assert VERBS[verb][2] in done.stdout


def test_the_overview_shows_every_verb_and_an_example(optima: Optima):
    shown = optima("--help").stdout
    assert all(f"  {verb} " in shown and example in shown for verb, (_, _, example) in VERBS.items())


def test_rollout_and_its_log(optima: Optima, tmp_path: Path):
    command = (
        "rollout",
        "twohop-asym",
        "--policy",
        "random",
        "-n",
        "4",
        "--samples",
        "2",
        "--json",
        "--out",
        "log.jsonl",
    )
    first = optima(*command)
    assert json.loads(first.stdout)["n"] == 8, first.stderr
    log = (tmp_path / "log.jsonl").read_bytes()
    again = optima(*command, "--resume")
    assert json.loads(again.stdout) | {"seconds": 0} == json.loads(first.stdout) | {"seconds": 0}
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_eval_is_on_held_out_instances(optima: Optima):
    done = optima("eval", "arith-debate", "--policy", "scripted:It is \\boxed{7} <A> 7 </A>", "-n", "30", "--json")
    row = json.loads(done.stdout)
    assert row["n"] == 30
    assert row["score_ci"][0] <= row["score"] <= row["score_ci"][1]


def test_a_person_takes_a_seat(optima: Optima):
    done = optima(
        "play", "twohop-asym", "--policy", "scripted:<A> red </A>", "--seat", "Alice", text="hello\n<A> red </A>\n"
    )
    assert done.returncode == 0, done.stderr
    assert "You are Alice" in done.stdout
    assert "[answered] answer: red" in done.stdout


def test_report_and_resume_of_a_run(optima: Optima, tmp_path: Path):
    write_run(tmp_path / "run")
    assert optima("report", "run").stdout.strip().endswith("report.html")
    assert (tmp_path / "run" / "report.html").stat().st_size > 20_000


def test_dry_run_writes_nothing(optima: Optima, tmp_path: Path):
    done = optima("train", "quickstart", "--dry-run", "iterations=2")
    assert "it001/evaluate" in done.stdout
    assert "it002" not in done.stdout
    assert not list(tmp_path.iterdir())


def test_doctor_says_how_to_get_what_is_missing(optima: Optima):
    done = optima("doctor")
    assert done.returncode == 0, done.stdout
    for line in done.stdout.splitlines():
        assert not line.startswith("none") or "pip install 'optima-marl[" in line


def test_envs_list_and_show(optima: Optima):
    assert "optima/2wmh-asym-v0" in optima("envs").stdout
    shown = optima("envs", "show", "twohop-asym").stdout
    assert "only Alice sees" in shown
    assert "only Bob sees" in shown
