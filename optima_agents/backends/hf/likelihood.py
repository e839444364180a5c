"""Log-probabilities of given text; prompts that several texts share are read once. No sampling.

Siblings and the turns of one agent are scored after the same prompt (readability, paper Eq. 1), which is most of what
there is to read. So a prompt is read once, and its keys and values stand before all of its completions.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ..base import BackendError

Pair = tuple[Sequence[int], Sequence[int]]
SPREAD = 4  # passes' worth of keys and values that the copies of a shared prompt may take


class Scorer:
    """Scores (prompt ids, completion ids) pairs with ``model``; ``max_tokens`` bounds one pass, padding included.

    ``read`` counts the tokens that were computed, padding included.
    """

    def __init__(
        self, model: Any, window: int, lock: threading.Lock, max_tokens: int, *, by_name: bool = False
    ) -> None:
        self.model = model
        self.vocabulary: int = model.get_input_embeddings().weight.shape[0]
        self.window = window
        self.lock = lock
        self.max_tokens = max_tokens
        self.by_name = by_name
        self.read = 0

    @torch.inference_mode()
    def score(self, pairs: list[Pair]) -> list[list[float] | Exception]:
        """One list of log-probabilities (nats) per pair, or the reason why there is none."""
        results: list[list[float] | Exception] = [BackendError("not scored")] * len(pairs)
        after: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, (prompt, completion) in enumerate(pairs):
            length = len(prompt) + len(completion)
            if not prompt or length > self.window:
                results[index] = BackendError(f"a prompt and at most {self.window} tokens are needed, not {length}")
            elif not all(0 <= token < self.vocabulary for ids in (prompt, completion) for token in ids):
                results[index] = BackendError(f"token ids must be from 0 to {self.vocabulary - 1}")
            elif completion:
                after[tuple(prompt)].append(index)
            else:
                results[index] = []
        alone = [indices[0] for indices in after.values() if len(indices) == 1]
        for indices in _divided(alone, lambda index: len(pairs[index][0]) + len(pairs[index][1]), self.max_tokens):
            for index, scores in zip(indices, self._pass([pairs[index] for index in indices]), strict=True):
                results[index] = scores
        for prompt, indices in after.items():
            if len(indices) > 1:
                scored = self._after(prompt, {index: pairs[index][1] for index in indices})
                for index, scores in scored.items():
                    results[index] = scores
        return results

    def _pass(self, pairs: list[Pair]) -> list[list[float]]:
        """Padding stands on the right and attention is causal, so no mask is needed: no real token sees a pad."""
        device, longest = self.model.device, max(len(prompt) + len(completion) for prompt, completion in pairs)
        ids = _padded([[*prompt, *completion] for prompt, completion in pairs], longest).to(device)
        first = min(len(prompt) for prompt, _ in pairs) - 1  # the logits before this column are of no use
        kept = torch.arange(first, longest - 1, device=device)
        logits = self._forward(ids, use_cache=False, logits_to_keep=kept).logits.float()
        scores = logits.gather(-1, ids[:, first + 1 :, None]).squeeze(-1) - logits.logsumexp(-1)
        out = []
        for row, (prompt, completion) in enumerate(pairs):
            start = len(prompt) - 1 - first
            out.append(scores[row, start : start + len(completion)].tolist())
        return out

    def _after(self, prompt: tuple[int, ...], completions: dict[int, Sequence[int]]) -> dict[int, list[float]]:
        """The scores of several completions of one prompt, by their keys.

        A completion's first token is scored by the prompt's last logits, its last one need not be read.
        """
        from transformers import DynamicCache

        device, past = self.model.device, DynamicCache(config=self.model.config)
        last = self._forward(torch.tensor([prompt], device=device), past_key_values=past, logits_to_keep=1).logits
        first = torch.log_softmax(last[0, -1].float(), -1)
        out = {key: [float(first[ids[0]])] for key, ids in completions.items()}
        longer = [key for key, ids in completions.items() if len(ids) > 1]
        size = SPREAD * self.max_tokens
        for keys in _divided(longer, lambda key: len(completions[key]) - 1, self.max_tokens, size, len(prompt)):
            longest = max(len(completions[key]) for key in keys)
            ids = _padded([completions[key] for key in keys], longest).to(device)
            copies = _repeated(past, len(keys), self.model.config)
            logits = self._forward(ids[:, :-1], past_key_values=copies).logits.float()
            scores = logits.gather(-1, ids[:, 1:, None]).squeeze(-1) - logits.logsumexp(-1)
            for row, key in enumerate(keys):
                out[key] += scores[row, : len(completions[key]) - 1].tolist()
        return out

    def _forward(self, ids: torch.Tensor, **how: Any) -> Any:
        extra = {"adapter_names": ["__base__"] * len(ids)} if self.by_name else {}
        self.read += ids.numel()
        with self.lock:
            return self.model(input_ids=ids, **how, **extra)


def _repeated(past: Any, rows: int, config: Any) -> Any:
    """A cache of so many rows that begin as the one row of ``past``, which stays as it is."""
    from transformers import DynamicCache

    copies = DynamicCache(config=config)
    for number, layer in enumerate(past.layers):
        copies.update(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1), number)
    return copies


def _padded(rows: Sequence[Sequence[int]], longest: int) -> torch.Tensor:
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
    return ids


def _divided(
    items: list[int], length: Callable[[int], int], most: int, spread: int | None = None, before: int = 0
) -> Iterator[list[int]]:
    """``items`` in parts of at most ``most`` tokens, padding included, and with ``before`` more tokens each at most
    ``spread``; the longest ones first."""
    todo = sorted(items, key=length, reverse=True)
    while todo:
        longest = length(todo[0])
        count = most // longest if spread is None else min(most // longest, spread // (before + longest))
        part, todo = todo[: max(1, count)], todo[max(1, count) :]
        yield part
