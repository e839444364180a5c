"""TransformersBackend: a model in this process, on transformers; continuous batching, prefixes computed once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..base import BackendError, Completion, Request, check_sampling
from ..chat.local_tokens import LocalTokens, check_room
from ..chat.model_files import bounded, check_tokens, load_tokenizer, resolve, window
from .batching import Batcher

if TYPE_CHECKING:
    from .likelihood import Pair

GIB = 1 << 30
UNLIMITED = 1 << 20  # tokens, of a model whose config names no limit


class TransformersBackend(LocalTokens):
    """``model`` is a folder, a hub name, or ``tiny``, the model this package carries. Weights must be safetensors.

    ``device`` defaults to CUDA if there is one, ``dtype`` (``"float32"``, ``"bfloat16"``) to float32 on a CPU and
    the checkpoint's own elsewhere. ``adapter`` is a LoRA folder merged into the weights, or a soft prompt that stands
    before every request; ``adapters`` maps names to LoRA folders, chosen per request. ``max_batch`` rows are decoded
    at once; ``prefix_bytes`` of keys and values of earlier prompts are kept. ``max_model_len`` bounds a prompt and its
    turn, in tokens. ``ignore_eos``: a turn ends at its limit or a stop string alone, for measurements.

    Each request samples from its own seed, whatever else is in the batch; log-probabilities are the model's own
    (temperature 1). Raises OSError or ValueError when the model cannot be loaded.
    """

    def __init__(
        self,
        model: str = "tiny",
        *,
        device: str | None = None,
        dtype: str | None = None,
        adapter: str | os.PathLike[str] | None = None,
        adapters: Mapping[str, str | os.PathLike[str]] | None = None,
        max_batch: int = 64,
        max_wait_s: float = 0.005,
        prefix_bytes: int = GIB,
        max_model_len: int | None = None,
        ignore_eos: bool = False,
    ) -> None:
        import torch

        from ..chat.templates import ChatTokenizer
        from .decoding import Decoder
        from .likelihood import Scorer
        from .loading import load_model, stop_ids

        source = resolve(model)
        self.name = model or "tiny"
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        tokenizer = load_tokenizer(source)
        self.chat = ChatTokenizer(tokenizer)
        self.model, self._before = load_model(source, device, dtype, adapter, adapters)
        self.adapters = frozenset(adapters or ())
        whole = bounded(window(self.model.config) or UNLIMITED, max_model_len, self.name)
        self.window = whole - len(self._before)  # what is left to requests
        self._vocabulary: int = self.model.get_input_embeddings().weight.shape[0] - len(self._before)
        check_tokens(tokenizer, self._vocabulary, source)
        prefill = 1024 if device == "cpu" else 16_384
        lock = threading.Lock()
        self._decoder = Decoder(
            self.model,
            self.chat.decode,
            () if ignore_eos else stop_ids(self.model, tokenizer, self.chat.end_of_turn),
            whole,
            max_batch=max_batch,
            max_wait_s=max_wait_s,
            prefix_bytes=prefix_bytes,
            prefill_tokens=prefill,
            lock=lock,
            by_name=bool(adapters),
        )
        self.scorer = Scorer(self.model, whole, lock, prefill, by_name=bool(adapters))
        self._scores: Batcher[Pair, list[float]] = Batcher(
            self.scorer.score, max_batch=4 * max_batch, max_wait_s=max_wait_s
        )

    def progress(self) -> int:
        """How many forward passes were computed so far."""
        return self._decoder.passes + self._scores.batches

    async def complete(self, request: Request) -> Completion:
        """Raises ContextOverflow for a prompt that fills the window, BackendError for a bad request, EngineDead."""
        if request.adapter is not None and request.adapter not in self.adapters:
            known = ", ".join(sorted(self.adapters)) or "none"
            raise BackendError(f"no adapter {request.adapter!r} is loaded (loaded: {known})")
        check_sampling(request.sampling)
        prompt = self.prompt(request, self._vocabulary)
        check_room(prompt, self.window, self.name)
        future = self._decoder.submit([*self._before, *prompt], request.sampling, request.seed, request.adapter)
        done = await asyncio.wrap_future(future)
        if self._before and done.prompt_ids is not None:
            done = replace(done, prompt_ids=done.prompt_ids[len(self._before) :])  # no other model has them
        return self.spoken(done, request)

    async def logprobs(self, prompt_ids: Sequence[int], completion_ids: Sequence[int]) -> list[float]:
        """Log-probability (nats) of each completion token after the prompt, without the ``adapters`` but with the
        ``adapter`` that all requests share.

        Raises BackendError when the prompt is empty or both together exceed the window.
        """
        return await self._scores.submit(([*self._before, *prompt_ids], completion_ids))

    def reset(self) -> None:
        """Forget cached prefixes; needed after the weights were changed in place."""
        self._decoder.reset()

    async def aclose(self) -> None:
        await asyncio.to_thread(self._decoder.close)
        await asyncio.to_thread(self._scores.close)
