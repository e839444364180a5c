"""Soft prompts (P-tuning): trained vectors before every prompt, as PEFT saves them, played as tokens of their own.

The vectors become further rows of the model's input embeddings, so that caches and batches need not know of them; the
output layer has no such rows, so they are never sampled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..chat.model_files import ADAPTER

KINDS = ("PROMPT_TUNING", "P_TUNING")
VECTORS = "prompt_embeddings"  # PEFT's name for them


def is_soft_prompt(folder: str) -> bool:
    """Whether a local adapter is a soft prompt; other adapters are LoRA. Raises ValueError for settings of an adapter
    that cannot be read."""
    file = Path(folder) / "adapter_config.json"
    if not file.is_file():
        return False
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError(f"a {type(told).__name__} is no settings")
    except (OSError, ValueError, RecursionError) as err:
        raise ValueError(f"{file} cannot be read: {type(err).__name__}: {err}") from None
    return told.get("peft_type") in KINDS


def add_soft_prompt(model: Any, folder: str) -> tuple[int, ...]:
    """Put the vectors of ``folder`` behind ``model``'s input embeddings; returns their ids, which stand before every
    prompt. Raises ValueError for vectors that do not fit, and for embeddings that do more than look up."""
    import torch
    from safetensors.torch import load_file

    file = Path(folder) / ADAPTER
    vectors = load_file(file).get(VECTORS)
    known: Any = model.get_input_embeddings()
    if type(known) is not torch.nn.Embedding:
        raise ValueError(f"{folder}: a {type(known).__name__} takes no soft prompt; train LoRA instead")
    if vectors is None or vectors.dim() != 2 or vectors.shape[1] != known.embedding_dim:
        raise ValueError(f"{file} holds no vectors of {known.embedding_dim} numbers under {VECTORS}")
    both = torch.cat([known.weight.data, vectors.to(known.weight)])
    model.set_input_embeddings(torch.nn.Embedding.from_pretrained(both))
    return tuple(range(len(known.weight), len(both)))
