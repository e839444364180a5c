"""Trainer arguments that SFT and DPO share: schedule, precision, devices, seeds, and how a batch is divided."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from ..run.stage import StageError
from .on_cpu import prepare_cpu

if TYPE_CHECKING:
    from ..config.settings import DpoConfig, TrainStageConfig
    from ..run.engines import StageContext


SCRATCH = "trainer"


def trainer_arguments(ctx: StageContext, schedule: TrainStageConfig | DpoConfig, rows: int) -> dict[str, Any]:
    """Keyword arguments of TRL's configs; rows are never cut, packed or logged elsewhere.

    ``schedule`` is ``config.train`` for SFT and ``config.dpo`` for DPO: rate, epochs and batch. All else is
    ``config.train``'s. ``rows`` are trained on in an epoch. Raises StageError when the batch does not divide among
    the processes.
    """
    import torch

    config = ctx.config.train
    cuda = torch.cuda.is_available() and ctx.config.device != "cpu"
    if not cuda:
        prepare_cpu()
    section = "train" if schedule is config else "dpo"
    return {
        "output_dir": str(ctx.out / SCRATCH),
        "learning_rate": schedule.learning_rate,
        "num_train_epochs": schedule.epochs,
        "per_device_train_batch_size": schedule.micro_batch,
        "gradient_accumulation_steps": accumulation(section, schedule.batch_size, schedule.micro_batch, processes()),
        "lr_scheduler_type": config.scheduler,
        "warmup_steps": warmup(config.warmup, math.ceil(rows / schedule.batch_size) * schedule.epochs),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "gradient_checkpointing": config.gradient_checkpointing,
        "bf16": config.precision == "bf16",
        "use_cpu": not cuda,
        "seed": ctx.seed("train"),
        "data_seed": ctx.seed("rows"),
        "full_determinism": not cuda,
        "max_length": None,
        "save_strategy": "no",
        "report_to": [],
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "dataloader_pin_memory": cuda,
    }


def warmup(share: float, steps: float) -> float:
    """``share``, or 0 where it is less than a step: the trainer would make it one, and the first one's rate is 0, so
    that a training of a single step would change nothing."""
    return share if share * steps >= 1 else 0.0


def tidy(ctx: StageContext) -> None:
    """Remove the empty folder that a trainer insists on. Nothing is ever saved there."""
    if main_process():
        (ctx.out / SCRATCH).rmdir()


def processes() -> int:
    """How many processes train together; the launcher tells each of them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def main_process() -> bool:
    """Whether this process speaks and writes for all."""
    return os.environ.get("RANK", "0") == "0"


def accumulation(section: str, batch_size: int, micro_batch: int, processes: int) -> int:
    """Forward passes of one process per optimiser step. Raises StageError when the batch cannot be divided."""
    together = micro_batch * processes
    if batch_size % together:
        raise StageError(
            f"{section}.batch_size={batch_size} is not a multiple of {section}.micro_batch={micro_batch} x "
            f"{processes} processes; set {section}.batch_size to a multiple of {together}"
        )
    return batch_size // together
