"""Bad input: one line that names what is wrong and the way out, a non-zero exit, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[3]
Optima = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("backend=fake", "generate.instances=2", "generate.samples=2", "generate.formats=null", "iterations=1")
SMALL += ("reward.weights={task: 1.0, readability: 0}", "evaluate.instances=2", "evaluate.nll=false")


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode in (1, 2), done.stdout
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    return lines[-1]


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("trian",), "did you mean train?"),
        (("rollout", "twohop-asim"), "did you mean optima/twohop-asym-v0"),
        (("rollout", "twohop-asym", "distractor=3"), "did you mean distractors?"),
        (("rollout", "twohop-asym", "--policy", "fakee"), "unknown policy 'fakee'; did you mean fake?"),
        (("rollout", "twohop-asym", "--policy", "randm:x"), "unknown policy 'randm'; did you mean random?"),
        (("train", "quickstart", "backend=hff"), "backend: unknown backend 'hff'; did you mean hf?"),
        (("train", "quickstart", "backend=fake", "train.lora={}"), "train.lora: the backend fake cannot load"),
        (("rollout", "twohop-asym", "--policy", "fake", "--hint", "bear"), "bare"),
        (("rollout", "twohop-asym", "--policy", "fake", "-n", "0"), "at least one"),
        (("rollout", "twohop-asym", "--temperature", "hot"), "optima rollout --help"),
        (("rollout", "2wmh-asym", "--policy", "fake", "--data", "absent.parquet"), "absent.parquet"),
        (("envs", "check", "mine/own"), "one of your own needs --plugin MODULE, or its package installed"),
        (("envs", "show"), "needs an environment id"),
        (("train", "quickstrat"), "did you mean quickstart?"),
        (("train", "quickstart", "generate.sample=3"), "did you mean generate.samples?"),
        (("train", "quickstart", "generate.samples=many"), "generate.samples"),
        (("train", "quickstart", "generate.samples"), "key=value"),
        (("resume", "absent"), "no run directory"),
        (("report", "absent"), "no run directory"),
        (("play", "twohop-asym", "--seat", "Zoe"), "seats: Alice, Bob"),
    ],
)
def test_what_is_wrong_is_named(optima: Optima, tmp_path: Path, command: tuple[str, ...], named: str):
    done = optima(*command)
    assert named in one_line(done)
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())


def test_a_malformed_data_file_names_the_row(optima: Optima, tmp_path: Path):
    good = {"_id": "a", "question": "q?", "answer": "x", "context": [["A", ["s."]], ["B", ["t."]]],
            "supporting_facts": [["A", 0], ["B", 0]], "type": "comparison", "evidences": []}  # fmt: skip
    (tmp_path / "bad.json").write_text(json.dumps([good, {**good, "question": 7}]))
    line = one_line(optima("rollout", "2wmh-asym", "--policy", "fake", "--data", "bad.json"))
    assert "bad.json" in line
    assert "row 2" in line or "row 1" in line


def test_an_existing_log_is_not_touched(optima: Optima, tmp_path: Path):
    (tmp_path / "log.jsonl").write_text("precious\n")
    assert "--resume" in one_line(optima("rollout", "twohop-asym", "--policy", "fake", "--out", "log.jsonl"))
    assert (tmp_path / "log.jsonl").read_text() == "precious\n"


def test_another_configuration_is_refused(optima: Optima, tmp_path: Path):
    run = tmp_path / "run"
    first = optima("train", "quickstart", *SMALL, "--out", run)
    assert "nothing selected" in one_line(first)  # the fake model is never right
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "run.log"}
    second = one_line(optima("train", "quickstart", *SMALL, "seed=5", "--out", run))
    assert "seed was 0 and is now 5" in second
    assert {path: path.read_bytes() for path in before} == before


def test_a_strange_directory_is_refused(optima: Optima, tmp_path: Path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    assert "thesis.tex" in one_line(optima("train", "quickstart", *SMALL, "--out", "home"))
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.tex"]


def test_a_locked_directory_is_refused(optima: Optima, tmp_path: Path):
    optima("train", "quickstart", *SMALL, "--out", "run")
    with FileLock(tmp_path / "run" / ".lock"):
        assert "in use" in one_line(optima("train", "quickstart", *SMALL, "--out", "run"))


def test_debug_shows_the_traceback(optima: Optima):
    done = optima("rollout", "absent-env", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("command", ["--help", "version"])
def test_a_reader_that_is_gone_ends_it_quietly(command: str):
    read, write = os.pipe()
    os.close(read)
    program = [sys.executable, "-m", "optima_train", command]
    done = subprocess.run(program, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
