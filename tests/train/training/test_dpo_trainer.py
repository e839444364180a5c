"""A real trainer step: TRL scores exactly the sampled tokens, against the model that training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.preference_data import PAIRS, both

from optima_train.run.engines import ModelRef
from optima_train.run.markers import execute
from optima_train.run.stage import StageContext, StageError
from optima_train.training.checkpoints import load_tokenizer, load_trainable
from optima_train.training.dpo_trainer import preference_trainer

LORA = "train.lora={rank: 4, merge: false}"


def trainer_of(ctx: StageContext, model: Any) -> Any:
    return preference_trainer(ctx, model, load_tokenizer(ctx.policy), PAIRS)


def policy_of(ctx: StageContext) -> Any:
    return load_trainable(ctx.policy, ctx.config.train, seed=0)


@pytest.mark.parametrize(("weight", "lora"), [(0.5, ()), (0.0, ()), (1.0, (LORA,))])
def test_trl_scores_exactly_the_sampled_tokens(dpo_context, weight: float, lora: tuple[str, ...]) -> None:
    ctx = dpo_context(PAIRS, f"dpo.sft_weight={weight}", "dpo.learning_rate=1e-12", *lora)
    model = policy_of(ctx)
    expected = both(model)
    trainer = trainer_of(ctx, model)
    assert trainer.before.tolist() == [pytest.approx(side, abs=1e-4) for side in expected]
    trainer.train()
    step = trainer.state.log_history[0]
    assert step["logps/chosen"] == pytest.approx(sum(expected[0]) / 4, abs=1e-4)
    assert step["logps/rejected"] == pytest.approx(sum(expected[1]) / 4, abs=1e-4)
    nll = -sum(expected[0]) / sum(len(pair["chosen_ids"]) for pair in PAIRS)
    assert step["loss"] == pytest.approx(0.6931472 + weight * nll, abs=1e-4)


def test_only_the_two_turns_are_predicted(dpo_context) -> None:
    import torch

    ctx = dpo_context(PAIRS)
    model = policy_of(ctx)
    trainer = trainer_of(ctx, model)
    gradients: list[torch.Tensor] = []
    tokens: list[torch.Tensor] = []
    last = model.get_decoder().norm  # what the output layer reads: its gradient is zero where nothing is predicted
    last.register_forward_hook(lambda _, given, out: out.requires_grad and out.register_hook(gradients.append) and None)
    model.register_forward_pre_hook(lambda _, args, given: tokens.append(given["input_ids"]) and None, with_kwargs=True)
    trainer.train()
    sequences = [pair["prompt_ids"] + pair[side] for side in ("chosen_ids", "rejected_ids") for pair in PAIRS]
    starts = [len(pair["prompt_ids"]) - 1 for pair in PAIRS] * 2
    seen = [row[: len(sequence)].tolist() for row, sequence in zip(tokens[0], _like(sequences, tokens[0]), strict=True)]
    for row, gradient in zip(seen, gradients[0], strict=True):
        start = starts[sequences.index(row)]
        own = range(start, len(row) - 1)
        assert [bool(position.any()) for position in gradient] == [k in own for k in range(len(gradient))]


def _like(sequences: list[list[int]], batch: Any) -> list[list[int]]:
    """The sequence each row of a padded batch begins with, the longest that fits."""
    fitting = [[s for s in sequences if row[: len(s)].tolist() == s] for row in batch]
    return [max(found, key=len) for found in fitting]


def test_the_reference_of_an_adapter_is_the_adapter_not_the_bare_model(dpo_context, tmp_path: Path) -> None:
    first = dpo_context(PAIRS, LORA, "dpo.learning_rate=0.02", "dpo.epochs=4")
    execute(first.step, first)
    adapted = ModelRef(first.initial.model, str(first.out / "adapter"))
    ctx = dpo_context(PAIRS, LORA, "dpo.learning_rate=1e-12", policy=adapted, iteration=1)
    model = policy_of(ctx)
    expected = both(model)
    assert expected[0] != pytest.approx(both(policy_of(first))[0], abs=0.1)
    trainer = trainer_of(ctx, model)
    assert trainer.before.tolist() == [pytest.approx(side, abs=1e-4) for side in expected]
    trainer.train()
    assert trainer.state.log_history[0]["rewards/chosen"] == pytest.approx(0, abs=1e-5)
    assert list(trainer.model.peft_config) == ["default"]  # TRL's copy of the adapter is not saved with ours


def test_an_adapter_on_the_output_layer_is_refused_before_training(dpo_context) -> None:
    ctx = dpo_context(PAIRS, "train.lora={targets: [q_proj, lm_head]}")
    with pytest.raises(StageError, match="the output layer lm_head cannot have an adapter"):
        execute(ctx.step, ctx)


def test_on_a_cpu_prompts_are_not_scored(dpo_context, monkeypatch: pytest.MonkeyPatch) -> None:
    from trl.trainer import utils as _utils

    utils: Any = _utils

    scored: list[int] = []
    head = utils._ChunkedLogProbFunction.apply
    monkeypatch.setattr(
        utils._ChunkedLogProbFunction, "apply", lambda hidden, *rest: scored.append(len(hidden)) or head(hidden, *rest)
    )
    ctx = dpo_context(PAIRS)
    trainer_of(ctx, policy_of(ctx))
    assert scored == [sum(len(pair["chosen_ids"]) + len(pair["rejected_ids"]) for pair in PAIRS)]
