"""A small HTTP server on loopback that fails in chosen ways, one behaviour per request."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optima_agents import Request, Sampling

CHAT = {
    "choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
}


ASK = Request(({"role": "user", "content": "hi"},), sampling=Sampling(0.5, 0.9, 7, ("STOP",)), seed=3)


def answer(data: Any, status: int = 200, headers: str = "", kind: str = "application/json") -> bytes:
    """The bytes of one whole HTTP response; ``data`` is JSON, or a ready str."""
    body = (data if isinstance(data, str) else json.dumps(data)).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


VLLM = answer({"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 40, "parent": None}]})


class FaultyServer:
    """Answers request after request by ``script``: bytes are sent (the last entry goes on for ever), ``"hang"`` sends
    nothing, ``"half"`` closes after half the headers. ``seen`` holds (path, headers, body) of every request."""

    def __init__(self) -> None:
        self.script: list[bytes | str] = [answer(CHAT)]
        self.models: bytes | str = answer({"data": [{"id": "m"}]})
        self.tokens: bytes | None = answer({"detail": "Not Found"}, 404)  # the token endpoint; None: by the script
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        self.meeting: asyncio.Barrier | None = None  # what asks for something is answered when so many do
        self.port = 0
        self._over = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def asked(self) -> list[Any]:
        """The bodies of all completion requests."""
        return [body for path, _, body in self.seen if "completions" in path or ("generate" in path and body)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readline():
                path = request.split()[1].decode()
                headers: dict[str, str] = {}
                while (line := (await reader.readline()).decode().strip()) != "":
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                size = int(headers.get("content-length", 0))
                body = json.loads(await reader.readexactly(size)) if size else None
                self.seen.append((path, headers, body))
                if body and self.meeting is not None:
                    await self.meeting.wait()
                if not await self._act(path, headers, writer):
                    return
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _act(self, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        if path.endswith("/models"):
            act = self.models
        elif path.endswith("/inference/v1/generate") and self.tokens is not None:
            act = self.tokens
        else:
            act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if act == "hang":
            await self._over.wait()
            return False
        if act == "half":
            writer.write(answer(CHAT)[:30])
            return False
        if act == "echo":
            act = answer({"error": {"message": f"bad key: {headers['authorization']}"}}, 401)
        assert isinstance(act, bytes)
        writer.write(act)
        await writer.drain()
        return True


@contextmanager
def faulty_server() -> Iterator[FaultyServer]:
    """A running server; it stops at the end of the block."""
    server, loop = FaultyServer(), asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        made = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = made.sockets[0].getsockname()[1]
        return made

    async def stop(made: asyncio.Server) -> None:
        server._over.set()
        made.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(stop(made), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
