"""Backend protocols: a request in, a completion out; and what can go wrong, by the boundary it crossed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from optima_envs.records import Usage

from ..policy import Act

Message = Mapping[str, str]
"""``role`` and ``content``, as chat templates take them."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample. ``temperature=0`` is greedy; ``max_tokens`` counts the end-of-turn token too.

    ``logprobs=False`` leaves out the sampled tokens' log-probabilities, which cost an engine and a server time.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    logprobs: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """Chat ``messages`` (role and content) or ready ``prompt_ids``; the seed belongs to this request alone.

    ``thinking``: whether the chat template is asked to let the model think before it speaks.
    """

    messages: tuple[Message, ...] = ()
    prompt_ids: tuple[int, ...] | None = None
    sampling: Sampling = Sampling()
    seed: int = 0
    adapter: str | None = None
    thinking: bool = False


@dataclass(frozen=True, slots=True)
class Completion(Act):
    """What an engine makes of a request: an act, its tokens counted by the engine, that a policy may hand on as it is.

    ``text`` is without the end-of-turn token; ``ids`` and ``logprobs`` (nats) with it, when the engine gives them.
    """

    tokens: int  # type: ignore[reportGeneralTypeIssues]  # no default: an engine has to count
    usage: Usage = Usage()


class BackendError(RuntimeError):
    """The engine failed on this request; the episode is recorded with the reason."""


class ContextOverflow(BackendError):
    """The prompt does not fit the model's window. Not retried; never truncated from the left in silence."""


class EngineDead(RuntimeError):
    """The engine is gone: the whole stage fails at once."""


def check_sampling(sampling: Sampling) -> None:
    """Raises BackendError for what no distribution can be sampled by, the same for every engine."""
    wrong = None
    if not (_number(sampling.temperature) and sampling.temperature >= 0):
        wrong = f"temperature must be a number from 0 up, not {sampling.temperature!r}"
    elif not (_number(sampling.top_p) and 0 < sampling.top_p <= 1):
        wrong = f"top_p must be above 0 and at most 1, not {sampling.top_p!r}"
    elif type(sampling.max_tokens) is not int or sampling.max_tokens < 1:
        wrong = f"max_tokens must be at least 1, not {sampling.max_tokens!r}"
    elif not all(isinstance(mark, str) and mark for mark in sampling.stop):
        wrong = f"a stop string must be a text that is not empty; given were {sampling.stop!r}"
    if wrong is not None:
        raise BackendError(wrong[:500])


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


@runtime_checkable
class Backend(Protocol):
    """An engine that completes requests, many at a time."""

    async def complete(self, request: Request) -> Completion:
        """Raises BackendError for a request that failed, EngineDead when the engine is gone."""
        ...

    async def aclose(self) -> None:
        """Let go of what the engine holds; nothing is asked of it afterwards."""
        ...


@runtime_checkable
class Progress(Protocol):
    """Optional ability: a count that only grows, and grows while the engine works, whoever asked for the work.

    A request that waits beside an engine at work is not stuck; one beside an engine whose count stands still is.
    """

    def progress(self) -> int: ...


@runtime_checkable
class Likelihood(Protocol):
    """Optional ability: log-probabilities (nats, one per completion token) of given text."""

    async def logprobs(self, prompt_ids: Sequence[int], completion_ids: Sequence[int]) -> list[float]: ...


@runtime_checkable
class Tokens(Protocol):
    """Optional ability of local backends: the model's own tokenizer."""

    def encode(self, text: str) -> list[int]: ...

    def render(self, messages: Sequence[Message]) -> list[int]: ...
