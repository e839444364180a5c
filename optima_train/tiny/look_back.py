"""LookBack: an auxiliary lesson that makes reading emerge in minutes instead of hours.

Copying a fact needs two layers at once: an early one that notes which word came just before, and a later one that
searches for it. Each is worthless without the other, so plain training dwells on a plateau. Predicting the last three
tokens from the first layer's output gives the early half a reason of its own; the probes are thrown away afterwards.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy, rms_norm

OFFSETS = (1, 2, 3)
SHARE = 0.15  # of the positions, drawn anew for each batch


class LookBack(torch.nn.Module):
    """Probes on the first layer of ``model`` (a Llama). ``loss`` belongs to the last forward pass."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        width = model.config.hidden_size
        self.probes = torch.nn.ModuleList(torch.nn.Linear(width, width, bias=False) for _ in OFFSETS)
        self._embedding = (model.model.embed_tokens.weight,)  # a tuple, so that it is not registered here again
        self._hook = model.model.layers[0].register_forward_hook(self._keep)
        self._hidden = torch.empty(0)

    def _keep(self, _module: Any, _inputs: Any, output: Any) -> None:
        self._hidden = output[0] if isinstance(output, tuple) else output

    def loss(self, ids: torch.Tensor) -> torch.Tensor:
        """Summed cross-entropy of the tokens 1, 2 and 3 places back, on a sample of the positions of ``ids``."""
        at = torch.rand(ids.shape) < SHARE
        at[:, : max(OFFSETS)] = False
        hidden = rms_norm(self._hidden[at], self._hidden.shape[-1:])
        wanted = zip(self.probes, OFFSETS, strict=True)
        embedding = self._embedding[0]
        return torch.stack(
            [cross_entropy(probe(hidden) @ embedding.T, ids.roll(offset, 1)[at]) for probe, offset in wanted]
        ).sum()

    def remove(self) -> None:
        self._hook.remove()
