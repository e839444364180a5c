"""Checkpoints: safetensors, tokenizer and chat template in one folder that transformers and vLLM load as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.engines import ModelRef
from ..run.files import fresh_directory, publish
from ..run.layout import StageDirectory
from ..run.stage import StageError, derive

if TYPE_CHECKING:
    from ..config.settings import LoraConfig, TrainStageConfig


def window(ref: ModelRef) -> int | None:
    """The most tokens ``ref`` can read at once; None: its config does not say."""
    from optima_agents.backends.chat.model_files import load_config, resolve
    from optima_agents.backends.chat.model_files import window as limit

    return limit(load_config(resolve(ref.model)))


def load_model(ref: ModelRef, precision: str, lora: LoraConfig | None) -> Any:
    """The causal LM of ``ref`` without its adapter; safetensors only, no remote code.

    Trained weights stay fp32 (bf16 is autocast: updates of 1e-6 vanish in bf16 weights); under LoRA the frozen
    ones may be bf16.
    """
    from optima_agents.backends.chat.model_files import resolve
    from optima_agents.backends.hf.loading import load_causal

    model = load_causal(resolve(ref.model), "bfloat16" if lora is not None and precision == "bf16" else "float32")
    config = model.config.get_text_config()
    if hasattr(config, "num_local_experts") and not hasattr(config, "num_experts"):
        config.num_experts = config.num_local_experts  # TRL's name for them, for the loss of the routers
    return model


def load_tokenizer(ref: ModelRef) -> Any:
    """The tokenizer of ``ref``; one without a padding token pads with its end token."""
    from optima_agents.backends.chat import model_files

    tokenizer = model_files.load_tokenizer(model_files.resolve(ref.model))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_trainable(ref: ModelRef, config: TrainStageConfig, seed: int) -> Any:
    """The model of ``ref`` as ``config`` trains it: whole, or with a LoRA adapter or soft prompt, the one of ``ref`` or
    a new one.

    The same in every process. Raises StageError for settings that do not fit the model.
    """
    model = load_model(ref, config.precision, config.lora)
    if config.prompt_tokens is not None:
        return soften(model, config.prompt_tokens, ref.adapter, seed=derive(seed, "prompt"))
    return attach(model, config.lora, ref.adapter, seed=derive(seed, "lora"), apart=config.sharing == "adapter")


def check_lora(model: str, config: TrainStageConfig) -> None:
    """Raises StageError for a ``train.lora`` that does not fit ``model``, where its files are here; no weight is
    read."""
    import torch
    from transformers import AutoModelForCausalLM

    from optima_agents.backends.chat.model_files import load_config, resolve

    source = resolve(model, fetch=False)
    if Path(source).is_dir():
        with torch.device("meta"):
            bare = AutoModelForCausalLM.from_config(load_config(source))
        attach(bare, config.lora, None, seed=0, apart=config.sharing == "adapter")


def save_trained(trainer: Any, tokenizer: Any, start: ModelRef, out: Path, config: TrainStageConfig) -> ModelRef:
    """Save what a trainer made of ``start``; called in every process, written by the main one.

    Where the weights are divided among processes, they are gathered into a whole model first.
    """
    from accelerate.utils import DistributedType

    accelerator = trainer.accelerator
    sharded = accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)
    weights = accelerator.get_state_dict(trainer.model_wrapped) if sharded else None
    if accelerator.is_main_process:
        model = accelerator.unwrap_model(trainer.model_wrapped)
        if weights is not None:
            model = load_trainable(start, config, seed=0)
            model.load_state_dict(weights)
        return save_model(model, tokenizer, start, out, config)
    return start


def save_model(model: Any, tokenizer: Any, start: ModelRef, out: Path, config: TrainStageConfig) -> ModelRef:
    """Save under a temporary name, flush, rename. Returns the folders' names inside ``out``."""
    import torch

    adapter_only = config.prompt_tokens is not None or (config.lora is not None and not config.lora.merge)
    if config.lora is not None and config.lora.merge:
        model = model.merge_and_unload()
    if not adapter_only and config.precision == "bf16":
        model = model.to(torch.bfloat16)
    final = StageDirectory(out).adapter if adapter_only else StageDirectory(out).model
    temporary = fresh_directory(final.with_name(f".{final.name}.partial"))
    model.save_pretrained(temporary, safe_serialization=True)
    tokenizer.save_pretrained(temporary)
    publish(temporary, final)
    return ModelRef(start.model, final.name) if adapter_only else ModelRef(final.name)


