"""Children: nobody outlives a parent, whatever ends it; nothing of the current folder is imported by accident."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.processes import ended

from optima_train.run import child
from optima_train.run.stage import StageError

ROOT = Path(__file__).parents[3]
# a child with a child: both tell their numbers and wait for ever, each deaf to what ``deaf`` says
FAMILY = """
import os, signal, subprocess, sys
from optima_train.run.child import Channel
deaf = sys.argv[1] == "deaf"
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
channel = Channel(heartbeat=False)
wait = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
grandchild = subprocess.Popen([sys.executable, "-c", wait], stdin=subprocess.DEVNULL)
channel.send("pids", pids=[os.getpid(), grandchild.pid])
while True:
    signal.pause()
"""
PARENT = """
import json, sys
from pathlib import Path
from optima_train.run import child
from optima_train.run.signals import ending_as_ctrl_c
child.TERMINATION_S = 0.5
def handle(event):
    print(json.dumps(event["pids"]), flush=True)
with ending_as_ctrl_c():
    child.supervise("family", [sys.executable, *sys.argv[1:]], Path("run.log"), handle)
"""


# what a command inherits: a shell lets its foreground listen, ``command &`` ignores Ctrl-C, nohup a lost terminal
STARTED = (
    "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    "signal.signal(signal.SIGINT, signal.{}); os.execv(sys.executable, sys.argv[1:])"
)


@contextmanager
def family(
    tmp_path: Path, *, deaf: bool = False, ctrl_c: str = "SIG_DFL"
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A parent under ``supervise``, and the numbers of its child and grandchild once they are up."""
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "family.py").write_text(FAMILY)
    parent_command = [sys.executable, "parent.py", "family.py", "deaf" if deaf else "listens"]
    command = [sys.executable, "-c", STARTED.format(ctrl_c), *parent_command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            yield parent, json.loads(parent.stdout.readline())
        finally:
            parent.kill()  # of a test that failed, nothing waits for ever


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nobody_outlives_the_parent(tmp_path: Path, number: signal.Signals, deaf: bool) -> None:
    with family(tmp_path, deaf=deaf) as (parent, pids):
        parent.send_signal(number)
        parent.wait(30)
        assert [ended(pid) for pid in pids] == [True, True]


def test_a_stopped_child_is_killed_all_the_same(tmp_path: Path) -> None:
    with family(tmp_path) as (parent, pids):
        os.kill(pids[0], signal.SIGSTOP)
        parent.send_signal(signal.SIGINT)
        parent.wait(30)
        assert all(map(ended, pids))


def test_what_a_killed_child_started_ends_too(tmp_path: Path) -> None:
    with family(tmp_path) as (parent, pids):
        os.kill(pids[0], signal.SIGKILL)
        parent.wait(30)
        assert ended(pids[1])


def test_a_job_that_ignores_ctrl_c_ends_when_told_to(tmp_path: Path) -> None:
    """As ``command &`` in a script does."""
    with family(tmp_path, ctrl_c="SIG_IGN") as (parent, pids):
        parent.terminate()
        parent.wait(30)
        assert all(map(ended, pids))


def test_nothing_of_the_current_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that somebody imports first, here and in what a child starts by -m."""
    monkeypatch.chdir(tmp_path)
    for name in ("json", "grp", "filelock", "yaml", "runpy"):
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w')")
    events = []
    job = [*child.python("optima_train.loop.worker"), str(tmp_path / "nowhere"), "it000/train"]
    with pytest.raises(StageError, match="nowhere"):
        child.supervise("worker", job, tmp_path / "run.log", events.append)
    below = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'json.tool', '--help'], check=True)"
    child.supervise("below", [sys.executable, "-P", "-c", below], tmp_path / "run.log", events.append)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("ran-")]


def test_a_child_finds_this_package_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from a checkout that is not installed, begun by ``python -m optima_train`` inside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run([*child.python("optima_train.run.where")], capture_output=True, text=True)
    assert "No module named optima_train.run.where" in done.stderr, "the package itself is there"
