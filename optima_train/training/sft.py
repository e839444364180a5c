"""Sft: supervised fine-tuning on token-exact rows with TRL; whole weights or LoRA (spec section 4).

Rows arrive tokenised with their mask, so no template or tokenizer touches them again and nothing is cut: what was
sampled is what is trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.records import TrainingRow, read_records
from ..run.stage import StageError, StageKind, StageResult
from .checkpoints import load_tokenizer, load_trainable, save_trained, window
from .sharing import check_speakers, trained
from .trainer_args import loss_numbers, tidy, trainer_arguments, watcher

if TYPE_CHECKING:
    from ..run.stage import StageContext


class Sft:
    """Reads the ``rows.jsonl`` of stage ``rows_of``; writes ``model/`` (or ``adapter/``), visible only when whole."""

    name = "train"
    reads = ("train",)
    section = "train"
    kind: StageKind = "training"
    resumes = False
    rows_of = "rows"

    def run(self, ctx: StageContext) -> StageResult:
        check_speakers(ctx, (row.agent for row in read_records(ctx.input(self.rows_of).rows, TrainingRow)))
        return trained(ctx, self)

    def train(self, ctx: StageContext) -> StageResult:
        """Train on every row and save; numbers and the model's place. Raises StageError."""
        config = ctx.config.train
        start = ctx.initial if config.start == "initial" else ctx.policy
        rows = training_rows(ctx.input(self.rows_of).rows, ctx.learns)
        if not rows:
            return StageResult({"rows": 0, "skipped": "no row of theirs"})
        longest, most = max(len(row["input_ids"]) for row in rows), window(start)
        if most is not None and longest > most:
            raise StageError(
                f"{ctx.step.path}: the longest row has {longest} tokens, the model's window {most}; "
                f"set train.max_length={most} to drop such rows"
            )
        model, tokenizer = load_trainable(start, config, ctx.seed("train")), load_tokenizer(start)
        trainer = fit(ctx, model, tokenizer, rows)
        numbers = {"rows": len(rows), **loss_numbers(trainer)}
        return StageResult(numbers, save_trained(trainer, tokenizer, start, ctx.out, config))


class SftOnMix(Sft):
    """The same on the rows of the stage ``mix``."""

    rows_of = "mix"


def training_rows(path: Path, learns: Callable[[str], bool] = lambda agent: True) -> list[dict[str, list[int]]]:
    """The columns TRL wants, of agents that ``learns``. Raises StageError when nobody has a token to learn from."""
    rows, found = [], False
    for row in read_records(path, TrainingRow):
        if any(row.completion_mask):
            found = True
            if learns(row.agent):
                rows.append({"input_ids": list(row.input_ids), "completion_mask": list(row.completion_mask)})
    if not found:
        raise StageError(f"{path}: every row is masked entirely, so there is nothing to learn")
    return rows


def fit(ctx: StageContext, model: Any, tokenizer: Any, rows: list[dict[str, list[int]]]) -> Any:
    """Train ``model`` in place; returns the trainer. Raises StageError when the loss stops being a number."""
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    shared = trainer_arguments(ctx, ctx.config.train, len(rows))
    args = SFTConfig(**shared, packing=False, completion_only_loss=True)
    trainer = SFTTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[watcher(ctx, "train")],
    )
    trainer.train()
    tidy(ctx)
    return trainer
