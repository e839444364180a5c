"""Tryout: a short preference training on each small group of pairs, each an adapter of its own (DITS, arXiv
2502.00955); the stage ``influence`` then asks what each did to the team."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..run.failpoints import failpoint
from ..run.files import fresh_directory, publish, write_lines
from ..run.progress import ProgressReporter, silent
from ..run.stage import Seat, StageKind, StageResult
from ..training.checkpoints import attach, load_model, load_tokenizer
from ..training.dpo import trainable_pairs
from ..training.dpo_trainer import preference_trainer
from ..training.trainer_args import tidy

if TYPE_CHECKING:
    from ..config.settings import InfluenceConfig, TrainConfig
    from ..run.stage import StageContext
    from ..training.dpo_trainer import Pair

T = TypeVar("T")


class Tryout:
    """Reads ``pairs/pairs.jsonl``; writes ``own-000/adapter``, ``own-001/adapter`` ..., one for each group of pairs in
    the order of the file, and their row numbers into ``groups.jsonl``. An interrupted attempt goes on with the next
    group.

    The current model is frozen, and every group starts from it. Without pairs it does nothing.
    """

    name = "tryout"
    kind: StageKind = "training"
    resumes = True

    def run(self, ctx: StageContext) -> StageResult:
        config = ctx.config.pairs.influence
        assert config is not None  # noqa: S101 - the method puts this stage in only then
        numbers: list[int] = []
        pairs, dropped = trainable_pairs(ctx, numbers)
        groups = grouped(pairs, config.group)
        write_lines(ctx.files.groups, ({"rows": rows} for rows in grouped(numbers, config.group)))
        progress = ProgressReporter(ctx.report, ctx.step.path, len(groups), "groups")
        waiting = [number for number in range(len(groups)) if not ctx.files.own(label(number)).adapter.is_dir()]
        for _ in range(len(groups) - len(waiting)):
            progress.count()
        if waiting:
            base = load_model(ctx.policy, ctx.config.train.precision, config.lora)
            tokenizer = load_tokenizer(ctx.policy)
            for done, number in enumerate(waiting, 1):
                base = self._try(ctx, config, base, tokenizer, number, groups[number])
                progress.count()
                failpoint(ctx.step.path, done)
        return StageResult({"groups": len(groups), "pairs": len(pairs), "dropped_pairs": dict(dropped)})

    @staticmethod
    def _try(
        ctx: StageContext, config: InfluenceConfig, base: Any, tokenizer: Any, number: int, pairs: Sequence[Pair]
    ) -> Any:
        """Train on one group and save; returns the model without its adapter again."""
        here = replace(
            ctx, seat=Seat(label(number), ()), report=silent, config=settings(ctx.config, config, len(pairs))
        )
        fresh_directory(here.out)
        model = attach(base, config.lora, ctx.policy.adapter, seed=ctx.seed("lora"), apart=True)
        trainer = preference_trainer(here, model, tokenizer, pairs)
        trainer.train()
        tidy(here)
        temporary = fresh_directory(here.files.adapter.with_name(".adapter.partial"))
        trained = trainer.accelerator.unwrap_model(trainer.model_wrapped)
        trained.save_pretrained(temporary, safe_serialization=True)
        publish(temporary, here.files.adapter)
        return trained.unload()


def grouped(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Neighbours in groups of ``size``; the last may be smaller."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def label(number: int) -> str:
    """The name of a group's folder."""
    return f"{number:03d}"


def settings(config: TrainConfig, tried: InfluenceConfig, count: int) -> TrainConfig:
    """Those of a short training: the whole group in one step, at a constant rate."""
    batch = {"batch_size": count, "micro_batch": 1, "epochs": tried.epochs, "learning_rate": tried.learning_rate}
    dpo = config.dpo.model_copy(update={**batch, "schedule": ()})
    train = config.train.model_copy(update={"scheduler": "constant", "warmup": 0.0, "lora": tried.lora})
    return config.model_copy(update={"dpo": dpo, "train": train})
