"""OpenAI-compatible servers: ``openai:BASE_URL`` or ``openai:BASE_URL#MODEL``.

A vLLM server is recognised by its model list; it is asked for token ids and log-probabilities too. Keys come from the
environment and leave in the header only.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..base import BackendError, Completion, ContextOverflow, EngineDead, Request, check_sampling
from ..chat.roles import for_server
from ..chat.thinking import apart
from ..own_loop import OwnLoop
from .address import Address
from .extras import extras
from .http_json import ConnectionFailed, HttpJson
from .reading import Served, read_completion, read_models
from .refusals import HttpError, printable

log = logging.getLogger(__name__)
NO_LIST = (404, 405, 501)  # of a proxy that offers completions only
SHORTEST_KEY = 12  # a shorter one is a stand-in such as EMPTY, and would be found in honest replies


class OpenAIBackend:
    """Messages go to ``/chat/completions``, ``prompt_ids`` to ``/completions``.

    Without ``#MODEL`` the server's only model is used. An ``adapter`` is sent as the model's name, as vLLM wants it.
    ``key_env`` names the environment variable with the key. A request is tried ``retries`` times more after a lost
    connection, a timeout (``timeout_s`` seconds without a byte), 408, 409, 429 or 5xx; at most ``connections``
    requests are under way at once.

    The server tokenises the chat: text that looks like a control token becomes one there. Use a TokenServer where
    that matters. Raises ValueError for an address that is no URL or carries a password.
    """

    def __init__(
        self,
        address: str,
        *,
        key_env: str = "OPENAI_API_KEY",
        retries: int = 4,
        timeout_s: float = 300.0,
        connections: int = 256,
    ) -> None:
        self.address = Address.of(address, key_env)
        self.base, self.model = self.address.base, self.address.model
        self.key_env = key_env
        self._key = os.environ.get(key_env, "").strip()
        self._own = OwnLoop("openai")
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = HttpJson(self.base, headers, retries=retries, timeout_s=timeout_s, connections=connections)
        self._served: asyncio.Task[Served] | None = None
        self._extras: bool | None = None  # whether the server takes more than OpenAI's own fields; None: not tried

    def progress(self) -> int:
        """How many whole answers came from the server so far."""
        return self._http.answers

    async def complete(self, request: Request) -> Completion:
        """Raises ContextOverflow, BackendError for a request that failed, EngineDead when no request can succeed."""
        check_sampling(request.sampling)
        return await self._own.run(self._complete(request))

    async def aclose(self) -> None:
        """Close the connections; later requests raise EngineDead."""
        with suppress(EngineDead):  # closed before
            await self._own.run(self._http.close())
        await asyncio.to_thread(self._own.close)

    async def _complete(self, request: Request) -> Completion:
        served = await self._model()
        sampling = request.sampling
        # OpenAI's own newer models only know the second name, most other servers only the first
        limit = "max_completion_tokens" if "api.openai.com" in self.base else "max_tokens"
        body: dict[str, Any] = {
            "model": request.adapter or served.model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": request.seed,
            limit: sampling.max_tokens,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        chat = request.prompt_ids is None
        if served.vllm:
            body |= {"return_token_ids": True, **self._vllm_options()}
            if sampling.logprobs:
                body["logprobs"] = True if chat else 0
        if chat:
            path, body["messages"] = "/chat/completions", for_server(request.messages)
        else:
            path, body["prompt"] = "/completions", list(request.prompt_ids or ())
        answer = await self._with_extras(path, body, self._more(served, request))
        return self._said(read_completion(answer, sampling.max_tokens), request)

    def _vllm_options(self) -> dict[str, Any]:
        return {}

    def _more(self, served: Served, request: Request) -> dict[str, Any]:
        return {} if "api.openai.com" in self.base else extras(served.maker, request)

    async def _with_extras(self, path: str, body: dict[str, Any], more: dict[str, Any]) -> Any:
        """The answer; a server that refuses fields it does not know is asked without them from then on."""
        if self._extras is False or not more:
            return await self._post(path, body)
        try:
            answer = await self._post(path, {**body, **more})
        except BackendError as err:
            if self._extras or isinstance(err, ContextOverflow) or not self._was(err, 400, 422):
                raise
            answer = await self._post(path, body)  # what is wrong with the request itself is told again
            log.warning("%s takes no %s: its own defaults stand (%s)", self.base, ", ".join(more), err)
            self._extras = False
            return answer
        self._extras = True
        return answer

    def _said(self, done: Completion, request: Request) -> Completion:
        """``done`` with thinking that stands in the text apart, cut at a stop string, without the key."""
        thinking, text = self._split(done.text, request)
        text = text[: min((at for mark in request.sampling.stop if (at := text.find(mark)) >= 0), default=None)]
        thinking = "\n".join(part for part in (done.thinking, thinking) if part)
        if len(self._key) >= SHORTEST_KEY and self._key in text + thinking:
            done = replace(done, ids=None, logprobs=None)
            text, thinking = self._clean(text), self._clean(thinking)
        return replace(done, text=text, thinking=thinking)

    def _split(self, text: str, request: Request) -> tuple[str, str]:
        return apart(text)

    async def _model(self) -> Served:
        """The served model, asked for once; callers that come meanwhile wait for the same answer."""
        if self._served is None:
            self._served = asyncio.create_task(self._ask_models())
        try:
            return await asyncio.shield(self._served)
        except BackendError:
            self._served = None  # the next caller asks again
            raise

    async def _ask_models(self) -> Served:
        try:
            listed = await self._call("GET", "/models", None)
        except (EngineDead, BackendError) as err:
            if not self.model or not self._was(err, *NO_LIST):
                raise
            listed = None
        return read_models(listed, self.model, self.base)

    async def _post(self, path: str, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        return await self._call("POST", path, body, headers)

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of the answer (a str if it is none); ``path`` may be a whole URL."""
        url = path if "://" in path else self.address.url(path)
        try:
            return await self._http.ask(method, url, body, headers)
        except HttpError as err:
            raise self._refusal(err) from None
        except ConnectionFailed as err:
            raise self._lost(err) from None
        except BackendError as err:
            raise BackendError(f"{self.base}: {err}") from None

    def _lost(self, err: ConnectionFailed) -> Exception:
        why = self._clean(str(err))
        if not err.reached:
            return EngineDead(f"{self.base} cannot be reached: {why}, {self._tries()}")
        if err.silent:
            why = f"nothing came for {self._http.timeout_s:g} s"
        return BackendError(f"{self.base}: {why}, {self._tries()}")

    def _refusal(self, err: HttpError) -> Exception:
        status = err.status
        text = f"{self.base}: HTTP {status}: {self._clean(printable(str(err)))[:500]}"
        if err.overflow:
            return ContextOverflow(text)
        if status in (401, 403):
            return EngineDead(f"{text} (the key is taken from ${self.key_env})")
        if err.moved:
            return EngineDead(f"{text}; give the address that answers, redirects are not followed")
        if status in (402, 404) or err.code == "insufficient_quota":
            return EngineDead(text)
        return BackendError(f"{text}, {self._tries()}" if err.retryable else text)

    def _was(self, err: Exception, *statuses: int) -> bool:
        """Whether ``_refusal`` made ``err`` of one of these statuses; what else the server wrote does not count."""
        return any(str(err).startswith(f"{self.base}: HTTP {status}: ") for status in statuses)

    def _tries(self) -> str:
        return f"tried {self._http.retries + 1} times"

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text
