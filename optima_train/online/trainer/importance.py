"""Importance weights: the trainer's probabilities over those of the engine that sampled, capped and counted.

The two differ by precision and kernels even for the same weights. A weight w = pi_trainer / pi_engine on the advantage
corrects the expectation, and its cap bounds the variance (truncated importance sampling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Kind = Literal["token", "sequence-mask", "none"]
BAND = (0.9, 1.1)


def weights(difference: torch.Tensor, kind: Kind, cap: float) -> torch.Tensor:
    """Weights, (rows, tokens) or (rows, 1), from log pi_trainer - log pi_engine, (rows, tokens), 0 where not trained.

    ``token``: exp of each, at most ``cap``. ``sequence-mask``: exp of a row's sum, 0 above ``cap``. ``none``: ones.
    """
    if kind == "token":
        return difference.exp().clamp(max=cap)
    if kind == "sequence-mask":
        ratio = difference.sum(-1, keepdim=True).exp()
        return ratio.masked_fill(ratio > cap, 0.0)
    return difference.new_ones(1, 1).expand(len(difference), 1)


class Drift:
    """How far the trainer's log-probabilities are from the engine's, over all rounds and processes."""

    def __init__(self) -> None:
        self.tokens = self.outside = self.capped = 0.0
        self.largest = 0.0

    def add(self, difference: torch.Tensor, mask: torch.Tensor, kind: Kind, cap: float, accelerator: Any) -> None:
        """``mask``: tokens that are trained on and whose engine's log-probability is known."""
        import torch

        ratio, known = difference.exp(), mask.bool()
        over = (ratio > cap) if kind == "token" else (difference.sum(-1, keepdim=True).exp() > cap).expand_as(known)
        outside = (ratio < BAND[0]) | (ratio > BAND[1])
        largest = (difference.abs() * known).max() if difference.numel() else difference.new_zeros(())
        capped = (over & known).sum() if kind != "none" else known.new_zeros((), dtype=torch.long)
        mine = torch.stack([known.sum(), (outside & known).sum(), capped, largest]).double()
        for tokens, out, cut, most in accelerator.gather(mine[None]).tolist():
            self.tokens, self.outside, self.capped = self.tokens + tokens, self.outside + out, self.capped + cut
            self.largest = max(self.largest, most)

    def numbers(self) -> dict[str, float]:
        """``outside_band`` is the share of tokens whose ratio is not in [0.9, 1.1], ``capped`` of those cut or left
        out."""
        tokens = max(1.0, self.tokens)
        return {
            "compared_tokens": self.tokens,
            "largest_log_ratio": self.largest,
            "outside_band": self.outside / tokens,
            "capped": self.capped / tokens,
        }
