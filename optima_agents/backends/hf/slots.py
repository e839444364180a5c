"""SlotCache: a transformers ``Cache`` whose rows are slots with their own lengths, written in place.

Nothing is copied when a row grows, rows come and go at any step, and one row's keys and values can be loaded from
and saved to the prefix pool.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, ``(slots, heads, columns, head_dim)``; the last column takes padding."""

    keys: Any
    values: Any

    def __init__(self, slots: int, columns: int) -> None:
        super().__init__()
        self.shape = (slots, columns)
        self.rows = torch.zeros(0, 1, dtype=torch.long)
        self.columns = torch.zeros(0, 0, dtype=torch.long)
        self.seen = 0
        self.span: tuple[int, int] = (0, 0)
        self.block: slice | None = None  # the columns, where they are the same for all rows

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        slots, columns = self.shape
        # zeros, not empty: a masked column still meets the softmax, and 0 * NaN is NaN
        self.keys = key_states.new_zeros(slots, key_states.shape[1], columns, key_states.shape[3])
        self.values = value_states.new_zeros(slots, value_states.shape[1], columns, value_states.shape[3])
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        first, count = self.span
        rows = slice(first, first + count)
        if self.block is not None:  # one rectangle: no index for every token
            self.keys[rows, :, self.block] = key_states
            self.values[rows, :, self.block] = value_states
        else:
            self.keys[self.rows, :, self.columns] = key_states.transpose(1, 2)
            self.values[self.rows, :, self.columns] = value_states.transpose(1, 2)
        return self.keys[rows, :, : self.seen], self.values[rows, :, : self.seen]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.seen, 0

    def get_seq_length(self) -> int:
        return self.seen

    def get_max_length(self) -> int:
        return self.shape[1]


class SlotCache(Cache):
    """``slots`` rows of ``columns`` tokens for a model of ``layers`` layers.

    Call ``place`` before each forward pass: it says where the pass's tokens go. The mask and positions it returns
    go into the pass. Rows of one pass are neighbours, so attention reads them without a copy. ``masked``: a mask is
    always given, for attention that knows none of its own.
    """

    @classmethod
    def of(cls, model: Any, *, slots: int, columns: int) -> SlotCache:
        """A cache of ``model``'s shape and for its attention."""
        layers = model.config.get_text_config().num_hidden_layers
        return cls(layers, slots, columns, masked=model.config._attn_implementation == "eager")

    def __init__(self, layers: int, slots: int, columns: int, *, masked: bool = False) -> None:
        self.slot_layers = [SlotLayer(slots, columns) for _ in range(layers)]
        super().__init__(layers=[*self.slot_layers])
        self.slots = slots
        self.columns = columns
        self.masked = masked

    def place(
        self, first: int, starts: list[int], counts: list[int], device: torch.device, dtype: torch.dtype
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Row ``first + i`` gets ``counts[i]`` new tokens at column ``starts[i]``, padded on the left to the longest.

        Returns the additive mask (rows, 1, longest, seen) and the positions (rows, longest). The mask is None where all
        rows are equally long and all that they see is new, or only their last token is: then nothing is hidden but
        by plain causal attention, which is quicker.
        """
        longest = max(counts)
        start = torch.tensor(starts, device=device)[:, None]
        pad = longest - torch.tensor(counts, device=device)[:, None]
        positions = torch.arange(longest, device=device)[None, :] - pad
        real = positions >= 0
        positions = torch.where(real, positions + start, 0)
        seen = max(s + c for s, c in zip(starts, counts, strict=True))
        alike = min(counts) == longest and min(starts) == max(starts)
        mask = None
        if self.masked or not alike or (starts[0] and longest > 1):
            hidden = torch.arange(seen, device=device)[None, None, None, :] > positions[:, None, :, None]
            # additive: a boolean mask would be turned into one again in every layer
            mask = torch.zeros(hidden.shape, device=device, dtype=dtype).masked_fill_(hidden, torch.finfo(dtype).min)
        rows = torch.arange(first, first + len(starts), device=device)[:, None]
        columns = torch.where(real, positions, self.columns - 1)
        block = slice(starts[0], starts[0] + longest) if alike else None
        for layer in self.slot_layers:
            layer.rows, layer.columns, layer.seen, layer.span = rows, columns, seen, (first, len(starts))
            layer.block = block
        return mask, positions

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` columns of one row over another."""
        for layer in self.slot_layers:
            layer.keys[target, :, :length] = layer.keys[source, :, :length]
            layer.values[target, :, :length] = layer.values[source, :, :length]

    def widen(self, columns: int) -> None:
        """Make room for ``columns`` tokens a row (the padding column included); what is there is kept."""
        old = self.columns - 1
        for layer in self.slot_layers:
            layer.shape = (self.slots, columns)
            if layer.is_initialized:
                for name in ("keys", "values"):
                    before = getattr(layer, name)
                    after = before.new_zeros(self.slots, before.shape[1], columns, before.shape[3])
                    after[:, :, :old] = before[:, :, :old]
                    setattr(layer, name, after)
        self.columns = columns
