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
from typing import Any

from .backends.base import Backend, Completion, EngineDead, Progress, Request

log = logging.getLogger(__name__)


class CachedBackend:
    """Answers a request seen before from ``path``; anything else goes to ``backend`` and is kept.

    ``model`` names the model and its weights: it is part of the key, so give a new one after any weight change.
    A stored row that cannot be read counts as a miss. ``hits`` and ``misses`` count. ``complete`` raises EngineDead
    when the file cannot be read or written, as on a full disk: that is no dialogue's failure.
    """

    def __init__(self, backend: Backend, path: str | os.PathLike[str], *, model: str) -> None:
        self.backend = backend
        self.model = model
        self.hits = 0
        self.misses = 0
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # the rollout may run its loop in another thread than the one that opened the file; calls never overlap
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS completions (key TEXT PRIMARY KEY, value TEXT NOT NULL)")

    async def complete(self, request: Request) -> Completion:
        key = self._key(request)
        row = self._do("SELECT value FROM completions WHERE key = ?", (key,))
        known = _decode(row[0]) if row else None
        if known is not None:
            self.hits += 1
            return known
        self.misses += 1
        made = await self.backend.complete(request)
        value = json.dumps(asdict(made), allow_nan=False)
        self._do("INSERT OR REPLACE INTO completions VALUES (?, ?)", (key, value))
        return made

    def _do(self, statement: str, values: tuple[str, ...]) -> tuple[str] | None:
        try:
            return self._db.execute(statement, values).fetchone()
        except sqlite3.Error as err:
            raise EngineDead(f"the cache {self.path}: {err}; is its disk full, or another program writing it?") from err

    def progress(self) -> int:
        """Answers given from here, and what the backend tells."""
        return self.hits + (self.backend.progress() if isinstance(self.backend, Progress) else 0)

    async def aclose(self) -> None:
        self._db.close()
        await self.backend.aclose()

    def _key(self, request: Request) -> str:
        text = json.dumps([self.model, asdict(request)], sort_keys=True, default=dict)
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


def _decode(text: str) -> Completion | None:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Completion).validate_json(text, strict=True)
    except ValidationError as err:
        log.warning("a stored completion cannot be read and is made again: %s", err.errors()[0]["msg"])
        return None
