"""Backends: engines that complete requests. Here is what an author of one needs; engines load when they are named."""

from __future__ import annotations

from .base import (
    Backend,
    BackendError,
    Completion,
    ContextOverflow,
    EngineDead,
    Likelihood,
    Message,
    Request,
    Sampling,
    Tokens,
)

__all__ = [
    "Backend",
    "Request",
    "Sampling",
    "Message",
    "Completion",
    "Likelihood",
    "Tokens",
    "BackendError",
    "ContextOverflow",
    "EngineDead",
]
