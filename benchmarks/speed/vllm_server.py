"""A real vLLM server on loopback, for as long as a block runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen


@contextmanager
def vllm_server(model: str, options: Mapping[str, Any], start_s: float = 400.0) -> Iterator[str]:
    """Yields the base URL. ``options`` are vLLM's engine arguments. Raises RuntimeError with the end of the server's
    output when it does not come up within ``start_s`` seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "optima_agents.backends.vllm_engine.serve", "--model", model]
    command += ["--served-model-name", "m"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--enable-prompt-tokens-details", "--enable-scale-out"]
    command += _flags(options)
    env = {**os.environ, "VLLM_NO_USAGE_STATS": "1", "VLLM_SERVER_DEV_MODE": "1"}  # the mode that can empty the cache
    with tempfile.TemporaryFile() as output:
        server = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            _wait(f"http://127.0.0.1:{port}/health", server, start_s, output)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def forget(url: str) -> None:
    """Empty the server's prefix cache."""
    with urlopen(Request(url.removesuffix("/v1") + "/reset_prefix_cache", method="POST"), timeout=60):  # noqa: S310
        pass


def _flags(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            yield flag if value else flag.replace("--", "--no-", 1)
        else:
            yield from (flag, *(map(str, value) if isinstance(value, list) else [str(value)]))


def _wait(url: str, server: subprocess.Popen[bytes], seconds: float, output: Any) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(url, timeout=5):  # noqa: S310
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    output.seek(0)
    raise RuntimeError(f"vLLM's server did not start: {output.read().decode('utf-8', 'replace')[-2000:]}")
