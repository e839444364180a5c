"""What the two ways to learn online share: the trainer of a stage, its numbers, and what it saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..run.stage import StageResult, Step
from ..training.checkpoints import load_model, load_tokenizer, load_trainable, save_trained
from ..training.trainer_args import processes, shared_arguments, tidy, watcher
from .trainer.optimizer_state import load_moments, save_moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..run.stage import Stage, StageContext
    from .trainer.team_grpo import Source, TeamGRPO


def learn(
    ctx: StageContext, stage: Stage, rows: int, rounds: int, source: Callable[[TeamGRPO], Source]
) -> tuple[StageResult, TeamGRPO]:
    """Train the current model on ``rounds`` rounds of about ``rows`` rows each, and save it; the stage's result.

    ``source`` makes the source of rows for the trainer. Raises StageError when a loss stops being a number.
    """
    from .trainer.team_grpo import Division, TeamGRPO

    config = ctx.config.grpo
    model, tokenizer = load_trainable(ctx.policy, ctx.config.train, ctx.seed("train")), load_tokenizer(ctx.policy)
    arguments = {
        **shared_arguments(ctx),
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.scheduler,
        "warmup_steps": 0,
    }
    rules = ctx.scenario("train").rules
    turns = -(-rules.max_turns // len(rules.agents))
    trainer = TeamGRPO(
        model,
        tokenizer,
        arguments,
        config,
        list,
        Division.of(rows, config, processes()),
        rounds=rounds,
        longest=turns * ctx.config.generate.max_tokens,
        reference=_reference(ctx, rounds),
        callbacks=[watcher(ctx, "grpo"), carrier(ctx, stage)],
    )
    trainer.source = source(trainer)
    trainer.train()
    tidy(ctx)
    numbers = {**training_numbers(trainer, model), **trainer.drift.numbers()}
    return StageResult(numbers, save_trained(trainer, tokenizer, ctx.policy, ctx.out, ctx.config.train)), trainer


def _reference(ctx: StageContext, rounds: int) -> Any:
    """The frozen model of the KL term; None when there is none, or when the model as it begins is the one."""
    config = ctx.config.grpo
    if not config.beta or (config.reference == "previous" and rounds == 1):
        return None
    start = ctx.initial if config.reference == "initial" else ctx.policy
    model = load_model(start, ctx.config.train.precision, None)
    if start.adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, start.adapter).merge_and_unload()
    return model.eval().requires_grad_(False)


def carrier(ctx: StageContext, stage: Stage) -> Any:
    """A callback that hands Adam's moments on from iteration to iteration, where weights are not divided."""
    from accelerate.utils import DistributedType
    from transformers import TrainerCallback

    before = ctx.files_of(Step(ctx.iteration - 1, stage)).optimizer

    class Carrier(TrainerCallback):
        carried = False

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if whole(args):
                self.carried = load_moments(kwargs["model"], kwargs["optimizer"], before)

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if whole(args) and state.is_world_process_zero:
                save_moments(kwargs["model"], kwargs["optimizer"], ctx.files.optimizer)

    def whole(args: Any) -> bool:
        sharded = (DistributedType.FSDP, DistributedType.DEEPSPEED)
        return ctx.config.grpo.carry_optimizer and args.distributed_state.distributed_type not in sharded

    return Carrier()


def training_numbers(trainer: TeamGRPO, model: Any) -> dict[str, Any]:
    """Steps, losses and what TRL says of them; ``staleness`` is in optimiser steps between a row's sampling and use."""
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    steps = trainer.division.updates * trainer.grpo.epochs
    told = {
        "processes": trainer.args.world_size,
        "steps": trainer.state.global_step,
        "rounds_without_rows": trainer.rounds_without_rows,
        "staleness_mean": (steps - 1) / 2,
        "staleness_max": steps - 1,
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }
    for name, key in LOGGED.items():
        values = [entry[key] for entry in history if entry.get(key) is not None]
        if values:
            told[name] = sum(map(float, values)) / len(values)
    return told


LOGGED = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "entropy": "entropy",
    "kl": "kl",
    "router_loss": "aux_loss",
    "clipped_low": "clip_ratio/low_mean",
    "clipped_high": "clip_ratio/high_mean",
    "clipped_cispo": "cispo_clip_ratio",
}
