"""Loading of local models, safely: safetensors only, no remote code; and what a config says about limits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TINY = Path(__file__).parents[2] / "tiny"


def resolve(model: str) -> str:
    """The folder or hub name behind a model's name: ``tiny`` (or nothing) is the model this package carries."""
    return str(TINY) if model in ("", "tiny") else model


def load_tokenizer(source: str) -> Any:
    from transformers import AutoTokenizer

    _check(source)
    return AutoTokenizer.from_pretrained(source, trust_remote_code=False)


def load_model(
    source: str,
    device: str,
    dtype: str | None,
    adapter: str | os.PathLike[str] | None,
    adapters: Mapping[str, str | os.PathLike[str]] | None,
) -> Any:
    """A causal language model in eval mode. Raises ValueError for an architecture without plain attention caches."""
    from transformers import AutoModelForCausalLM

    from .attention import NAME

    _check(source)
    if adapter is not None and adapters:
        raise ValueError("give either adapter (merged into the weights) or adapters (chosen per request), not both")
    dtype = dtype or ("float32" if device == "cpu" else "auto")
    model = AutoModelForCausalLM.from_pretrained(
        source, dtype=dtype, use_safetensors=True, trust_remote_code=False, attn_implementation="sdpa"
    )
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


def window(model: Any) -> int:
    """Longest sequence in tokens: the position limit, or a sliding window if that is shorter."""
    config = model.config.get_text_config()
    limits = [config.max_position_embeddings]
    kinds = getattr(config, "layer_types", None)
    slides = "sliding_attention" in kinds if kinds else True
    if slides and getattr(config, "sliding_window", None):
        limits.append(config.sliding_window)  # beyond it, layers would see less than the mask here says
    return min(limits)


def stop_ids(model: Any, tokenizer: Any, end_of_turn: int | None) -> set[int]:
    """Every id that ends a turn: the generation config's, the tokenizer's, and the chat template's own."""
    listed = model.generation_config.eos_token_id if model.generation_config else None
    ids = set(listed) if isinstance(listed, (list, tuple)) else {listed}
    return {i for i in ids | {tokenizer.eos_token_id, end_of_turn} if i is not None}


def _check(source: str) -> None:
    """A path that looks local must exist: else the hub would be asked for it."""
    if source.startswith((".", "/", "~")) and not Path(source).expanduser().is_dir():
        raise FileNotFoundError(f"no model folder at {source}")
