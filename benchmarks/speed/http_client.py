"""CPU time of a chat request: the package's own client over aiohttp beside the official openai client.

The server is a process of its own on loopback that answers every request with the same short chat: what is counted is
the client alone. Both send the same messages, 32 requests at a time.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
import time
from typing import Any

from optima_agents.backends.openai_api.http_json import HttpJson

from .timing import arguments, conclude, figure, in_turn

ATONCE, REQUESTS, CHEAPER = 32, 400, 1.5
MESSAGES = [
    {"role": "system", "content": "You are Alice. You and Bob answer a question together. " * 4},
    {
        "role": "user",
        "content": "Facts:\n" + "The mayor of Osbury is Ada Kest. " * 40 + "\nQuestion: who is the mayor?",
    },
]
ANSWER = {
    "id": "chat-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "I think it is Ada Kest. " * 8},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 300, "completion_tokens": 50, "total_tokens": 350},
}


async def serve() -> None:
    """Answers on a free port, which is printed, until standard input ends."""
    body = json.dumps(ANSWER).encode()
    whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                await reader.readexactly(size)
                writer.write(whole)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def spent(ask: Any) -> float:
    """CPU milliseconds of this process for each of ``REQUESTS`` calls of ``ask``, ``ATONCE`` at a time."""

    async def run() -> float:
        slots = asyncio.Semaphore(ATONCE)

        async def one() -> None:
            async with slots:
                assert await ask.once() == ANSWER["choices"][0]["message"]["content"]  # noqa: S101

        await asyncio.gather(*(one() for _ in range(ATONCE)))  # connections are made beforehand
        start = time.process_time()
        await asyncio.gather(*(one() for _ in range(REQUESTS)))
        used = time.process_time() - start
        await ask.close()
        return 1000 * used / REQUESTS

    return asyncio.run(run())


class Ours:
    def __init__(self, base: str) -> None:
        self.base = base
        self.http = HttpJson(base, {}, retries=2, timeout_s=60, connections=ATONCE)

    async def once(self) -> str:
        body = {"model": "m", "messages": MESSAGES, "temperature": 0.7, "top_p": 1.0, "seed": 1, "max_tokens": 64}
        return (await self.http.ask("POST", f"{self.base}/chat/completions", body))["choices"][0]["message"]["content"]

    async def close(self) -> None:
        await self.http.close()


class Official:
    def __init__(self, base: str) -> None:
        official = importlib.import_module("openai")

        self.client: Any = official.AsyncOpenAI(base_url=base, api_key="none", max_retries=2, timeout=60)

    async def once(self) -> str:
        messages: Any = MESSAGES
        done = await self.client.chat.completions.create(
            model="m", messages=messages, temperature=0.7, top_p=1.0, seed=1, max_tokens=64
        )
        return str(done.choices[0].message.content)

    async def close(self) -> None:
        await self.client.close()


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds after the warm-up (default 7)")
    parser.add_argument("--serve", action="store_true", help="be the server (the script starts it itself)")
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve())
        return 0
    command = [sys.executable, "-m", "benchmarks.speed.http_client", "--serve"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    with server:
        assert server.stdout is not None  # noqa: S101 - for the type checker
        base = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        found = in_turn(
            {"ours": lambda: spent(Ours(base)), "official": lambda: spent(Official(base))}, rounds=args.rounds
        )
        assert server.stdin is not None  # noqa: S101
        server.stdin.close()
    figures = [figure(f"CPU ms a request, {name}", found.median(name)) for name in ("ours", "official")]
    figures.append(figure("official over ours", found.ratio("official", "ours"), CHEAPER))
    return conclude(figures, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
