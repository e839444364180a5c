"""OpenAI-compatible servers: ``openai:BASE_URL`` or ``openai:BASE_URL#MODEL``.

A vLLM server is recognised by its model list; it is asked for token ids and log-probabilities too. Keys come from the
environment and leave in the header only.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urldefrag, urlsplit

from ..base import BackendError, Completion, ContextOverflow, EngineDead, Request
from ..chat.local_tokens import LocalTokens, check_room, vllm_sampling
from ..chat.model_files import load_tokenizer, resolve
from ..own_loop import OwnLoop
from ..routing import PrefixRouter
from .http_json import HttpJson, Lost, Refused
from .reading import Served, read_completion, read_models, read_prompt_logprobs

OVERFLOW = re.compile(r"context.?(length|window)|max_model_len|maximum model length|too many tokens", re.IGNORECASE)


def open_server(address: str, *, tokenizer: str | None = None, **options: Any) -> OpenAIBackend:
    """The backend for ``BASE_URL[#MODEL]``; with ``tokenizer`` (a folder, a hub name or ``tiny``) a TokenServer."""
    return TokenServer(address, tokenizer, **options) if tokenizer else OpenAIBackend(address, **options)


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
        base, model = urldefrag(address)
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an openai backend needs a base URL, such as openai:http://localhost:8000/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"no password in the URL of {parts.hostname}, please: put the key into ${key_env}")
        self.base, self.model = base, model or None
        self.key_env = key_env
        self._key = os.environ.get(key_env, "").strip()
        self._own = OwnLoop("openai")
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = HttpJson(base, headers, retries=retries, timeout_s=timeout_s, connections=connections)
        self._served: asyncio.Task[Served] | None = None

    async def complete(self, request: Request) -> Completion:
        """Raises ContextOverflow, BackendError for a request that failed, EngineDead when no request can succeed."""
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
            body["messages"] = [dict(message) for message in request.messages]
            return read_completion(await self._post("/chat/completions", body))
        body["prompt"] = list(request.prompt_ids or ())
        return read_completion(await self._post("/completions", body))

    def _vllm_options(self) -> dict[str, Any]:
        return {}

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
        except EngineDead as err:
            if not self.model or not self._was(err, 404):
                raise
            listed = None  # a proxy that offers completions only
        return read_models(listed, self.model, self.base)

    async def _post(self, path: str, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        return await self._call("POST", path, body, headers)

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of the answer (a str if it is none); ``path`` may be a whole URL."""
        url = path if "://" in path else self.base.rstrip("/") + path
        try:
            return await self._http.ask(method, url, body, headers)
        except Refused as err:
            raise self._refusal(err) from None
        except Lost as err:
            raise self._lost(err) from None
        except BackendError as err:
            raise BackendError(f"{self.base}: {err}") from None

    def _lost(self, err: Lost) -> Exception:
        why = self._clean(str(err))
        if not err.reached:
            return EngineDead(f"{self.base} cannot be reached: {why}, {self._tries()}")
        if err.silent:
            why = f"nothing came for {self._http.timeout_s:g} s"
        return BackendError(f"{self.base}: {why}, {self._tries()}")

    def _refusal(self, err: Refused) -> Exception:
        code, status = err.code, err.status
        text = f"{self.base}: HTTP {status}: {self._clean(' '.join(str(err).split()))[:500]}"
        if status in (400, 413, 422) and (code == "context_length_exceeded" or OVERFLOW.search(text)):
            return ContextOverflow(text)
        if status in (401, 403):
            return EngineDead(f"{text} (the key is taken from ${self.key_env})")
        if status == 404 or code == "insufficient_quota":
            return EngineDead(text)
        return BackendError(f"{text}, {self._tries()}" if err.passing else text)

    def _was(self, err: Exception, *statuses: int) -> bool:
        """Whether ``_refusal`` made ``err`` of one of these statuses; what else the server wrote does not count."""
        return any(str(err).startswith(f"{self.base}: HTTP {status}: ") for status in statuses)

    def _tries(self) -> str:
        return f"tried {self._http.retries + 1} times"

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


class TokenServer(LocalTokens, OpenAIBackend):
    """A server that takes token ids, with the model's tokenizer on this side.

    Prompts are rendered here as for local models, so text never becomes a control token. ``logprobs`` needs vLLM.
    A vLLM server with the token endpoint (``--enable-scale-out``: tokens in, tokens out) is asked there: it then makes
    neither text nor names of tokens, and no default of its own, such as a top-k, changes the sampling. ``engines`` is
    that server's ``--data-parallel-size``: prompts then go to the engine that knows their beginning, while the server
    itself goes by load.
    """

    _tokens_path: str | None = None

    def __init__(self, address: str, tokenizer: str, *, engines: int = 1, **options: Any) -> None:
        from ..chat.templates import ChatTokenizer

        super().__init__(address, **options)
        self.chat = ChatTokenizer(load_tokenizer(resolve(tokenizer)))
        self._router = PrefixRouter(engines) if engines > 1 else None

    async def logprobs(self, prompt_ids: Sequence[int], completion_ids: Sequence[int]) -> list[float]:
        """Log-probability (nats) of each completion token after the prompt. Raises BackendError if the server is not
        vLLM, the prompt is empty, or both together do not leave room for one token more in the window."""
        if not prompt_ids:
            raise BackendError("a prompt is needed")
        return await self._own.run(self._score(list(prompt_ids) + list(completion_ids), len(prompt_ids)))

    async def _score(self, ids: list[int], first: int) -> list[float]:
        served = await self._model()
        body = {"model": served.model, "prompt": ids, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
        return read_prompt_logprobs(await self._post("/completions", body), ids, first)

    async def _complete(self, request: Request) -> Completion:
        prompt, window = self.prompt(request), (await self._model()).window
        request = replace(request, prompt_ids=tuple(prompt))
        if window is not None:
            check_room(prompt, window, self.base)
            room = min(request.sampling.max_tokens, window - len(prompt))
            request = replace(request, sampling=replace(request.sampling, max_tokens=room))
        done = await (self._tokens(request) if self._tokens_path else super()._complete(request))
        if done.ids is not None:  # decoded here, as for local models: servers differ in how they treat a first space
            done = replace(done, text=self.chat.decode(done.ids, request.sampling.stop))
        return replace(done, prompt_ids=request.prompt_ids)

    async def _tokens(self, request: Request) -> Completion:
        end = self.chat.end_of_turn
        params = vllm_sampling(request, request.sampling.max_tokens, [] if end is None else [end])
        model = request.adapter or (await self._model()).model
        ids = list(request.prompt_ids or ())
        body = {"model": model, "token_ids": ids, "sampling_params": params}
        with self._router.place(ids) if self._router else nullcontext() as rank:
            headers = None if rank is None else {"X-data-parallel-rank": str(rank)}
            return read_completion(await self._post(str(self._tokens_path), body, headers))

    async def _ask_models(self) -> Served:
        served = await super()._ask_models()
        path = f"{self.base.rstrip('/').removesuffix('/v1')}/inference/v1/generate"
        if served.vllm and await self._refuses(path):
            self._tokens_path = path
        return served

    async def _refuses(self, path: str) -> bool:
        """Whether an empty request to ``path`` is found wanting, which only an endpoint that exists can do."""
        try:
            await self._post(path, {})
        except BackendError as err:
            return self._was(err, 400, 422)
        except EngineDead as err:  # 404: no such endpoint; 403: switched off; a key that is refused is told later
            if not self._was(err, 401, 403, 404):
                raise
        return False

    def _vllm_options(self) -> dict[str, Any]:
        end = self.chat.end_of_turn
        return {} if end is None else {"stop_token_ids": [end]}
