"""Loading of local models, safely: safetensors only, no remote code, and whole."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

from ..chat.model_files import check_adapter, check_weights, load_config, window
from .soft_prompt import add_soft_prompt, is_soft_prompt


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
    merged = None if adapter is None else check_adapter(adapter)
    named = {name: check_adapter(folder) for name, folder in (adapters or {}).items()}
    if soft := [folder for folder in named.values() if is_soft_prompt(folder)]:
        raise ValueError(f"{soft[0]} is a soft prompt, which all requests share: give it as adapter")
    before: tuple[int, ...] = ()
    if merged is not None and is_soft_prompt(merged):
        before = add_soft_prompt(model, merged)
    else:
        model = _adapted(model, merged, named)
    return model.to(device).eval().requires_grad_(False), before


def stop_ids(model: Any, tokenizer: Any, end_of_turn: int | None) -> set[int]:
    """Every id that ends a turn: the generation config's, the tokenizer's, and the chat template's own."""
    listed = model.generation_config.eos_token_id if model.generation_config else None
    ids = set(listed) if isinstance(listed, (list, tuple)) else {listed}
    return {i for i in ids | {tokenizer.eos_token_id, end_of_turn} if i is not None}


def _adapted(model: Any, merged: str | None, named: Mapping[str, str]) -> Any:
    """``model`` with one adapter merged, or with several beside each other."""
    if merged is None and not named:
        return model
    from peft import PeftModel

    if merged is not None:
        return PeftModel.from_pretrained(model, merged).merge_and_unload()
    wrapped: Any = None
    for name, folder in named.items():
        if wrapped is None:
            wrapped = PeftModel.from_pretrained(model, folder, adapter_name=name)
        else:
            wrapped.load_adapter(folder, adapter_name=name)
    return wrapped


def fix_positions(model: Any) -> None:
    """Rotary frequencies that depend on the longest text of a batch (``longrope``, ``dynamic``) become those of the
    model's whole window, as in vLLM: else a long request would change the log-probabilities of short ones beside it,
    and what was sampled would not be what is trained."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    longest = window(model.config)
    for module in model.modules():
        kinds: Any = getattr(module, "rope_type", None)
        by_layer: dict[str, Any] = (
            kinds if isinstance(kinds, dict) else {"": kinds}
        )  # Gemma 3 has frequencies for each kind of layer
        moving = [layer for layer, kind in by_layer.items() if kind in ("longrope", "dynamic")]
        if longest is None or not moving:
            continue
        for layer in moving:
            prefix, told = (f"{layer}_", {"layer_type": layer}) if layer else ("", {})
            device = getattr(module, f"{prefix}inv_freq").device
            fixed = ROPE_INIT_FUNCTIONS[by_layer[layer]](module.config, device, seq_len=longest, **told)
            module.register_buffer(f"{prefix}inv_freq", fixed[0], persistent=False)
            setattr(module, f"{prefix}attention_scaling", fixed[1])
            if not layer:
                _fix_own_forward(module, fixed, longest)
        still = {layer: "default" if layer in moving else kind for layer, kind in by_layer.items()}
        module.rope_type = still if isinstance(kinds, dict) else still[""]  # asked at every pass, to choose again


def _fix_own_forward(module: Any, fixed: tuple[Any, float], longest: int) -> None:
    """PhiMoE makes its frequencies anew at every pass, and scales them by the longest text."""
    parameters = module.config.rope_parameters
    if "long_mscale" not in parameters:
        return
    reach = "long" if longest > parameters["original_max_position_embeddings"] else "short"
    module.rope_init_fn = lambda config, *given, **more: fixed
    module.config = copy.deepcopy(module.config)  # the model's own is saved with it
    scale = parameters[f"{reach}_mscale"]
    module.config.rope_parameters.update(long_mscale=scale, short_mscale=scale)


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
