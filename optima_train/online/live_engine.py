"""LiveEngine: the transformers engine over a model that is being trained; there are no weights to hand over."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from optima_agents.backends.base import Completion, Request
from optima_agents.backends.chat.local_tokens import LocalTokens, check_room
from optima_agents.backends.chat.model_files import window
from optima_agents.backends.chat.templates import ChatTokenizer
from optima_agents.backends.hf.attention import NAME
from optima_agents.backends.hf.decoding import Decoder
from optima_agents.backends.hf.loading import stop_ids

GIB = UNLIMITED = 1 << 30


class LiveEngine(LocalTokens):
    """``model`` is a causal language model, with or without an adapter; one with dropout must have it disabled.

    Between ``playing`` and ``training`` the model is in eval mode and may be sampled from, ``batch`` requests at once.
    Its attention is set to the engine's, which trains the same.
    """

    def __init__(self, model: Any, tokenizer: Any, *, batch: int = 64) -> None:
        self.chat = ChatTokenizer(tokenizer)
        self._model = model
        model.set_attn_implementation(NAME)
        self._window = window(model.config) or UNLIMITED
        self._vocabulary = model.config.get_text_config().vocab_size
        self._decoder = Decoder(
            model,
            self.chat.decode,
            stop_ids(model, tokenizer, self.chat.end_of_turn),
            self._window,
            max_batch=batch,
            max_wait_s=0.005,
            prefix_bytes=GIB,
            prefill_tokens=1024 if model.device.type == "cpu" else 16_384,
            lock=threading.Lock(),
        )

    def playing(self) -> None:
        """Sample from the weights as they are now: what was computed with older ones is forgotten."""
        self._model.eval()
        self._decoder.reset()

    def training(self) -> None:
        """Back to training; no request may be under way."""
        self._model.train()

    async def complete(self, request: Request) -> Completion:
        """Raises ContextOverflow for a prompt that fills the window, EngineDead."""
        prompt = self.prompt(request, self._vocabulary)
        check_room(prompt, self._window, "the model in training")
        future = self._decoder.submit(prompt, request.sampling, request.seed, None)
        return await asyncio.wrap_future(future)

    async def aclose(self) -> None:
        await asyncio.to_thread(self._decoder.close)
