"""LoRA: small trained matrices beside frozen weights (PEFT)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..run.stage import StageError

if TYPE_CHECKING:
    from ..config.settings import LoraConfig


def attach(model: Any, config: LoraConfig | None, adapter: str | None, *, seed: int) -> Any:
    """``model`` with a new adapter, or with ``adapter`` (a folder) made trainable, or as it is without ``config``.

    Raises StageError naming a target that matches no module: PEFT would train the others in silence.
    """
    if config is None:
        if adapter is not None:
            raise StageError(
                "the current model is a LoRA adapter; set train.lora, or train.lora.merge=true from the start"
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
    return get_peft_model(model, wanted)


def check_targets(model: Any, targets: tuple[str, ...]) -> None:
    """Raises StageError for a target that names no linear module of ``model``, listing those there are, or its output
    layer, whose adapter TRL's losses would pass by."""
    import torch

    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    missing = [t for t in targets if not any(name == t or name.endswith(f".{t}") for name in names)]
    if missing:
        known = sorted({re.sub(r".*\.", "", name) for name in names})
        raise StageError(f"train.lora.targets: no module named {', '.join(missing)}; the model has {', '.join(known)}")
    output = next((name for name, module in model.named_modules() if module is model.get_output_embeddings()), None)
    if output is not None and any(output == t or output.endswith(f".{t}") for t in targets):
        raise StageError(f"train.lora.targets: the output layer {output} cannot have an adapter; leave it out")
