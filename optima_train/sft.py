"""Sft: supervised fine-tuning on token-exact rows with TRL; whole weights or LoRA (spec section 4).

Rows arrive tokenised with their mask, so no template or tokenizer touches them again and nothing is cut: what was
sampled is what is trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoints import load_model, load_tokenizer, save_model, window
from .context import derive
from .files import fresh_directory, read_lines
from .lora import attach
from .stages import Room, StageError, StageResult
from .trainer_args import trainer_arguments
from .watching import loss_numbers, watcher

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
        longest, most = max(len(row["input_ids"]) for row in rows), window(start)
        if most is not None and longest > most:
            raise StageError(
                f"{ctx.step.path}: the longest row has {longest} tokens, the model's window {most}; "
                f"set train.max_length={most} to drop such rows"
            )
        model, tokenizer = load_model(start, config.precision, config.lora), load_tokenizer(start)
        model = attach(model, config.lora, start.adapter, seed=derive(ctx.seed("train"), "lora"))
        scratch = fresh_directory(ctx.out / "trainer")
        trainer = fit(ctx, model, tokenizer, rows, scratch)
        scratch.rmdir()
        saved = save_model(trainer.model, tokenizer, start, ctx.out, config)
        trained = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        return StageResult({"rows": len(rows), **loss_numbers(trainer), "trained_parameters": trained}, saved)


def training_rows(path: Path) -> list[dict[str, list[int]]]:
    """The columns TRL wants. Raises StageError when no row has a token to learn from."""
    rows = [{key: row[key] for key in ("input_ids", "completion_mask")} for row in read_lines(path)]
    rows = [row for row in rows if any(row["completion_mask"])]
    if not rows:
        raise StageError(f"{path}: every row is masked entirely, so there is nothing to learn")
    return rows


def fit(ctx: StageContext, model: Any, tokenizer: Any, rows: list[dict[str, list[int]]], scratch: Path) -> Any:
    """Train ``model`` in place; returns the trainer. Raises StageError when the loss stops being a number."""
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    args = SFTConfig(**trainer_arguments(ctx, ctx.config.train, scratch), packing=False, completion_only_loss=True)
    trainer = SFTTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[watcher(ctx, "train")],
    )
    trainer.train()
    return trainer
