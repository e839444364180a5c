"""verifiers' evaluation of a dialogue environment: rollouts a second through our harness, which chats in this process,
beside its stock one, which starts a program for every turn.

Both play the same exported package against the same server, in turn, with verifiers' own runner and ``--at-once``
episodes in flight; an episode is a dialogue of ``max_turns`` turns. The stock program runs on this interpreter, so that
nothing is installed for it. Needs the extra ``verifiers``, best in an environment of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from optima_envs.extras import need
from optima_train.hubs.environment import to_verifiers
from optima_train.hubs.package import Package

from .timing import arguments, conclude, figure

FASTER = 10.0
SAID = "I think it is Ada Kest. " * 8
HEAD = {"id": "chat-1", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 300, "completion_tokens": 50, "total_tokens": 350}
TURNS = 4
OURS, STOCK = "ours", "stock null harness"


async def serve() -> None:
    """Answers every chat with the same words, whole or as a stream, on a free port, which is printed, until standard
    input ends."""

    def choice(part: str, reason: str | None) -> dict[str, Any]:
        return {"choices": [{"index": 0, part: {"role": "assistant", "content": SAID}, "finish_reason": reason}]}

    def response(kind: str, body: bytes) -> bytes:
        return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    chat = {**HEAD, "object": "chat.completion", "usage": USAGE, **choice("message", "stop")}
    chunk = {**HEAD, "object": "chat.completion.chunk", "usage": USAGE, **choice("delta", "stop")}
    whole = response("application/json", json.dumps(chat).encode())
    stream = response("text/event-stream", b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                asked = json.loads(await reader.readexactly(size))
                writer.write(stream if asked.get("stream") else whole)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def rollouts(name: str, url: str, harness: str | None, episodes: int, at_once: int) -> float:
    """Episodes a second. Raises RuntimeError when one failed."""
    import verifiers.v1 as vf
    from verifiers.v1.utils.loaders import load_environment, resolve_env_config

    role = {"harness": {"id": harness}} if harness else {}
    config = resolve_env_config({"taskset": {"id": name}, "alice": dict(role), "bob": dict(role)})
    made = load_environment(config)
    client = vf.EvalClientConfig(base_url=url, api_key_var="OPTIMA_BENCH_KEY")
    ctx = vf.ModelContext(model="m", client=client, sampling=vf.SamplingConfig())
    slots = asyncio.Semaphore(at_once)

    async def one(task: Any) -> None:
        async with slots:
            episode = await made.run_episode(task, ctx)
        if not episode.ok:
            raise RuntimeError(f"an episode failed: {[error.message for error in episode.errors][-1:]}")

    async with made.serving():
        tasks = list(made.taskset.take(episodes))
        await one(tasks[0])  # what is only done once is done
        began = time.perf_counter()
        await asyncio.gather(*map(one, tasks))
        return episodes / (time.perf_counter() - began)


def stock_program() -> None:
    """Tell verifiers that its stock program is ready on this interpreter, which has all that it imports."""
    from verifiers.v1.harnesses.utils.launch import CHAT_PROGRAM_SOURCE
    from verifiers.v1.runtimes.subprocess import SubprocessRuntime

    data = CHAT_PROGRAM_SOURCE.encode()
    path = Path(SubprocessRuntime.scripts_dir) / f"{hashlib.sha256(data).hexdigest()}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    SubprocessRuntime._interpreters[str(path)] = sys.executable


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--episodes", type=int, default=200, help="dialogues through our harness (default 200)")
    parser.add_argument("--stock", type=int, default=8, help="dialogues through the stock one (default 8)")
    parser.add_argument("--at-once", type=int, default=32, help="episodes in flight (default 32)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both in turn (default 3)")
    parser.add_argument("--serve", action="store_true", help="be the server (the script starts it itself)")
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve())
        return 0
    need("verifiers", "this comparison")
    logging.disable(logging.WARNING)
    os.environ["OPTIMA_BENCH_KEY"] = "none"
    stock_program()
    command = [sys.executable, "-m", "benchmarks.speed.verifiers_harness", "--serve"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    found: dict[str, list[float]] = {OURS: [], STOCK: []}
    with server, tempfile.TemporaryDirectory() as folder:
        assert server.stdout is not None and server.stdin is not None  # noqa: S101 - for the type checker
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        package = Package("twohop-asym", {"max_turns": TURNS})
        to_verifiers(package, Path(folder) / "package")
        sys.path.insert(0, str(Path(folder) / "package"))
        for _ in range(args.rounds):
            for label, harness, episodes in ((OURS, None, args.episodes), (STOCK, "null", args.stock)):
                work = rollouts(package.distribution, url, harness, episodes, args.at_once)
                found[label].append(asyncio.run(work))
        server.stdin.close()
    middle = {label: sorted(rates)[len(rates) // 2] for label, rates in found.items()}
    figures = [figure(f"rollouts/s of {TURNS} turns, {label}", value) for label, value in middle.items()]
    figures.append(figure("ours over the stock harness", middle[OURS] / middle[STOCK], FASTER))
    return conclude(figures, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
