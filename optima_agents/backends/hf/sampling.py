"""Sampling for a batch of rows, each with its own seed, temperature and top-p; independent of its batch mates."""

from __future__ import annotations

import torch


def draws(seed: int, count: int) -> torch.Tensor:
    """``count`` uniform numbers of one request's own generator, shape (count,), float64, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, generator=generator, dtype=torch.float64)


def choose(
    logits: torch.Tensor,
    temperature: torch.Tensor,
    top_p: torch.Tensor,
    uniform: torch.Tensor,
    *,
    logprobs: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Next ids (rows,) and their log-probabilities (rows,) in nats, from ``logits`` (rows, vocabulary).

    ``temperature``, ``top_p`` and ``uniform`` have shape (rows,); temperature 0 is greedy. Sampling inverts the
    cumulative distribution at ``uniform``. The log-probabilities are the model's own: temperature 1, no top-p.
    Without ``logprobs`` the rows' largest logits take their place: they too are finite only where all is well.
    """
    logits = logits.float()
    highest, best = logits.max(-1)
    sampled = temperature > 0
    temperature, top_p = temperature.to(logits.dtype), top_p.to(logits.dtype)
    if bool(sampled.any()):
        scaled = logits / torch.where(sampled, temperature, 1.0)[:, None]
        chosen = _invert(scaled.softmax(-1), top_p, uniform)
        best = torch.where(sampled, chosen, best)
    if not logprobs:  # their sum over the vocabulary costs more than the choice
        return best, highest
    scores = logits.gather(-1, best[:, None]).squeeze(-1) - logits.logsumexp(-1)
    return best, scores


def _invert(probs: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    if not bool((top_p < 1).any()):
        return _search(probs, uniform)
    ordered, order = probs.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    kept = ordered * (before < top_p[:, None])  # the first token is always kept
    return order.gather(-1, _search(kept, uniform)[:, None]).squeeze(-1)


def _search(weights: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    sums = weights.double().cumsum(-1)
    target = uniform.to(sums.device, sums.dtype)[:, None] * sums[:, -1:]
    found = torch.searchsorted(sums, target, right=True).squeeze(-1)
    return found.clamp(max=weights.shape[-1] - 1)
