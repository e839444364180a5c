"""JSON over HTTP to one server: bounded retries with growing pauses, ``Retry-After``, and limits on connections, on
silence and on the size of an answer.

The official openai client does the same through httpx and models of every answer, for 14 times the CPU: 4.5 ms a
request beside 0.31 ms here, on one core of two (``python -m benchmarks.speed.http_client``). A rollout asks for
thousands of turns from the process that also plays the dialogues.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from optima_envs.extras import need

from ..base import BackendError
from .refusals import HttpError, inside, refused

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_RETRY_AFTER_S = 0.5, 8.0, 60.0
MAX_BYTES = 64 << 20  # an endless answer must not fill memory


class ConnectionFailed(Exception):
    """No whole answer came. ``reached``: whether there was a connection; ``silent``: whether it timed out."""

    retryable, retry_after = True, None

    def __init__(self, message: str, *, reached: bool, silent: bool) -> None:
        super().__init__(message)
        self.reached, self.silent = reached, silent


class HttpJson:
    """Asks from one event loop. ``headers`` go with every request; they are in no log and no error.

    A request is tried ``retries`` times more after a lost connection, a timeout (``timeout_s`` seconds without a
    byte), 408, 409, 429, 5xx or the like inside an answer; at most ``connections`` requests are under way at once. A
    proxy for ``url`` is taken from the environment. Redirects are refused: they would carry the prompt, and the key,
    elsewhere. ``answers`` counts whole answers. Raises ImportError without aiohttp.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], *, retries: int, timeout_s: float, connections: int
    ) -> None:
        need("openai", "asking a server", "aiohttp")
        self.retries, self.timeout_s = retries, timeout_s
        self.answers = 0
        self._url, self._headers = url, headers
        self._slots = asyncio.Semaphore(connections)
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of the answer, or a str if it is none and does not say it is.

        Raises HttpError or ConnectionFailed after the last try, BackendError for broken JSON or an answer above
        ``MAX_BYTES``.
        """
        async with self._slots:
            for tried in range(self.retries + 1):
                try:
                    return await self._once(method, url, body, headers)
                except (HttpError, ConnectionFailed) as err:
                    if tried == self.retries or not err.retryable:
                        raise
                    pause = _pause(tried, err.retry_after)
                    why = f"HTTP {err.status}" if isinstance(err, HttpError) else err
                log.info("%s: %s; asking again in %.3f s", urlsplit(url).path, why, pause)
                await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _once(self, method: str, url: str, body: object, headers: Mapping[str, str] | None) -> Any:
        import aiohttp

        try:
            async with self._opened().request(method, url, json=body, headers=headers, allow_redirects=False) as answer:
                raw = await _bounded(answer)
        except (aiohttp.ClientError, TimeoutError) as err:
            away = isinstance(err, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
            silent = isinstance(err, TimeoutError)
            raise ConnectionFailed(f"{type(err).__name__}: {err}", reached=not away, silent=silent) from None
        self.answers += 1
        if answer.status >= 300:
            raise refused(answer.status, raw, answer.headers)
        try:
            told = json.loads(raw)
        except (ValueError, RecursionError) as err:
            if answer.content_type.endswith("json"):
                raise BackendError(f"the answer is no JSON: {type(err).__name__}: {err}") from None
            return raw.decode("utf-8", "replace")
        if (refusal := inside(told)) is not None:
            raise refusal
        return told

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            parts = urlsplit(self._url)
            proxy = None if proxy_bypass(str(parts.hostname)) else getproxies().get(parts.scheme)
            connect = min(10.0, self.timeout_s)
            self._session = aiohttp.ClientSession(
                headers=dict(self._headers),
                proxy=proxy,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=self.timeout_s),
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                json_serialize=partial(json.dumps, separators=(",", ":")),
            )
        return self._session


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise BackendError(f"the server sent more than {MAX_BYTES >> 20} MiB as one answer")
    return b"".join(parts)


def _pause(tried: int, retry_after: float | None) -> float:
    if retry_after is not None and 0 < retry_after <= LONGEST_RETRY_AFTER_S:
        return retry_after
    return min(FIRST_PAUSE_S * 2**tried, LONGEST_PAUSE_S) * random.uniform(0.75, 1.0)
