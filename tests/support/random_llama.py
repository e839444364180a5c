"""A Llama, or another model, with random weights: real code paths, no skill, made in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save_random_llama(folder: Path, tokenizer: Any, **settings: Any) -> Path:
    """Two layers of width 32 and the tokenizer in ``folder``; ``settings`` go into the model's config."""
    return save_random(folder, tokenizer, "llama", **settings)


def save_random(folder: Path, tokenizer: Any, kind: str, **settings: Any) -> Path:
    """The same with a model of another ``kind``, by transformers' name for it."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    wanted = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
    }
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**wanted, **settings})).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
