"""Checkpoints: safetensors, tokenizer and chat template in one folder that transformers and vLLM load as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.engines import derive
from ..run.files import fresh_directory, publish
from ..run.stage import ModelRef
from .lora import attach

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

    return load_causal(resolve(ref.model), "bfloat16" if lora is not None and precision == "bf16" else "float32")


def load_tokenizer(ref: ModelRef) -> Any:
    """The tokenizer of ``ref``; one without a padding token pads with its end token."""
    from optima_agents.backends.chat import model_files

    tokenizer = model_files.load_tokenizer(model_files.resolve(ref.model))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_trainable(ref: ModelRef, config: TrainStageConfig, seed: int) -> Any:
    """The model of ``ref`` as ``config`` trains it: whole, or with a LoRA adapter, the one of ``ref`` or a new one.

    The same in every process. Raises StageError for LoRA settings that do not fit the model.
    """
    model = load_model(ref, config.precision, config.lora)
    return attach(model, config.lora, ref.adapter, seed=derive(seed, "lora"))


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

    adapter_only = config.lora is not None and not config.lora.merge
    if config.lora is not None and config.lora.merge:
        model = model.merge_and_unload()
    if not adapter_only and config.precision == "bf16":
        model = model.to(torch.bfloat16)
    name = "adapter" if adapter_only else "model"
    temporary = fresh_directory(out / f".{name}.partial")
    model.save_pretrained(temporary, safe_serialization=True)
    tokenizer.save_pretrained(temporary)
    publish(temporary, out / name)
    return ModelRef(start.model, "adapter") if adapter_only else ModelRef("model")
