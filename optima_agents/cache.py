"""CachedBackend: completions kept in a sqlite file as JSON, so a repeated request costs nothing."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt, ValidationError

from optima_envs.records import Usage

from .backends.base import Backend, Completion, Progress, Request

log = logging.getLogger(__name__)


class CachedBackend:
    """Answers a request seen before from ``path``; anything else goes to ``backend`` and is kept.

    ``model`` names the model and its weights: it is part of the key, so give a new one after any weight change.
    ``hits`` and ``misses`` count. A completion that ended in an error is not kept, and a stored row that is none is
    made again. What the file cannot take or give is told once in the log and costs no dialogue. Raises ValueError for a
    file that is no cache.
    """

    def __init__(self, backend: Backend, path: str | os.PathLike[str], *, model: str) -> None:
        self.backend = backend
        self.model = model
        self.hits = 0
        self.misses = 0
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # the rollout may run its loop in another thread than the one that opened the file; calls never overlap
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._told = False
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS completions (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        except sqlite3.Error as err:
            self._db.close()
            raise ValueError(f"{path} cannot be a cache: {err}; name another file") from None

    async def complete(self, request: Request) -> Completion:
        key = self._key(request)
        rows = self._run("SELECT value FROM completions WHERE key = ?", key)
        known = _decode(rows[0][0]) if rows else None
        if known is not None:
            self.hits += 1
            return known
        self.misses += 1
        made = await self.backend.complete(request)
        if made.finish != "error":
            value = json.dumps(asdict(made), allow_nan=False)
            self._run("INSERT OR REPLACE INTO completions VALUES (?, ?)", key, value)
        return made

    def progress(self) -> int:
        """Answers given from here, and what the backend tells."""
        return self.hits + (self.backend.progress() if isinstance(self.backend, Progress) else 0)

    async def aclose(self) -> None:
        self._db.close()
        await self.backend.aclose()

    def _run(self, command: str, *values: str) -> list[Any]:
        """The rows of one command; none, and a warning the first time, when the file fails."""
        try:
            return self._db.execute(command, values).fetchall()
        except sqlite3.Error as err:
            if not self._told:
                log.warning("the cache fails and is passed by from now on where it does: %s", err)
            self._told = True
            return []

    def _key(self, request: Request) -> str:
        asked = asdict(request)
        if not request.thinking:  # as in files of before there was the switch
            del asked["thinking"]
        text = json.dumps([self.model, asked], sort_keys=True, default=dict)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def identity(kind: str, model: str, options: Mapping[str, Any]) -> str:
    """What a backend's answers depend on: its kind, model and options, and the size and time of every file of the local
    folders among them. A server's weights cannot be seen from here: give its cache a new file when they change."""
    from .backends.chat.model_files import resolve

    folders = [Path(text) for text in _texts([resolve(model) if kind in ("hf", "vllm") else "", options])]
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir()) if file.is_file()]
    stamps = [(str(file), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files]
    return json.dumps([f"{kind}:{model}", options, stamps], sort_keys=True, default=str)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, (str, os.PathLike)):
        text = str(value)
        yield from [text] if text and len(text) < 4096 else []
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


class _Counts(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt
    cached_tokens: NonNegativeInt


class _Row(BaseModel):
    """A completion as it is stored."""

    model_config = ConfigDict(extra="forbid", strict=True)
    text: str
    tokens: NonNegativeInt
    prompt_ids: tuple[NonNegativeInt, ...] | None
    ids: tuple[NonNegativeInt, ...] | None
    logprobs: tuple[FiniteFloat, ...] | None
    finish: Literal["stop", "length"]
    usage: _Counts
    thinking: str = ""


def _decode(text: str | bytes) -> Completion | None:
    try:
        row = _Row.model_validate_json(text)
    except ValidationError as err:
        first = err.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        log.warning("a stored completion cannot be read and is made again: %s: %s", place or "all of it", first["msg"])
        return None
    return Completion(**{**dict(row), "usage": Usage(**dict(row.usage))})
