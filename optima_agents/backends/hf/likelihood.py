"""Log-probabilities of given text, in batches sorted by length; no cache, no sampling."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch

from ..base import BackendError

Pair = tuple[Sequence[int], Sequence[int]]


class Scorer:
    """Scores (prompt ids, completion ids) pairs with ``model``; ``max_tokens`` bounds one pass, padding included."""

    def __init__(
        self, model: Any, window: int, lock: threading.Lock, max_tokens: int, *, by_name: bool = False
    ) -> None:
        self.model = model
        self.vocabulary: int = model.get_input_embeddings().weight.shape[0]
        self.window = window
        self.lock = lock
        self.max_tokens = max_tokens
        self.by_name = by_name

    @torch.inference_mode()
    def score(self, pairs: list[Pair]) -> list[list[float] | Exception]:
        """One list of log-probabilities (nats) per pair, or the reason why there is none."""
        results: list[list[float] | Exception] = [BackendError("not scored")] * len(pairs)
        todo: list[int] = []
        for index, (prompt, completion) in enumerate(pairs):
            length = len(prompt) + len(completion)
            if not prompt or length > self.window:
                results[index] = BackendError(f"a prompt and at most {self.window} tokens are needed, not {length}")
            elif not all(0 <= token < self.vocabulary for ids in (prompt, completion) for token in ids):
                results[index] = BackendError(f"token ids must be from 0 to {self.vocabulary - 1}")
            elif completion:
                todo.append(index)
            else:
                results[index] = []
        todo.sort(key=lambda index: (len(pairs[index][0]) + len(pairs[index][1]), len(pairs[index][0])), reverse=True)
        while todo:
            longest = len(pairs[todo[0]][0]) + len(pairs[todo[0]][1])
            count = max(1, self.max_tokens // longest)
            batch, todo = todo[:count], todo[count:]
            for index, scores in zip(batch, self._pass([pairs[index] for index in batch], longest), strict=True):
                results[index] = scores
        return results

    def _pass(self, pairs: list[Pair], longest: int) -> list[list[float]]:
        """Padding stands on the right and attention is causal, so no mask is needed: no real token sees a pad."""
        device = self.model.device
        ids = torch.zeros(len(pairs), longest, dtype=torch.long)
        for row, (prompt, completion) in enumerate(pairs):
            ids[row, : len(prompt) + len(completion)] = torch.tensor([*prompt, *completion])
        ids = ids.to(device)
        first = min(len(prompt) for prompt, _ in pairs) - 1  # the logits before this column are of no use
        kept = torch.arange(first, longest - 1, device=device)
        extra = {"adapter_names": ["__base__"] * len(pairs)} if self.by_name else {}
        with self.lock:
            logits = self.model(input_ids=ids, use_cache=False, logits_to_keep=kept, **extra).logits.float()
        scores = logits.gather(-1, ids[:, first + 1 :, None]).squeeze(-1) - logits.logsumexp(-1)
        out = []
        for row, (prompt, completion) in enumerate(pairs):
            start = len(prompt) - 1 - first
            out.append(scores[row, start : start + len(completion)].tolist())
        return out
