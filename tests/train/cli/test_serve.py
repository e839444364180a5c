"""optima serve, as a process: a run answers as it was evaluated, signals end it cleanly, and refusals come first."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from optima_agents import EpisodeLog  # noqa: E402
from optima_train.run.layout import RunDirectory  # noqa: E402

ROOT = Path(__file__).parents[3]
QUESTION = {"role": "user", "content": "Who is the mentor of Zed?"}


@contextmanager
def serving(folder: Path, *args: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A server on a free port and a client of it; it is stopped at the end of the block."""
    # Ctrl-C reaches it also where the tests run in the background of a shell, which ignores it
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from optima_train.cli.main import main; sys.exit(main())"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, "serve", *args, "--port", "0"]
    server = subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        for line in server.stderr:
            if found := re.search(r"(http://\S+/v1); Ctrl-C stops it", line):
                break
        else:
            raise AssertionError(f"the server ended with {server.wait()}")
        yield server, openai.OpenAI(base_url=found[1], api_key="none", max_retries=0, timeout=60)
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


@pytest.mark.parametrize("sharing", ["shared", "full"])
def test_a_run_answers_as_it_was_evaluated(optima, small: list[str], tmp_path: Path, sharing: str):
    done = optima("train", "quickstart", *small, f"train.sharing={sharing}", "--out", "run")
    assert done.returncode == 0, done.stderr
    run = RunDirectory(tmp_path / "run")
    with serving(tmp_path, "run", "--name", "mine") as (_, client):
        for episode in EpisodeLog.iterate(run.of_iteration(0, "evaluate").episodes):
            said = client.chat.completions.create(
                model="mine",
                messages=[{"role": "user", "content": episode.instance.question}],
                extra_body={"facts": dict(episode.instance.private)},
            ).model_extra["optima"]["dialogue"]
            assert [(turn["agent"], turn["text"]) for turn in said] == [(t.agent, t.text) for t in episode.turns]
    refused = optima("serve", "run", "--policy", "hf:tiny")
    assert (refused.returncode, "run is a run and brings its own team; leave out policy" in refused.stderr) == (2, True)
    refused = optima("serve", "run", "--iteration", "3")
    assert (refused.returncode, "has iterations 0 to 0, not 3" in refused.stderr) == (2, True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_what_is_under_way_is_answered(tmp_path: Path, number: int, code: int):
    slow = ("twohop-asym", "--policy", "fake:<A> Kim </A>", "--option", "latency=1.0", "--out", "log.jsonl")
    with ThreadPoolExecutor(1) as pool, serving(tmp_path, *slow) as (server, client):
        stream = client.chat.completions.create(model="optima/twohop-asym-v0", messages=[QUESTION], stream=True)
        chunks = iter(stream)
        next(chunks)
        server.send_signal(number)
        rest = pool.submit(lambda: "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
        _, told = server.communicate(timeout=60)
        assert rest.result() == "Kim"
    assert server.returncode == code, told
    assert "200 answered: 2 turns" in told
    assert "stopped: 1 questions answered, 0 failed" in told
    assert "Traceback" not in told
    assert QUESTION["content"] not in told
    assert len(list(EpisodeLog.iterate(tmp_path / "log.jsonl"))) == 1


def test_refusals_come_before_a_model_is_loaded(optima):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = optima("serve", "twohop-asym", "--port", port, "--policy", "hf:no-such-folder")
    assert refused.returncode == 2
    assert f"error: cannot listen on 127.0.0.1 port {port}: " in refused.stderr
    assert "name others by --host and --port" in refused.stderr
    for args, told in (
        (("no-such-env",), "no-such-env"),
        (("twohop-asym", "--iteration", "0"), "--iteration is of a run"),
        (("twohop-asym", "--concurrency", "0"), "--concurrency is at least 1"),
        (("twohop-asym", "--port", "99999"), "port"),
    ):
        done = optima("serve", *args, *(() if "--port" in args else ("--port", "0")))
        assert (done.returncode, told in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
