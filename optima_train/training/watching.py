"""Watching a trainer: steps become progress, and a loss that is no number ends the stage."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..run.failpoints import failpoint
from ..run.progress import Ticker
from ..run.stage import StageError

if TYPE_CHECKING:
    from ..run.engines import StageContext


def watcher(ctx: StageContext, section: str) -> Any:
    """A transformers callback for this stage. It raises StageError when loss or gradient norm is NaN or infinite,
    pointing at the learning rate of ``section``."""
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):
        ticker: Ticker | None = None

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if self.ticker is None:
                self.ticker = Ticker(ctx.report, ctx.step.path, state.max_steps, "steps", before=state.global_step - 1)
            self.ticker.count()
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
    return {
        "processes": trainer.args.world_size,
        "steps": trainer.state.global_step,
        "loss": sum(losses) / len(losses),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "trained_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        **({"repeated_rows": repeated} if repeated else {}),
    }
