"""FakeBackend: deterministic replies, latency and scripted faults; for tests, docs and speed measurements."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping

from optima_envs.records import Usage

from .base import Completion, Request

Reply = Callable[[Request], str | Completion]


class FakeBackend:
    """Answers from ``reply`` (a fixed text or a function of the request) after ``latency`` seconds.

    Without ``reply``, a short text that depends on the request and its seed alone. ``faults`` maps a call number
    (from 0) to the exception that call raises. ``calls`` counts.
    """

    def __init__(
        self,
        reply: str | Reply | None = None,
        *,
        latency: float = 0.0,
        faults: Mapping[int, Exception] | None = None,
    ) -> None:
        self.reply = reply
        self.latency = latency
        self.faults = dict(faults or {})
        self.calls = 0

    async def complete(self, request: Request) -> Completion:
        call, self.calls = self.calls, self.calls + 1
        await asyncio.sleep(self.latency)
        if call in self.faults:
            raise self.faults[call]
        made = (
            _echo(request) if self.reply is None else self.reply if isinstance(self.reply, str) else self.reply(request)
        )
        if isinstance(made, Completion):
            return made
        prompt = sum(len(message["content"].split()) for message in request.messages)
        words = made.split(" ")
        cut = len(words) > request.sampling.max_tokens
        text = " ".join(words[: request.sampling.max_tokens])
        tokens = min(len(words), request.sampling.max_tokens)
        return Completion(text, tokens, finish="length" if cut else "stop", usage=Usage(prompt, tokens))

    def progress(self) -> int:
        """How many calls were answered, or failed, so far."""
        return self.calls

    async def aclose(self) -> None:
        """Nothing to close."""


def _echo(request: Request) -> str:
    seen = repr((request.messages, request.prompt_ids, request.seed, request.adapter))
    number = int.from_bytes(hashlib.blake2b(seen.encode("utf-8", "surrogatepass"), digest_size=2).digest(), "big")
    return f"I have read {len(request.messages)} messages and think it is <A> {number % 100} </A>"