def attach(model: Any, config: LoraConfig | None, adapter: str | None, *, seed: int, apart: bool = False) -> Any:
    """``model`` with a new adapter, or with ``adapter`` (a folder) made trainable, or as it is without ``config``.

    ``apart``: adapters of several agents will play side by side. Raises StageError naming a target that matches no
    module, since PEFT would train the others in silence, and for one that PEFT takes for fused experts.
    """
    if config is None:
        if adapter is not None:
            raise StageError(
                "the current model is an adapter; set train.lora or train.prompt_tokens as before, or "
                "train.lora.merge=true from the start"
            )
        return model
    from peft import LoraConfig as PeftLoraConfig
    from peft import PeftModel, get_peft_model
    from transformers import set_seed

    from optima_agents.backends.chat.model_files import check_adapter

    if adapter is not None:
        return PeftModel.from_pretrained(model, check_adapter(adapter), is_trainable=True)
    if config.targets != "all-linear":
        check_targets(model, config.targets)
    set_seed(seed)  # PEFT draws the adapter from torch's global generator
    targets = "all-linear" if config.targets == "all-linear" else list(config.targets)
    wanted = PeftLoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        made: Any = get_peft_model(model, wanted)
    except ValueError as err:
        raise StageError(f"train.lora.targets: {err}") from None
    experts = sorted(made.peft_config["default"].target_parameters or ())
    if experts and targets != "all-linear":
        raise StageError(
            f"train.lora.targets: PEFT takes some of {', '.join(targets)} for the fused experts "
            f"({', '.join(experts)}); leave those out, or set all-linear"
        )
    if experts and apart:
        raise StageError(
            f"train.lora.targets: all-linear reaches the fused experts ({', '.join(experts)}), and those of adapters "
            "beside each other cannot differ; name modules of the attention, such as [q_proj, v_proj]"
        )
    return made


def soften(model: Any, tokens: int, adapter: str | None, *, seed: int) -> Any:
    """``model`` behind ``tokens`` trained vectors (PEFT's prompt tuning), which begin as those of words drawn by
    ``seed``, or as they are in ``adapter``. Raises StageError for an adapter with others."""
    from peft import PromptTuningConfig, PromptTuningInit, get_peft_model
    from transformers import set_seed

    from optima_agents.backends.chat.model_files import ADAPTER, check_adapter
    from optima_agents.backends.hf.soft_prompt import VECTORS

    set_seed(seed)
    wanted = PromptTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=tokens, prompt_tuning_init=PromptTuningInit.SAMPLE_VOCAB
    )
    softened: Any = get_peft_model(model, wanted)
    if adapter is not None:
        from safetensors.torch import load_file

        known = load_file(Path(check_adapter(adapter)) / ADAPTER).get(VECTORS)
        vectors = softened.prompt_encoder["default"].embedding.weight
        if known is None or known.shape != vectors.shape:
            raise StageError(f"train.prompt_tokens={tokens}: {adapter} is no soft prompt of so many vectors")
        vectors.data.copy_(known)
    return softened


def check_targets(model: Any, targets: tuple[str, ...]) -> None:
    """Raises StageError for a target that names no linear module of ``model``, listing those there are, or its output
    layer, whose adapter TRL's losses would pass by."""
    import torch

    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    output = next((name for name, module in model.named_modules() if module is model.get_output_embeddings()), None)
    missing = [t for t in targets if not any(name == t or name.endswith(f".{t}") for name in names)]
    if missing:
        known = sorted({re.sub(r".*\.", "", name) for name in names if name != output})
        modules = [(name, one) for name, one in model.named_modules() if not isinstance(one, torch.nn.Conv1d)]
        owned = [
            (f"{name}.{key}", value) for name, one in modules for key, value in one.named_parameters(recurse=False)
        ]
        solid = [name for name, value in owned if value.dim() == 3]  # a matrix for each expert
        fused = sorted({re.sub(r".*\.(?=.*\.)", "", name) for name in solid})
        also = f"; its experts are fused into {', '.join(fused)}, which no target names" if fused else ""
        raise StageError(
            f"train.lora.targets: no module named {', '.join(missing)}; the model has {', '.join(known)}{also}"
        )
    if output is not None and any(output == t or output.endswith(f".{t}") for t in targets):
        raise StageError(f"train.lora.targets: the output layer {output} cannot have an adapter; leave it out")
