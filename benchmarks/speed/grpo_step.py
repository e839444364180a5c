"""What a training step of TeamGRPO costs over bare TRL's on the same rows.

    OMP_NUM_THREADS=1 python -m benchmarks.speed.grpo_step [--rows 64] [--tokens 200] [--rounds 3] [--json FILE]

Both trainers take the same rows of made-up tokens through the embedded model, with the same loss, batches and number of
optimiser steps, both score the rows once before the first step. The bare one is TRL's GRPOTrainer, given the finished
tensors where it would sample; it pads all passes of a round alike, ours each by itself (the first figure). With rows of
one length nothing is won by that (the second).
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .timing import arguments, conclude, figure, in_turn

if TYPE_CHECKING:
    from optima_train.run.records import PolicyRow

UPDATES, MICRO = 4, 8


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=64, help="rows of a round (default 64)")
    parser.add_argument("--tokens", type=int, default=200, help="tokens of a row, on average (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, in turn (default 3)")
    args = parser.parse_args()
    figures = []
    for name, spread in (("rows of different lengths", 0.6), ("rows of one length", 0.0)):
        rows = made(args.rows, args.tokens, spread)
        found = in_turn({"ours": lambda rows=rows: ours(rows), "bare": lambda rows=rows: bare(rows)}, args.rounds)
        figures.append(figure(f"a step over bare TRL's, {name}", found.ratio("ours", "bare"), 1.1, at_most=True))
    return conclude(figures, args.json)


def made(count: int, tokens: int, spread: float) -> list[PolicyRow]:
    """Rows of two turns of the agent's between three of its partner's."""
    from optima_train.run.records import PolicyRow

    rng, rows = random.Random(0), []
    for number in range(count):
        length = int(tokens * rng.uniform(1 - spread, 1 + spread))
        said = max(2, length // 5)
        mask = [0] * (length - 2 * said - 10) + [1] * said + [0] * 10 + [1] * said
        ids = [rng.randrange(5, 500) for _ in mask]
        rows.append(
            PolicyRow(instance="q", sample=number, agent="Alice", turns=[0, 1], lengths=[said, said],
                      advantages=[rng.gauss(0, 1), rng.gauss(0, 1)], input_ids=ids, completion_mask=mask,
                      logprobs=None)
        )  # fmt: skip
    return rows


def trainer(rows: Sequence[PolicyRow], folder: str) -> Any:
    """TeamGRPO over ``rows`` for one round."""
    from optima_train.config.online_settings import GrpoConfig
    from optima_train.online.trainer.team_grpo import Division, TeamGRPO
    from optima_train.run.engines import ModelRef
    from optima_train.training.checkpoints import load_model, load_tokenizer
    from optima_train.training.trainer_args import prepare_cpu

    prepare_cpu()
    tiny = ModelRef("tiny")
    config = GrpoConfig(learning_rate=1e-5, updates=UPDATES, micro_batch=MICRO, importance="none")
    return TeamGRPO(load_model(tiny, "fp32", None), load_tokenizer(tiny), settings(folder), config,
                    lambda: rows, Division.of(len(rows), config, 1))  # fmt: skip


def settings(folder: str) -> dict[str, Any]:
    return {"output_dir": folder, "learning_rate": 1e-5, "lr_scheduler_type": "constant", "use_cpu": True,
            "bf16": False, "gradient_checkpointing": False, "report_to": [], "save_strategy": "no",
            "logging_strategy": "no", "disable_tqdm": True, "seed": 0}  # fmt: skip


def ours(rows: Sequence[PolicyRow]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return timed(trainer(rows, folder).train)


def bare(rows: Sequence[PolicyRow]) -> float:
    """TRL's own trainer, to which a round's tensors come ready but for its pass of scoring."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    with tempfile.TemporaryDirectory() as folder:
        team = trainer(rows, folder)
        whole = team.tensors(rows, sum(sum(row.lengths) for row in rows))

        class Bare(GRPOTrainer):
            def _generate_and_score_completions(self, inputs: Any) -> Any:
                ids = whole["prompt_ids"], whole["completion_ids"]
                masks = whole["prompt_mask"], whole["completion_mask"]
                import torch

                with torch.no_grad():
                    self._get_per_token_logps_and_entropies(
                        self.model, torch.cat(ids, 1), torch.cat(masks, 1), ids[1].shape[1], batch_size=MICRO
                    )
                return dict(whole)

        model, config = team.model, team.args
        config.num_generations = config.per_device_train_batch_size * config.steps_per_generation
        plain = Bare(model, team.reward_funcs, config, team.train_dataset, processing_class=team.processing_class)
        return timed(plain.train)


def timed(work: Callable[[], Any]) -> float:
    """CPU seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    raise SystemExit(main())
