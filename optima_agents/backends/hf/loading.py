"""Loading of local models, safely: safetensors only, no remote code, and whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import copy
from typing import Any

from ..chat.model_files import check_adapter, check_weights, load_config, window
from .soft_prompt import add_soft_prompt, is_soft_prompt

SHIFTING = ("longrope", "dynamic")  # kinds of rotary scaling by the longest text of a batch


def load_causal(source: str, dtype: str, *, attention: str | None = None) -> Any:
    """The causal language model of a folder or hub name on the CPU; ``dtype`` may be ``auto``, the checkpoint's own.

    ``attention`` None leaves the choice to transformers; where that would leave out part of the model's attention, such
    as Gemma 2's soft-capping, the eager one is taken. Raises ValueError for what is no whole causal language model.
    """
    from transformers import AutoModelForCausalLM

    from .attention import left_out

    config = load_config(source)
    check_weights(source)
    missed = left_out(config)
    try:
        # asked for as it is wanted first, so that a model without that attention is refused
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=attention,
            experts_implementation="eager" if dtype == "float64" else None,  # the grouped product has no such numbers
            output_loading_info=True,
        )
    except ValueError as err:
        raise ValueError(f"{source}: {' '.join(str(err).split())[:600]}") from None
    model, told = loaded
    missing = sorted(told["missing_keys"])
    if missing:
        raise ValueError(
            f"{source} lacks {len(missing)} of the weights of a {type(model).__name__}, such as {missing[0]}: it was "
            "saved without its language-model head, or is damaged"
        )
    if missed and model.config._attn_implementation != "eager":
        model.set_attn_implementation("eager")
    fix_positions(model)
    _mend_generation(model)
    return model


def load_model(
    source: str,
    device: str,
    dtype: str | None,
    adapter: str | os.PathLike[str] | None,
    adapters: Mapping[str, str | os.PathLike[str]] | None,
) -> tuple[Any, tuple[int, ...]]:
    """A causal language model in eval mode that decodes here as it does plainly, and the ids that stand before every
    prompt where ``adapter`` is a soft prompt. Raises ValueError for a model that does not, with the way out."""
    from .attention import NAME
    from .fitness import check

    if adapter is not None and adapters:
        raise ValueError("give either adapter (merged into the weights) or adapters (chosen per request), not both")
    model = load_causal(source, dtype or ("float32" if device == "cpu" else "auto"), attention="sdpa")
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ["full_attention"])
    if not kinds <= {"full_attention", "sliding_attention"}:
        raise ValueError(f"{source}: layers of kind {', '.join(sorted(kinds))} are not supported; use the vllm backend")
    if model.config._attn_implementation != "eager":
        model.set_attn_implementation(NAME)
    model = model.to(device).eval().requires_grad_(False)
    check(model, source)
    one = None if adapter is None else check_adapter(adapter)
    several = {name: check_adapter(folder) for name, folder in (adapters or {}).items()}
    if soft := [folder for folder in several.values() if is_soft_prompt(folder)]:
        raise ValueError(f"{soft[0]} is a soft prompt, which all requests share: give it as adapter")
    before: tuple[int, ...] = ()
    if one is not None and is_soft_prompt(one):
        before = add_soft_prompt(model, one)
    else:
        model = _adapted(model, one, several)
    return model.to(device).eval().requires_grad_(False), before


def stop_ids(model: Any, tokenizer: Any, end_of_turn: int | None) -> set[int]:
    """Every id that ends a turn: the generation config's, the tokenizer's, and the chat template's own."""
    listed = model.generation_config.eos_token_id if model.generation_config else None
    ids = set(listed) if isinstance(listed, (list, tuple)) else {listed}
    return {i for i in ids | {tokenizer.eos_token_id, end_of_turn} if i is not None}


def _adapted(model: Any, adapter: str | None, adapters: Mapping[str, str]) -> Any:
    if adapter is None and not adapters:
        return model
    from peft import PeftModel

    if adapter is not None:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    wrapped: Any = None
    for name, folder in adapters.items():
        if wrapped is None:
            wrapped = PeftModel.from_pretrained(model, folder, adapter_name=name)
        else:
            wrapped.load_adapter(folder, adapter_name=name)
        if wrapped.peft_config[name].target_parameters:
            raise ValueError(
                f"{folder} adapts a model's fused experts, and those of one batch cannot differ: give it as adapter, "
                "or train it on attention alone (train.lora.targets)"
            )
    return wrapped


def fix_positions(model: Any) -> None:
    """Rotary frequencies that depend on the longest text of a batch (``longrope``, ``dynamic``) become those of the
    model's whole window, as in vLLM: else a long request would change the log-probabilities of short ones beside it,
    and what was sampled would not be what is trained."""
    longest = window(model.config)
    for module in model.modules():
        kinds = getattr(module, "rope_type", None)
        by_layer = isinstance(kinds, dict)  # one kind for each type of layer, as in Gemma 3
        for layer, kind in kinds.items() if by_layer else [(None, kinds)]:
            if kind == "longrope" and longest is not None:  # those of dynamic are the window's already
                _use_long(module, layer, longest)
        if hasattr(module, "rope_init_fn") and kinds != "default" and longest is not None:
            _answer_alike(module, longest)
        # the kind is asked at every pass, to choose the frequencies again
        if by_layer:
            module.rope_type = {layer: "default" if kind in SHIFTING else kind for layer, kind in kinds.items()}
        elif kinds in SHIFTING:
            module.rope_type = "default"


def _use_long(module: Any, layer: str | None, longest: int) -> None:
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    before = f"{layer}_" if layer else ""
    device = getattr(module, f"{before}inv_freq").device
    frequencies, scaling = ROPE_INIT_FUNCTIONS["longrope"](module.config, device, seq_len=longest, layer_type=layer)
    module.register_buffer(f"{before}inv_freq", frequencies, persistent=False)
    setattr(module, f"{before}attention_scaling", scaling)


def _answer_alike(module: Any, longest: int) -> None:
    """For positions that ask the config anew at every pass, with a scale of their own beyond a length (PhiMoE)."""
    told, frequencies = module.config.rope_parameters, module.inv_freq
    scale = told["long_mscale" if longest > told["original_max_position_embeddings"] else "short_mscale"]
    module.rope_init_fn = lambda config: (frequencies, scale)
    module.config = copy(module.config)
    module.config.rope_parameters = {**told, "rope_type": "default"}


def _mend_generation(model: Any) -> None:
    """A generation config that cannot be saved keeps its ends of turn alone: after training it would cost the weights.

    Its sampling is of no use here, where every request brings its own.
    """
    from transformers import GenerationConfig

    given = model.generation_config
    if given is None:
        return
    try:
        given.validate(strict=True)
    except ValueError:
        names = ("bos_token_id", "eos_token_id", "pad_token_id")
        kept = {name: getattr(given, name) for name in names}
        kept = {name: ids for name, ids in kept.items() if isinstance(ids, list) or (ids is not None and ids >= 0)}
        model.generation_config = GenerationConfig(**kept)
