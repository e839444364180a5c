"""Grpo: policy-gradient updates on an iteration's policy rows, from the team's current model."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from ..run.records import PolicyRow, read_records
from ..run.stage import StageError, StageKind, StageResult
from ..training.checkpoints import window
from ..training.sharing import trained
from .learning import learn

if TYPE_CHECKING:
    from ..run.stage import StageContext

logger = logging.getLogger(__name__)


class Grpo:
    """Reads the policy rows; writes ``model/`` (or ``adapter/``), visible only when whole, and Adam's state.

    Without any row there is nothing to learn: the current model stays, with the reason in the numbers.
    """

    name = "train"
    section = "grpo"
    kind: StageKind = "training"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        rows = list(read_records(ctx.input("advantages").policy_rows, PolicyRow))
        if not rows:
            reason = "no rows: no group of dialogues differed in reward"
            logger.warning("%s: %s; the current model stays", ctx.step.path, reason)
            return StageResult({"rows": 0, "skipped": reason})
        longest, most = max(len(row.input_ids) for row in rows), window(ctx.policy)
        if most is not None and longest > most:
            raise StageError(
                f"{ctx.step.path}: the longest row has {longest} tokens, the model's window {most}; "
                f"set train.max_length={most} to drop such rows"
            )
        result = trained(ctx, self)
        return replace(result, numbers={"rows": len(rows), **result.numbers})

    def train(self, ctx: StageContext) -> StageResult:
        """Train on every row and save; numbers and the model's place. Raises StageError."""
        rows = [row for row in read_records(ctx.input("advantages").policy_rows, PolicyRow) if ctx.learns(row.agent)]
        if not rows:
            return StageResult({"skipped": "no row of theirs"})
        return learn(ctx, self, len(rows), 1, lambda trainer: lambda: rows)[0]
