"""LLMPolicy: a view becomes chat messages, a backend completes them, the completion becomes the act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, get_args

from optima_envs.records import View

from .backends.base import Backend, Message, Progress, Request, Sampling
from .policy import Act
from .prompts import messages

Thinking = Literal["off", "keep"]
Prompt = Callable[[View, str | None], Sequence[Message]]
DEFAULT = Sampling()


class LLMPolicy:
    """A language model in a seat.

    ``hint`` is a format hint added to the prompt (``formats.FORMATS``); ``prompt`` turns (view, hint) into
    messages; ``adapter`` names a LoRA adapter the backend has loaded. ``max_tokens`` is lowered to what is left
    of the dialogue's token budget.

    ``thinking`` is for models that can think before they speak: ``off`` asks their chat template to leave it out,
    ``keep`` to have it. Either way what they think is in the act's ``thinking``, never in its text.
    """

    def __init__(
        self,
        backend: Backend,
        sampling: Sampling = DEFAULT,
        *,
        hint: str | None = None,
        prompt: Prompt = messages,
        adapter: str | None = None,
        thinking: Thinking = "off",
    ) -> None:
        if thinking not in get_args(Thinking):
            raise ValueError(f"thinking must be off or keep, not {thinking!r}")
        self.backend = backend
        self.sampling = sampling
        self.hint = hint
        self.prompt = prompt
        self.adapter = adapter
        self.thinking = thinking

    async def act(self, view: View, *, seed: int) -> Act:
        sampling = self.sampling
        if view.tokens_left is not None and view.tokens_left < sampling.max_tokens:
            sampling = replace(sampling, max_tokens=max(1, view.tokens_left))
        asked = tuple(self.prompt(view, self.hint))
        keep = self.thinking == "keep"
        return await self.backend.complete(
            Request(asked, sampling=sampling, seed=seed, adapter=self.adapter, thinking=keep)
        )

    def progress(self) -> int:
        """What the backend tells of its progress; 0 for one that tells nothing."""
        return self.backend.progress() if isinstance(self.backend, Progress) else 0

    async def aclose(self) -> None:
        await self.backend.aclose()
