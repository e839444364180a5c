"""A Llama with random weights: real code paths, no skill, made in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save_random_llama(folder: Path, tokenizer: Any, **settings: Any) -> Path:
    """Two layers of width 32 and the tokenizer in ``folder``; ``settings`` go into the model's config."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        **settings,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
