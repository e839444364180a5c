"""TokenServer: a server that is sent token ids and asked for them, by a tokenizer on this side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from ..base import BackendError, Completion, EngineDead, Request
from ..chat.local_tokens import LocalTokens, check_room, vllm_sampling
from ..chat.model_files import load_tokenizer, resolve
from ..routing import PrefixRouter
from .backend import OpenAIBackend
from .reading import Served, read_completion, read_prompt_logprobs


def open_server(address: str, *, tokenizer: str | None = None, **options: Any) -> OpenAIBackend:
    """The backend for ``BASE_URL[#MODEL]``; with ``tokenizer`` (a folder, a hub name or ``tiny``) a TokenServer."""
    return TokenServer(address, tokenizer, **options) if tokenizer else OpenAIBackend(address, **options)


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
        return replace(done, prompt_ids=request.prompt_ids)

    def _said(self, done: Completion, request: Request) -> Completion:
        if done.ids is not None:  # decoded here, as for local models: servers differ in how they treat a first space
            done = replace(done, text=self.chat.decode(done.ids, request.sampling.stop))
        return super()._said(done, request)

    def _split(self, text: str, request: Request) -> tuple[str, str]:
        return self.chat.apart(text, request.thinking)

    async def _tokens(self, request: Request) -> Completion:
        end = self.chat.end_of_turn
        params = vllm_sampling(request, request.sampling.max_tokens, [] if end is None else [end])
        model = request.adapter or (await self._model()).model
        ids = list(request.prompt_ids or ())
        body = {"model": model, "token_ids": ids, "sampling_params": params}
        with self._router.place(ids) if self._router else nullcontext() as rank:
            headers = None if rank is None else {"X-data-parallel-rank": str(rank)}
            answer = await self._post(str(self._tokens_path), body, headers)
        return self._said(read_completion(answer, request.sampling.max_tokens), request)

    async def _ask_models(self) -> Served:
        served = await super()._ask_models()
        path = self.address.tokens_url()
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
