"""Dpo: preference training on token-exact pairs with TRL; whole weights or LoRA (paper Eq. 4, spec section 5.3).

It starts from the team's current model, which is the reference as well, and nothing is cut or tokenised again.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..run.records import read_marker
from ..run.stage import StageError, StageKind, StageResult
from .checkpoints import load_tokenizer, load_trainable, save_trained, window
from .dpo_trainer import preference_trainer, read_pairs, schedule
from .sharing import trained
from .trainer_args import loss_numbers, tidy

if TYPE_CHECKING:
    from ..run.stage import StageContext
    from .dpo_trainer import Pair

logger = logging.getLogger(__name__)


class Dpo:
    """Reads ``pairs.jsonl`` of the stage ``pairs_of``; writes ``model/`` (or ``adapter/``), visible only when whole.

    Without any pair there is nothing to prefer: the current model stays, with the reason in the numbers.
    """

    name = "train"
    section = "dpo"
    pairs_of = "pairs"
    kind: StageKind = "training"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        pairs, dropped = trainable_pairs(ctx, pairs_of=self.pairs_of)
        if not pairs and dropped:
            why = ", ".join(f"{count} pairs: {reason}" for reason, count in dropped.items())
            raise StageError(f"{ctx.step.path}: no pair to train on ({why})")
        if not pairs:
            return _skip(ctx)
        result = trained(ctx, self)
        if "alarm" in result.numbers:
            logger.warning("%s: %s", ctx.step.path, result.numbers["alarm"])
        return replace(result, numbers={"pairs": len(pairs), "dropped_pairs": dict(dropped), **result.numbers})

    def train(self, ctx: StageContext) -> StageResult:
        """Train on every pair and save; numbers and the model's place. Raises StageError."""
        config = ctx.config.train
        pairs = trainable_pairs(ctx, pairs_of=self.pairs_of)[0]
        if not pairs:
            return StageResult({"skipped": "no pair of theirs"})
        model, tokenizer = load_trainable(ctx.policy, config, ctx.seed("train")), load_tokenizer(ctx.policy)
        trainer = preference_trainer(ctx, model, tokenizer, pairs)
        trainer.train()
        tidy(ctx)
        after = trainer.score(trainer.model_wrapped, trainer.train_dataset)
        numbers = {**loss_numbers(trainer), **drift(ctx, trainer.before, after)}
        return StageResult(numbers, save_trained(trainer, tokenizer, ctx.policy, ctx.out, config))


class DpoOnInfluence(Dpo):
    """The same on the pairs that the stage ``influence`` has kept."""

    pairs_of = "influence"


def trainable_pairs(
    ctx: StageContext, numbers: list[int] | None = None, *, pairs_of: str = "pairs"
) -> tuple[list[Pair], Counter[str]]:
    """The pairs that fit into ``train.max_length`` and the model's window, and counts of the others by reason; a seat's
    own alone. ``numbers`` gets their row numbers; ``pairs_of`` is the stage that has written them."""
    limits = {"train.max_length": ctx.config.train.max_length, "the model's window": window(ctx.policy)}
    known = {name: limit for name, limit in limits.items() if limit is not None}
    return read_pairs(ctx.input(pairs_of).pairs, known, ctx.learns, numbers)


def _skip(ctx: StageContext) -> StageResult:
    marker = ctx.input("pairs").marker
    numbers = read_marker(marker).numbers if marker.is_file() else {}
    reason = f"no pairs: {numbers.get('reason', 'pairs.jsonl is empty')}"
    logger.warning("%s: %s; the current model stays", ctx.step.path, reason)
    return StageResult({"pairs": 0, "skipped": reason})


def drift(ctx: StageContext, before: Any, after: Any) -> dict[str, Any]:
    """How the log-probabilities of chosen and rejected turns moved, (2, pairs) in nats; means over the pairs.

    ``margin`` and ``accuracy`` are those of DPO's implicit reward, beta times the change. Raises StageError when a
    log-probability is no number.
    """
    config = schedule(ctx)
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
    return numbers
