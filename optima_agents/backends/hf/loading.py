"""Loading of local models, safely: safetensors only, no remote code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..chat.model_files import found


def load_causal(source: str, dtype: str) -> Any:
    """The causal language model of a folder or hub name on the CPU; ``dtype`` may be ``auto``, the checkpoint's own."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        found(source), dtype=dtype, use_safetensors=True, trust_remote_code=False, attn_implementation="sdpa"
    )


def load_model(
    source: str,
    device: str,
    dtype: str | None,
    adapter: str | os.PathLike[str] | None,
    adapters: Mapping[str, str | os.PathLike[str]] | None,
) -> Any:
    """A causal language model in eval mode. Raises ValueError for an architecture without plain attention caches."""
    from .attention import NAME

    if adapter is not None and adapters:
        raise ValueError("give either adapter (merged into the weights) or adapters (chosen per request), not both")
    model = load_causal(source, dtype or ("float32" if device == "cpu" else "auto"))
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ["full_attention"])
    if not kinds <= {"full_attention", "sliding_attention"}:
        raise ValueError(f"{source}: layers of kind {', '.join(sorted(kinds))} are not supported; use the vllm backend")
    model.set_attn_implementation(NAME)  # only now: a model without SDPA support has been refused above
    model = _adapted(model, adapter, adapters).to(device)
    return model.eval().requires_grad_(False)


def _adapted(model: Any, adapter: Any, adapters: Mapping[str, Any] | None) -> Any:
    if adapter is None and not adapters:
        return model
    from peft import PeftModel

    if adapter is not None:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    wrapped: Any = None
    for name, folder in (adapters or {}).items():
        if wrapped is None:
            wrapped = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
        else:
            wrapped.load_adapter(str(folder), adapter_name=name)
    return wrapped


def stop_ids(model: Any, tokenizer: Any, end_of_turn: int | None) -> set[int]:
    """Every id that ends a turn: the generation config's, the tokenizer's, and the chat template's own."""
    listed = model.generation_config.eos_token_id if model.generation_config else None
    ids = set(listed) if isinstance(listed, (list, tuple)) else {listed}
    return {i for i in ids | {tokenizer.eos_token_id, end_of_turn} if i is not None}
