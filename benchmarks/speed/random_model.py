"""Models of stated shapes with random weights, built from a config: speed does not depend on what the weights say."""

from __future__ import annotations

from pathlib import Path

from optima_agents.backends.chat.model_files import TINY

# width, layers, heads, key-value heads, inner width: from 1b on, those of well-known models of about that size
SIZES = {
    "small": (256, 4, 8, 2, 688),
    "1b": (2048, 16, 32, 8, 8192),
    "3b": (3072, 28, 24, 8, 8192),
    "8b": (4096, 32, 32, 8, 14336),
}


def build(size: str, folder: Path, *, device: str = "cuda", dtype: str = "bfloat16") -> int:
    """Write a random Llama of ``size`` with the embedded model's tokenizer; returns its number of parameters."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    width, layers, heads, key_values, inner = SIZES[size]
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_values,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    default = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(default)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())
