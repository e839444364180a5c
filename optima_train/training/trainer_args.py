"""What trainers share: their arguments (schedule, precision, devices, seeds, how a batch is divided), and
how it is watched: steps become progress, and a loss that is no number ends the stage."""

from __future__ import annotations

import math
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..run.failpoints import failpoint
from ..run.progress import ProgressReporter
from ..run.stage import StageError

if TYPE_CHECKING:
    from ..config.settings import DpoConfig, TrainStageConfig
    from ..run.stage import StageContext


def trainer_arguments(ctx: StageContext, schedule: TrainStageConfig | DpoConfig, rows: int) -> dict[str, Any]:
    """Keyword arguments of TRL's configs; rows are never cut, packed or logged elsewhere.

    ``schedule`` is ``config.train`` for SFT and ``config.dpo`` for DPO: rate, epochs and batch. All else is
    ``config.train``'s. ``rows`` are trained on in an epoch. Raises StageError when the batch does not divide among
    the processes.
    """
    config = ctx.config.train
    section = "train" if schedule is config else "dpo"
    return {
        **shared_arguments(ctx),
        "learning_rate": schedule.learning_rate,
        "num_train_epochs": schedule.epochs,
        "per_device_train_batch_size": schedule.micro_batch,
        "gradient_accumulation_steps": accumulation(section, schedule.batch_size, schedule.micro_batch, processes()),
        "lr_scheduler_type": config.scheduler,
        "warmup_steps": warmup(config.warmup, math.ceil(rows / schedule.batch_size) * schedule.epochs),
        "max_length": None,
    }


def shared_arguments(ctx: StageContext) -> dict[str, Any]:
    """What every trainer is told but for its schedule: precision, devices, seeds; nothing is saved or logged."""
    import torch

    config = ctx.config.train
    cuda = torch.cuda.is_available() and ctx.config.device != "cpu"
    if not cuda:
        prepare_cpu()
    return {
        "output_dir": str(ctx.files.scratch),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "gradient_checkpointing": config.gradient_checkpointing,
        "bf16": config.precision == "bf16",
        "use_cpu": not cuda,
        "seed": ctx.seed("train"),
        "data_seed": ctx.seed("rows"),
        "full_determinism": not cuda,
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
        ctx.files.scratch.rmdir()


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


def watcher(ctx: StageContext, section: str) -> Any:
    """A transformers callback for this stage. It raises StageError when loss or gradient norm is NaN or infinite,
    pointing at the learning rate of ``section``."""
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):
        progress: ProgressReporter | None = None

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if self.progress is None:
                self.progress = ProgressReporter(
                    ctx.report, ctx.step.path, state.max_steps, "steps", before=state.global_step - 1
                )
            self.progress.count()
            failpoint(ctx.step.path, state.global_step)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
        ) -> None:
            for name in ("loss", "grad_norm"):
                value = (logs or {}).get(name)
                if value is not None and not math.isfinite(float(value)):
                    raise StageError(
                        f"{ctx.step.path}: {name} is {float(value)} at step {state.global_step}; "
                        f"lower {section}.learning_rate or use train.precision=fp32"
                    )

    return Watcher()


def loss_numbers(trainer: Any) -> dict[str, Any]:
    """Steps, losses and sizes of a finished training, for the stage's numbers.

    Several processes need as many rows each: ``repeated_rows`` were trained on twice per epoch to get there.
    """
    together = trainer.args.world_size * trainer.args.per_device_train_batch_size
    repeated = -len(trainer.train_dataset) % together if trainer.args.world_size > 1 else 0
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    routers = [entry["aux_loss"] for entry in trainer.state.log_history if "aux_loss" in entry]
    return {
        "processes": trainer.args.world_size,
        "steps": trainer.state.global_step,
        "loss": sum(losses) / len(losses),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        **({"router_loss": sum(routers) / len(routers)} if routers else {}),
        "trained_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        **({"repeated_rows": repeated} if repeated else {}),
    }


def prepare_cpu() -> None:
    """For this process, before a trainer is made on the CPU.

    Off CUDA, TRL's output layer scores every position, the prompts' too, and masks them afterwards; here it scores
    those with a label, as on CUDA. Deterministic mode also fills new memory with NaN, which only helps to find bugs.
    """
    deterministic: Any = import_module("torch.utils.deterministic")
    trl: Any = import_module("trl.trainer.utils")
    deterministic.fill_uninitialized_memory = False
    if hasattr(trl, "_use_triton"):  # asked by the output layer alone, for this choice; the kernels ask another
        trl._use_triton = lambda device: True
