"""LLMPolicy: a view becomes chat messages, a backend completes them, the completion becomes the act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from optima_envs.records import View

from .backends.base import Backend, Message, Request, Sampling
from .policy import Act
from .prompts import messages

Prompt = Callable[[View, str | None], Sequence[Message]]
DEFAULT = Sampling()


class LLMPolicy:
    """A language model in a seat.

    ``hint`` is a format hint added to the prompt (``formats.FORMATS``); ``prompt`` turns (view, hint) into
    messages; ``adapter`` names a LoRA adapter the backend has loaded. ``max_tokens`` is lowered to what is left
    of the dialogue's token budget.
    """

    def __init__(
        self,
        backend: Backend,
        sampling: Sampling = DEFAULT,
        *,
        hint: str | None = None,
        prompt: Prompt = messages,
        adapter: str | None = None,
    ) -> None:
        self.backend = backend
        self.sampling = sampling
        self.hint = hint
        self.prompt = prompt
        self.adapter = adapter

    async def act(self, view: View, *, seed: int) -> Act:
        sampling = self.sampling
        if view.tokens_left is not None and view.tokens_left < sampling.max_tokens:
            sampling = replace(sampling, max_tokens=max(1, view.tokens_left))
        request = Request(tuple(self.prompt(view, self.hint)), sampling=sampling, seed=seed, adapter=self.adapter)
        return await self.backend.complete(request)

    async def aclose(self) -> None:
        await self.backend.aclose()
