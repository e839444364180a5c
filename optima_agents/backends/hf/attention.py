"""Attention of one new token per row, registered with transformers: grouped queries read the cache without copies.

For every step of decoding, transformers' own SDPA path repeats the keys and values of a model with fewer key-value
heads than query heads (most models of today) until the numbers are equal, which copies the whole cache several times
over. Here the queries of one group are rows of a small matrix instead. Longer passes go to SDPA as they are.

SDPA's ``enable_gqa`` was tried in its place (torch 2.13, one CPU thread, 64 rows, caches of 364 to 1,024 tokens): it
takes 1.0 to 1.4 times as long, and on CUDA it leaves the fused kernels as soon as there is a mask.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

NAME = "optima_grouped"
# what models hand to any attention, and what changes nothing here; no sliding window is shorter than what is asked
HARMLESS = {
    "cache_position",
    "is_causal",
    "logits_to_keep",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "position_ids",
    "return_dict",
    "sliding_window",
    "use_cache",
}


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


def left_out(config: Any) -> set[str]:
    """What models of ``config`` want of attention that SDPA does not do and leaves out in silence: soft-capping
    (Gemma 2), sinks ...

    Found by a pass over a model of the config without weights or memory; empty for one with an attention of its own.
    """
    seen: set[str] = set()

    def note(
        module: Any, query: torch.Tensor, key: Any, value: torch.Tensor, attention_mask: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, None]:
        known = HARMLESS | {"dropout", "scaling", "position_bias"}
        seen.update(name for name, given in kwargs.items() if given is not None and name not in known)
        return query.new_empty(query.shape[0], query.shape[2], query.shape[1], value.shape[-1]), None

    name = f"{NAME}_noted"
    AttentionInterface.register(name, note)  # type: ignore[arg-type]
    AttentionMaskInterface.register(name, sdpa_mask)
    try:
        with torch.device("meta"), torch.no_grad():
            model = AutoModelForCausalLM.from_config(deepcopy(config), attn_implementation=name)
            ids, places = torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 4, dtype=torch.long)
            # with a ready mask, no number has to be looked at
            model.eval()(input_ids=ids, position_ids=places, attention_mask=torch.zeros(1, 1, 4, 4), use_cache=False)
    except Exception:  # noqa: S110 - experts and the like need real numbers; the layers before have told
        pass
    finally:
        del AttentionInterface._global_mapping[name], AttentionMaskInterface._global_mapping[name]
    return seen
