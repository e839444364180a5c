"""A running endpoint in a thread, the official client of it, and a policy that waits to be let."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, cast

import openai

from optima_agents import Act
from optima_agents.serving.endpoint import Endpoint
from optima_agents.serving.run import listen, run
from optima_envs import scenario

QUESTION = {"role": "user", "content": "Who is the mentor of Zed?"}
FACTS = {"facts": {"Alice": "Kim leads Zed.", "Bob": "Kim is the mentor."}}
LINES = {"Alice": ["Kim leads Zed, I think.", "<A> Kim </A>"], "Bob": ["Then it is <A> Kim </A>"]}


class Served:
    """A running endpoint and a client of it."""

    def __init__(self, endpoint: Endpoint, port: int) -> None:
        self.endpoint, self.url = endpoint, f"http://127.0.0.1:{port}/v1"
        self.client = openai.OpenAI(base_url=self.url, api_key="none", max_retries=0, timeout=30)

    def ask(self, *messages: Any, facts: Any = FACTS, **more: Any) -> Any:
        return cast("Any", self.client).chat.completions.create(
            model="team", messages=list(messages or [QUESTION]), extra_body=facts, **more
        )


@contextmanager
def served(policies, env: str = "twohop-asym", **options) -> Iterator[Served]:
    rules = scenario(env, instances=(), max_turns=6)
    ready, found = threading.Event(), []
    with listen("127.0.0.1", 0) as listening:

        def make(stop):
            found[:] = [Endpoint(rules, policies, model="team", ended=stop, **options), stop]
            ready.set()
            return found[0]

        thread = threading.Thread(target=lambda: asyncio.run(run(make, listening, grace=1)))
        thread.start()
        assert ready.wait(30)
        try:
            yield Served(found[0], listening.getsockname()[1])
        finally:
            found[1]()
            thread.join(30)
            assert not thread.is_alive()


class Gate:
    """A policy that speaks only when it is let."""

    def __init__(self) -> None:
        self.asked, self.dropped, self.opened = threading.Semaphore(0), threading.Event(), Future[None]()

    async def act(self, view, *, seed: int) -> Act:
        self.asked.release()
        try:
            await asyncio.shield(asyncio.wrap_future(self.opened))
        except asyncio.CancelledError:
            self.dropped.set()
            raise
        return Act("<A> Kim </A>")

    def open(self) -> None:
        self.opened.set_result(None)
