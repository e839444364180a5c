"""Workers that die: of an answer, which is then worth nothing, or of something else, which costs no right answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from optima_envs.scoring.maths import mathpool
from optima_envs.scoring.maths.mathcheck import METRIC
from optima_envs.scoring.maths.mathpool import MathError, Pool, shared

pytest.importorskip("math_verify")

READY = "print('{\"ready\": true}', flush=True); input(); "


def kill_idle(pool: Pool) -> None:
    """End a child that waits for work, as the kernel does when memory runs out."""
    child = pool._slots.get()
    assert child is not None
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.wait()
    pool._slots.put(child)


def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> Pool:
    """A pool of one child that runs ``code``."""
    script = tmp_path / "worker_script.py"
    script.write_text(f"import os, signal\n{code}\n", encoding="utf-8")
    monkeypatch.setattr(mathpool, "WORKER", script)
    return Pool(1)


def test_a_worker_killed_while_idle_costs_no_right_answer() -> None:
    pool = Pool(1)
    assert pool.ask("\\frac{x+1}{2}", "\\frac{1+x}{2}", 3.0) == {"equal": True}
    kill_idle(pool)
    assert pool.ask("\\frac{x+2}{2}", "\\frac{2+x}{2}", 3.0) == {"equal": True}
    assert pool.ask("\\frac{x+2}{2}", "\\frac{2+x}{3}", 3.0) == {"equal": False}
    assert pool.stats == {"calls": 3, "killed": 1, "started": 2}
    pool.close()


def test_the_metric_does_not_lose_a_right_answer_either() -> None:
    assert METRIC.score("\\frac{y+1}{2}", ["\\frac{1+y}{2}"]) == 1.0
    pool = shared()
    for _ in range(pool.size):
        child = pool._slots.get()
        if child is not None:
            child.process.kill()
            child.process.wait()
        pool._slots.put(child)
    assert METRIC.score("\\frac{y+2}{2}", ["\\frac{2+y}{2}"]) == 1.0


def test_a_worker_killed_at_work_is_asked_again_and_its_limit_still_holds() -> None:
    pool = Pool(1)
    assert pool.ask("1/2", "0.5", 3.0) == {"equal": True}
    child = pool._slots.get()
    assert child is not None
    pool._slots.put(child)
    ended = threading.Timer(0.0, lambda: os.kill(child.process.pid, signal.SIGKILL))
    ended.start()
    reply = pool.ask("10^{10^{10}}", "5", 0.5)
    ended.join()
    assert reply == {"error": "no result within 0.5 s of processor time"}
    assert pool.stats["started"] == 2
    pool.close()


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_workers_killed_again_and_again_are_an_error_and_no_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    pool = worker(monkeypatch, tmp_path, f"{READY}os.kill(os.getpid(), signal.{name})")
    with pytest.raises(MathError, match=rf"signal {int(getattr(signal, name))} while comparing, 2 times"):
        pool.ask("1", "2", 3.0)


@pytest.mark.parametrize(
    ("code", "error"), [("os.abort()", "ended by signal 6 while comparing"), ("os._exit(3)", "exit code 3")]
)
def test_a_worker_that_an_answer_breaks_is_that_answers_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, error: str
) -> None:
    assert error in worker(monkeypatch, tmp_path, READY + code).ask("1", "2", 3.0)["error"]


def test_a_worker_killed_while_starting_is_not_taken_for_a_missing_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pool = worker(monkeypatch, tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(MathError, match="signal 9 while starting") as caught:
        pool.ask("1", "2", 3.0)
    assert "install" not in str(caught.value)
    once = tmp_path / "once"
    real = Path(mathpool.__file__).with_name("mathworker.py")
    code = f"import pathlib, runpy\nonce = pathlib.Path({str(once)!r})\nif not once.exists():\n    once.touch(); "
    code += f"os.kill(os.getpid(), signal.SIGKILL)\nrunpy.run_path({str(real)!r}, run_name='__main__')"
    pool = worker(monkeypatch, tmp_path, code)
    assert pool.ask("1/2", "0.5", 3.0) == {"equal": True}, "the second start is as good as the first"
    pool.close()


def test_a_worker_that_fails_to_start_tells_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MathError, match="exit code 7 while starting"):
        worker(monkeypatch, tmp_path, "os._exit(7)").ask("1", "2", 3.0)
    missing = json.dumps({"missing": "No module named 'math_verify'"})
    with pytest.raises(MathError, match=r"No module named 'math_verify'\); pip install .*\[math\]'"):
        worker(monkeypatch, tmp_path, f"print({missing!r}, flush=True)").ask("1", "2", 3.0)


def test_the_worker_says_what_cannot_be_imported() -> None:
    script = Path(mathpool.__file__).with_name("mathworker.py")
    bare = [sys.executable, "-I", "-S", str(script)]  # without site-packages
    done = subprocess.run(bare, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)
    assert "No module named" in json.loads(done.stdout)["missing"]
