"""Policies and backends by name: ``hf:tiny``, ``vllm:MODEL``, ``openai:URL``, ``fake``, ``random`` ..."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from optima_envs.extras import need
from optima_envs.keywords import Keywords, refusal
from optima_envs.registry import Registry, unknown_name

from .backends.base import Backend
from .policy import Policy

BACKENDS: Registry[Callable[..., Backend]] = Registry("backend", "optima.backends")
"""Backends by name: ``make_backend("NAME:MODEL")`` calls what is registered with the model and its options."""
POLICIES: Registry[Callable[..., Policy]] = Registry("policy", "optima.policies")
"""Policies that are no language model, by name: functions of the text behind the name's colon."""

BACKENDS.register("hf", "optima_agents.backends.hf.backend:TransformersBackend")
BACKENDS.register("vllm", "optima_agents.backends.vllm_engine.backend:VLLMBackend")
BACKENDS.register("openai", "optima_agents.backends.openai_api.token_server:open_server")
BACKENDS.register("fake", "optima_agents.making:fake_backend")
POLICIES.register("scripted", "optima_agents.making:scripted_policy")
POLICIES.register("random", "optima_agents.making:random_policy")
POLICIES.register("human", "optima_agents.making:human_policy")

# the extras that the built-in backends need; asked for before anything of theirs is imported
NEEDS = {"hf": "hf", "vllm": "vllm", "openai": "openai"}


def make_backend(name: str, *, cache: str | os.PathLike[str] | None = None, **kwargs: Any) -> Backend:
    """``"hf:tiny"``, ``"fake"`` ...: what stands before the first colon is the backend, the rest its model.

    With ``cache``, completions are kept in that sqlite file (see ``cache.CachedBackend``). Raises UnknownName (a
    KeyError) with close matches, TypeError for a keyword the backend does not take (it lists those it does).
    """
    kind, _, model = name.partition(":")
    return open_backend(kind, model, cache=cache, **kwargs)


def open_backend(kind: str, model: str, *, cache: str | os.PathLike[str] | None = None, **kwargs: Any) -> Backend:
    """``make_backend`` for a name that is in two parts already."""
    check_installed(kind)
    backend = _built("backend", kind, BACKENDS[kind], model, kwargs)
    if cache is None:
        return backend
    from .cache import CachedBackend, identity

    return CachedBackend(backend, cache, model=identity(kind, model, kwargs))


def check_installed(kind: str) -> None:
    """Raises MissingExtra where what a built-in backend needs is not installed."""
    if kind in NEEDS:
        need(NEEDS[kind], f"the backend {kind}")


def make_policy(name: str, **kwargs: Any) -> Policy:
    """A policy by name. A backend's name gives an LLMPolicy over it; its keywords are LLMPolicy's ``sampling``,
    ``hint``, ``prompt`` and ``thinking``, the rest goes to ``make_backend``. Raises UnknownName with close matches
    among policies and backends, TypeError for a keyword nobody takes.
    """
    kind, _, rest = name.partition(":")
    if kind not in BACKENDS:
        if kind not in POLICIES:
            raise unknown_name("policy", kind, [*POLICIES, *BACKENDS])
        return _built("policy", kind, POLICIES[kind], rest, kwargs)
    from .llm import LLMPolicy

    own = {key: kwargs.pop(key) for key in ("sampling", "hint", "prompt", "thinking") if key in kwargs}
    return LLMPolicy(open_backend(kind, rest, **kwargs), **own)


def _built(kind: str, name: str, factory: Callable[..., Any], text: str, given: dict[str, Any]) -> Any:
    """``factory(text, **given)``. Raises TypeError naming what it takes instead of an argument it does not."""
    takes = Keywords.of(factory)
    unknown = [key for key in given if key not in takes]
    if unknown:
        raise TypeError(refusal(f"{kind} {name}", unknown, takes.names[1:]))  # the first is the text
    return factory(text, **given)


def fake_backend(model: str = "", *, latency: float = 0.0) -> Backend:
    """``fake`` or ``fake:REPLY``, the fixed text every request gets, after ``latency`` seconds."""
    from .backends.fake import FakeBackend

    return FakeBackend(model or None, latency=latency)


def scripted_policy(text: str = "") -> Policy:
    """``scripted:LINE``: the same line every turn."""
    from .scripted import Scripted

    return Scripted([text])


def random_policy(text: str = "") -> Policy:
    """``random``: random words."""
    from .scripted import Random

    return Random()


def human_policy(text: str = "") -> Policy:
    """``human``: a person at the terminal."""
    from .human import HumanPolicy

    return HumanPolicy()
