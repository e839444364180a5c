"""Sft: supervised fine-tuning on token-exact rows with TRL; whole weights or LoRA (spec section 4).

Rows arrive tokenised with their mask, so no template or tokenizer touches them again and nothing is cut: what was
sampled is what is trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoints import load_model, load_tokenizer, save_model
from .context import derive
from .files import fresh_directory, read_lines
from .lora import attach
from .stages import Room, StageError, StageResult
from .watching import watcher

if TYPE_CHECKING:
    from .context import StageContext


class Sft:
    """Reads ``rows/rows.jsonl``; writes ``model/`` (or ``adapter/``), visible only when whole."""

    name = "train"
    room: Room = "training"
    keeps = False

    def run(self, ctx: StageContext) -> StageResult:
        config = ctx.config.train
        start = ctx.initial if config.start == "initial" else ctx.policy
        rows = training_rows(ctx.input("rows") / "rows.jsonl")
        model, tokenizer = load_model(start, config.precision, config.lora), load_tokenizer(start)
        model = attach(model, config.lora, start.adapter, seed=derive(ctx.seed("train"), "lora"))
        window = getattr(model.config, "max_position_embeddings", None)
        longest = max(len(row["input_ids"]) for row in rows)
        if window is not None and longest > window:
            raise StageError(
                f"{ctx.step.path}: the longest row has {longest} tokens, the model's window {window}; "
                f"set train.max_length={window} to drop such rows"
            )
        scratch = fresh_directory(ctx.out / "trainer")
        trainer = fit(ctx, model, tokenizer, rows, scratch)
        scratch.rmdir()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        saved = save_model(trainer.model, tokenizer, start, ctx.out, config)
        trained = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        return StageResult(
            {
                "rows": len(rows),
                "steps": trainer.state.global_step,
                "loss": sum(losses) / len(losses),
                "first_loss": losses[0],
                "last_loss": losses[-1],
                "trained_parameters": trained,
            },
            saved,
        )


def training_rows(path: Path) -> list[dict[str, list[int]]]:
    """The columns TRL wants. Raises StageError when no row has a token to learn from."""
    rows = [{key: row[key] for key in ("input_ids", "completion_mask")} for row in read_lines(path)]
    rows = [row for row in rows if any(row["completion_mask"])]
    if not rows:
        raise StageError(f"{path}: every row is masked entirely, so there is nothing to learn")
    return rows


def fit(ctx: StageContext, model: Any, tokenizer: Any, rows: list[dict[str, list[int]]], scratch: Path) -> Any:
    """Train ``model`` in place; returns the trainer. Raises StageError when the loss stops being a number."""
    import torch
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    config = ctx.config.train
    cuda = torch.cuda.is_available() and ctx.config.device != "cpu"
    args = SFTConfig(
        output_dir=str(scratch),
        learning_rate=config.learning_rate,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=config.batch_size // config.micro_batch,
        lr_scheduler_type=config.scheduler,
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        gradient_checkpointing=config.gradient_checkpointing,
        max_length=None,
        packing=False,
        completion_only_loss=True,
        bf16=config.precision == "bf16",
        use_cpu=not cuda,
        seed=ctx.seed("train"),
        data_seed=ctx.seed("rows"),
        full_determinism=not cuda,
        save_strategy="no",
        report_to=[],
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        dataloader_pin_memory=cuda,
    )
    trainer = SFTTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[watcher(ctx)],
    )
    trainer.train()
    return trainer
