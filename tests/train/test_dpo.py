"""Preference training: TRL scores exactly the sampled tokens, against the model training starts from."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from optima_train.checkpoints import load_model, load_tokenizer
from optima_train.config import load
from optima_train.context import Engines, StageContext
from optima_train.dpo import Dpo
from optima_train.files import write_lines
from optima_train.lora import attach
from optima_train.preference_trainer import preference_trainer
from optima_train.progress import silent
from optima_train.stages import ModelRef, StageError, Step, execute

# the second chosen turn has no end token, the third prompt ends in one: no tokenizer would give these back
PAIRS = [
    {"prompt_ids": [2, 30, 31, 40], "chosen_ids": [33, 34, 1], "rejected_ids": [35, 36, 37, 38, 1]},
    {"prompt_ids": [2, 50, 51, 52, 53, 54], "chosen_ids": [60], "rejected_ids": [61, 62, 1]},
    {"prompt_ids": [2, 70, 1], "chosen_ids": [71, 1], "rejected_ids": [72, 73]},
    {"prompt_ids": [2, 80, 81], "chosen_ids": [82, 83, 84, 85, 1], "rejected_ids": [82, 86]},
]


@pytest.fixture
def context(tmp_path: Path, small: list[str], random_model: Path):
    def make(pairs: list[dict], *overrides: str, policy: ModelRef | None = None, iteration: int = 0) -> StageContext:
        batch = ["dpo.batch_size=4", "dpo.micro_batch=4", "dpo.learning_rate=1e-3"]
        config = load("quickstart", [*small, *batch, *overrides])
        step = Step(iteration, Dpo())
        (tmp_path / step.folder / "pairs").mkdir(parents=True, exist_ok=True)
        write_lines(tmp_path / step.folder / "pairs/pairs.jsonl", pairs)
        base = ModelRef(str(random_model))
        return StageContext(config, tmp_path, step, policy or base, base, Engines(config), silent)

    return make


def scored(model, pairs: list[dict], side: str) -> list[float]:
    """The turns' log-probabilities straight from the model, one sequence at a time."""
    import torch

    found = []
    for pair in pairs:
        prompt, turn = pair["prompt_ids"], pair[f"{side}_ids"]
        with torch.no_grad():
            logits = model.eval()(torch.tensor([prompt + turn])).logits[0].float().log_softmax(-1)
        found.append(sum(float(logits[len(prompt) + k - 1, token]) for k, token in enumerate(turn)))
    return found


def trainer_of(ctx: StageContext, pairs: list[dict], tmp_path: Path, model):
    return preference_trainer(ctx, model, load_tokenizer(ctx.policy), pairs)


def test_trl_scores_exactly_the_sampled_tokens(context, tmp_path: Path) -> None:
    ctx = context(PAIRS, "dpo.sft_weight=0.5", "dpo.learning_rate=1e-12")
    model = load_model(ctx.policy, "fp32", None)
    expected = [scored(model, PAIRS, side) for side in ("chosen", "rejected")]
    trainer = trainer_of(ctx, PAIRS, tmp_path, model)
    assert trainer.before[0].tolist() == pytest.approx(expected[0], abs=1e-4)
    assert trainer.before[1].tolist() == pytest.approx(expected[1], abs=1e-4)
    trainer.train()
    step = trainer.state.log_history[0]
    assert step["logps/chosen"] == pytest.approx(sum(expected[0]) / 4, abs=1e-4)
    assert step["logps/rejected"] == pytest.approx(sum(expected[1]) / 4, abs=1e-4)
    nll = -sum(expected[0]) / sum(len(pair["chosen_ids"]) for pair in PAIRS)
    assert step["loss"] == pytest.approx(0.6931472 + 0.5 * nll, abs=1e-4)
