"""A server on loopback without a model, for chats and for token ids: what it says follows from the prompt alone."""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from optima_agents.serving.run import listen

from .scripted import WORDS


def said(messages: list[dict[str, Any]]) -> str:
    """A few words, sometimes an answer."""
    told = [(message["role"], message["content"]) for message in messages]
    rng = random.Random(hashlib.blake2b(repr(told).encode(), digest_size=8).digest())
    words = " ".join(rng.choices(WORDS, k=rng.randint(1, 6)))
    return words + (f" <A> {rng.choice(['Noor', 'Zed', '7'])} </A>" if rng.random() < 0.4 else "")


class ChatServer:
    """``asked`` are the messages of every request, ``models`` whom they ask, ``say`` makes the reply of them."""

    def __init__(self) -> None:
        self.asked: list[list[dict[str, Any]]] = []
        self.models: list[str] = []
        self.say, self.port = said, 0
        self.sample: Callable[[list[int], int], tuple[list[int], list[float]]] = lambda prompt, most: ([], [])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def app(self) -> Starlette:
        async def chat(request: Request) -> JSONResponse:
            body = await request.json()
            self.asked.append(body["messages"])
            self.models.append(body["model"])
            text = self.say(body["messages"])
            count = len(text.split())
            usage = {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            head = {"id": "c", "object": "chat.completion", "created": 0, "model": body["model"]}
            return JSONResponse({**head, "choices": [choice], "usage": usage})

        async def models(request: Request) -> JSONResponse:
            return JSONResponse({"object": "list", "data": [{"id": "m", "object": "model"}]})

        async def generate(request: Request) -> JSONResponse:
            body = await request.json()
            ids, logprobs = self.sample(body["token_ids"], body["sampling_params"]["max_tokens"])
            content = [{"token": f"token_id:{i}", "logprob": p} for i, p in zip(ids, logprobs, strict=True)]
            choice = {"index": 0, "token_ids": ids, "finish_reason": "stop", "logprobs": {"content": content}}
            return JSONResponse({"request_id": "g", "choices": [choice]})

        posted = {"/v1/chat/completions": chat, "/inference/v1/generate": generate}
        routes = [Route(path, answer, methods=["POST"]) for path, answer in posted.items()]
        return Starlette(routes=[*routes, Route("/v1/models", models)])


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """A running server; it stops at the end of the block."""
    made = ChatServer()
    with listen("127.0.0.1", 0) as listening:
        made.port = listening.getsockname()[1]
        # a busy machine must not make it close a connection that a client is about to use again
        config = uvicorn.Config(made.app(), log_level="warning", lifespan="off", timeout_keep_alive=600)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield made
        finally:
            server.should_exit = True
            thread.join(30)
