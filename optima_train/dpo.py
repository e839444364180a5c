"""Dpo: preference training on token-exact pairs with TRL; whole weights or LoRA (paper Eq. 4, spec section 5.3).

The reference is the team's current model, the one training starts from: its log-probabilities are computed once,
before the first step, so that no second model stays in memory. With ``micro_batch=1`` the NLL term is Eq. 4's, a mean
over a turn's tokens; a larger one takes the mean over all chosen tokens of the micro-batch. Dropout is off.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoints import load_model, load_tokenizer, save_model, window
from .context import derive
from .files import fresh_directory, read_json
from .lora import attach
from .preference_rows import read_pairs
from .stages import MARKER, Room, StageError, StageResult
from .trainer_args import trainer_arguments
from .watching import loss_numbers, watcher

if TYPE_CHECKING:
    from .context import StageContext
    from .preference_rows import Pair

logger = logging.getLogger(__name__)


class Dpo:
    """Reads ``pairs/pairs.jsonl``; writes ``model/`` (or ``adapter/``), visible only when whole.

    Without any pair there is nothing to prefer: the current model stays, with the reason in the numbers.
    """

    name = "train"
    room: Room = "training"
    keeps = False

    def run(self, ctx: StageContext) -> StageResult:
        config = ctx.config.train
        path = ctx.input("pairs") / "pairs.jsonl"
        limits = {"train.max_length": config.max_length, "the model's window": window(ctx.policy)}
        pairs, dropped = read_pairs(path, {name: limit for name, limit in limits.items() if limit is not None})
        if not pairs and dropped:
            why = ", ".join(f"{count} pairs: {reason}" for reason, count in dropped.items())
            raise StageError(f"{ctx.step.path}: no pair to train on ({why})")
        if not pairs:
            return _skip(ctx, path)
        model, tokenizer = load_model(ctx.policy, config.precision, config.lora), load_tokenizer(ctx.policy)
        model = attach(model, config.lora, ctx.policy.adapter, seed=derive(ctx.seed("train"), "lora"))
        scratch = fresh_directory(ctx.out / "trainer")
        trainer = preference_trainer(ctx, model, tokenizer, pairs, scratch)
        trainer.train()
        after = trainer.score(trainer.model_wrapped, trainer.train_dataset)
        numbers = drift(ctx, trainer.before, after)
        scratch.rmdir()
        trained = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        saved = save_model(trainer.model, tokenizer, ctx.policy, ctx.out, config)
        counts = {"pairs": len(pairs), "dropped_pairs": dict(dropped), "trained_parameters": trained}
        return StageResult({**counts, **loss_numbers(trainer), **numbers}, saved)


def _skip(ctx: StageContext, path: Path) -> StageResult:
    marker = path.with_name(MARKER)
    numbers = read_json(marker)["numbers"] if marker.is_file() else {}
    reason = f"no pairs: {numbers.get('reason', f'{path} is empty')}"
    logger.warning("%s: %s; the current model stays", ctx.step.path, reason)
    return StageResult({"pairs": 0, "skipped": reason})


def preference_trainer(ctx: StageContext, model: Any, tokenizer: Any, pairs: Sequence[Pair], scratch: Path) -> Any:
    """TRL's DPOTrainer fed with the sampled ids.

    ``trainer.before`` holds the reference's log-probabilities, ``trainer.score`` computes those of any model. Raises
    StageError when a loss stops being a number.
    """
    import torch
    from datasets import Dataset
    from torch.utils.data import DataLoader
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    class Trainer(DPOTrainer):
        before: Any

        def _prepare_dataset(self, dataset: Any, *others: Any) -> Any:
            return dataset  # TRL would tokenise texts again; these are the ids that were sampled

        def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
            """The model as it is before the first step is the reference, with or without an adapter."""
            if "ref" in getattr(self.model, "peft_config", ()):
                self.model.delete_adapter("ref")  # TRL's copy of the adapter, for references it computes later
            self.before = self.score(self.ref_model or self.model, dataset)
            chosen, rejected = self.before.tolist()
            return dataset.add_column("ref_chosen_logps", chosen).add_column("ref_rejected_logps", rejected)

        def score(self, model: Any, dataset: Any) -> torch.Tensor:
            """Summed log-probabilities of all chosen and all rejected turns: float32, (2, pairs), on the CPU."""
            loader = DataLoader(dataset, self.args.per_device_train_batch_size, collate_fn=self.data_collator)
            loader, found = self.accelerator.prepare(loader), []
            model.eval()
            for batch in loader:
                inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
                labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
                with torch.no_grad(), self.accelerator.autocast():
                    scores = model(**inputs, labels=labels, use_cache=False, fused_lm_head=True).log_probs
                chosen, rejected = scores.float().sum(dim=1).chunk(2)
                found.append(self.accelerator.gather_for_metrics(torch.stack([chosen, rejected], 1)).cpu())
            return torch.cat(found).T

    config = ctx.config.dpo
    both = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, config.sft_weight]}
    args = DPOConfig(
        **trainer_arguments(ctx, config, scratch),
        **(both if config.sft_weight else {"loss_type": ["sigmoid"]}),
        beta=config.beta,
        precompute_ref_log_probs=True,
    )
    return Trainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(list(pairs)),
        processing_class=tokenizer,
        callbacks=[watcher(ctx, "dpo")],
    )


def drift(ctx: StageContext, before: Any, after: Any) -> dict[str, Any]:
    """How the log-probabilities of chosen and rejected turns moved, (2, pairs) in nats; means over the pairs.

    ``margin`` and ``accuracy`` are those of DPO's implicit reward, beta times the change. Raises StageError when a
    log-probability is no number.
    """
    config = ctx.config.dpo
    if not bool(after.isfinite().all()):
        raise StageError(
            f"{ctx.step.path}: the trained model's log-probabilities are not finite; lower dpo.learning_rate"
        )
    change = (after - before).double()
    gap = change[0] - change[1]
    numbers: dict[str, Any] = {
        "margin": config.beta * float(gap.mean()),
        "accuracy": float((gap > 0).double().mean()),
    }
    for name, old, new in zip(("chosen", "rejected"), before.double(), after.double(), strict=True):
        numbers |= {f"{name}_logp_before": float(old.mean()), f"{name}_logp_after": float(new.mean())}
        numbers[f"{name}_drift"] = float((new - old).mean())
    if numbers["chosen_drift"] < -config.drift_alarm:
        numbers["alarm"] = (
            f"chosen turns lost {-numbers['chosen_drift']:.1f} nats on average, more than dpo.drift_alarm="
            f"{config.drift_alarm:g}; lower dpo.learning_rate, or raise dpo.beta or dpo.sft_weight"
        )
        logger.warning("%s: %s", ctx.step.path, numbers["alarm"])
    return numbers
