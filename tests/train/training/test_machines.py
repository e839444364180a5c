"""Training on two machines, which are two addresses of this one, is training on one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from optima_train.cli.main import main
from optima_train.config.loading import ConfigError, load
from optima_train.run.layout import RunDirectory
from optima_train.training.machines import join
from optima_train.training.processes import command, training_processes

pytestmark = pytest.mark.xdist_group("processes")
SMALL = [
    "iterations=1", "env.max_turns=3", "generate.instances=6", "generate.samples=2", "generate.max_tokens=12",
    "evaluate.instances=2", "evaluate.max_tokens=8", "train.epochs=2", "select.threshold=-9", "select.top_share=1",
    "train.batch_size=4", "train.micro_batch=1", "device=cpu", "isolation=one",
]  # fmt: skip


def test_several_machines_need_to_know_where_the_first_is():
    with pytest.raises(ConfigError, match="rendezvous=HOST:PORT"):
        load("quickstart", ["train.machines=2"])
    with pytest.raises(ConfigError, match="rendezvous"):
        load("quickstart", ["train.machines=2", "train.rendezvous=nowhere"])


def test_the_command_of_each_machine_differs_in_its_rank_alone():
    config = load("quickstart", ["train.machines=2", "train.processes=4", "train.rendezvous=10.0.0.1:29500"])
    assert training_processes(config.train) == 8
    first, second = (command(config, Path("job.json"), rank) for rank in (0, 1))
    given = dict(pairwise(first))
    assert {name: given[f"--{name}"] for name in ("num_processes", "num_machines", "machine_rank")} == {
        "num_processes": "8", "num_machines": "2", "machine_rank": "0",
    }  # fmt: skip
    assert (given["--main_process_ip"], given["--main_process_port"]) == ("10.0.0.1", "29500")
    assert [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]] == [("0", "1")]


def test_a_machine_without_a_training_waits_for_the_end_of_the_run(tmp_path: Path):
    (tmp_path / "it000" / "train").mkdir(parents=True)
    looks = iter([False, False, True])
    assert join(tmp_path, 1, lambda: next(looks), pytest.fail) == 0


@pytest.mark.slow
def test_two_machines_train_as_one_does(tmp_path: Path):
    with socket.create_server(("127.0.0.2", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "GLOO_SOCKET_IFNAME": "lo"}

    def optima(*args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "optima_train", *args],
            cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    two = ["train.machines=2", f"train.rendezvous=127.0.0.2:{port}"]
    runs = [optima("train", "quickstart", *SMALL, *two, "--out", "two"), optima("join", "two", "--rank", "1")]
    said = [run.communicate(timeout=500)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert "took part in 1 trainings" in said[1]
    alone = optima("train", "quickstart", *SMALL, "--out", "one")
    assert alone.wait(timeout=500) == 0, alone.communicate()
    found = {name: numbers(tmp_path / name) for name in ("one", "two")}
    assert (found["one"].pop("processes"), found["two"].pop("processes")) == (1, 2)
    assert found["one"].keys() == found["two"].keys()
    for name, value in found["one"].items():
        assert found["two"][name] == pytest.approx(value, abs=1e-5), name


def numbers(run: Path) -> dict:
    marker = RunDirectory(run).of_iteration(0, "train").marker
    return json.loads(marker.read_text(encoding="utf-8"))["numbers"]


def test_a_machine_that_is_early_says_what_it_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("optima_train.cli.join.time.sleep", interrupted)
    assert main(["join", str(tmp_path / "soon"), "--rank", "1"]) == 130
    assert "waiting for the run in" in capsys.readouterr().out
