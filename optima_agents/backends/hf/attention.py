"""Attention of one new token per row, registered with transformers: grouped queries read the cache without copies.

For every step of decoding, transformers' own SDPA path repeats the keys and values of a model with fewer key-value
heads than query heads (most models of today) until the numbers are equal, which copies the whole cache several times
over. Here the queries of one group are rows of a small matrix instead. Longer passes go to SDPA as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

NAME = "optima_grouped"


def grouped(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """``query`` is (rows, heads, tokens, dim), ``key`` and ``value`` (rows, key-value heads, columns, dim), the mask
    additive and (rows, 1, tokens, columns). Returns (rows, tokens, heads, dim), and no weights."""
    if query.shape[2] > 1 or dropout or kwargs.get("position_bias") is not None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    rows, heads, _, dim = query.shape
    queries = query.reshape(rows, key.shape[1], heads // key.shape[1], dim)
    if query.device.type == "cpu":  # the CPU's fused kernel works on blocks of queries, and here there are few
        scale = dim**-0.5 if scaling is None else scaling
        scores = torch.matmul(queries * scale, key.transpose(2, 3))
        if attention_mask is not None:
            scores = scores + attention_mask
        exact = torch.promote_types(query.dtype, torch.float32)
        out = torch.matmul(torch.softmax(scores, -1, dtype=exact).to(query.dtype), value)
    else:
        out = torch.nn.functional.scaled_dot_product_attention(
            queries, key, value, attn_mask=attention_mask, scale=scaling
        )
    return out.reshape(rows, 1, heads, value.shape[-1]), None


AttentionInterface.register(NAME, grouped)
AttentionMaskInterface.register(NAME, sdpa_mask)
