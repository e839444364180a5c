"""Pairs of whole dialogues: others' tokens are read and never scored, whatever they are."""

from __future__ import annotations

from typing import Any

import pytest
from support.preference_data import PAIRS

from optima_train.config.settings import DpoConfig
from optima_train.run.stage import StageContext
from optima_train.training.checkpoints import load_tokenizer, load_trainable
from optima_train.training.dpo_trainer import preference_trainer, read_pairs

# own, then the partner's three tokens, then own again; the second side begins with a partner's
PAIR: dict[str, list[int]] = {
    "prompt_ids": [2, 30, 31, 40],
    "chosen_ids": [33, 34, 50, 51, 52, 60, 1],
    "rejected_ids": [53, 54, 35, 36, 1],
    "chosen_mask": [1, 1, 0, 0, 0, 1, 1],
    "rejected_mask": [0, 0, 1, 1, 1],
}


def trainer_of(ctx: StageContext, pairs: list[dict[str, list[int]]]) -> tuple[Any, Any]:
    model = load_trainable(ctx.policy, ctx.config.train, seed=0)
    return preference_trainer(ctx, model, load_tokenizer(ctx.policy), pairs), model


def by_hand(model: Any, side: str) -> float:
    import torch

    prompt, ids = PAIR["prompt_ids"], PAIR[f"{side}_ids"]
    with torch.no_grad():
        logits = model.eval()(torch.tensor([prompt + ids])).logits[0].float().log_softmax(-1)
    scores = [float(logits[len(prompt) + k - 1, token]) for k, token in enumerate(ids)]
    return sum(score for score, own in zip(scores, PAIR[f"{side}_mask"], strict=True) if own)


def test_the_trainer_sums_over_own_tokens_alone(dpo_context) -> None:
    ctx = dpo_context([], "dpo.sft_weight=0.5", "dpo.learning_rate=1e-12")
    trainer, model = trainer_of(ctx, [PAIR])
    expected = [by_hand(model, side) for side in ("chosen", "rejected")]
    assert trainer.before.flatten().tolist() == pytest.approx(expected, abs=1e-5)
    trainer.train()
    step = trainer.state.log_history[0]
    assert step["logps/chosen"] == pytest.approx(expected[0], abs=1e-5)
    assert step["logps/rejected"] == pytest.approx(expected[1], abs=1e-5)
    assert step["loss"] == pytest.approx(0.6931472 - 0.5 * expected[0] / 4, abs=1e-4)


def gradients(ctx: StageContext, pair: dict[str, list[int]]) -> Any:
    """Of what the output layer reads, at each token of the chosen and the rejected side."""
    trainer, model = trainer_of(ctx, [pair])
    seen: list[Any] = []
    last = model.get_decoder().norm
    last.register_forward_hook(lambda _, given, out: out.requires_grad and out.register_hook(seen.append) and None)
    trainer.train()
    return seen[0].abs().sum(-1)


def test_no_gradient_comes_from_what_others_said_and_without_the_mask_it_does(dpo_context) -> None:
    ctx = dpo_context([], "dpo.sft_weight=1.0")
    start = len(PAIR["prompt_ids"]) - 1  # the place that predicts the first token behind the prompt
    found = gradients(ctx, PAIR)
    for row, side in enumerate(("chosen", "rejected")):
        for k, own in enumerate(PAIR[f"{side}_mask"]):
            assert bool(found[row, start + k] > 0) is bool(own), (side, k)
    bare = gradients(ctx, {key: value for key, value in PAIR.items() if "mask" not in key})
    assert bool((bare[0, start : start + 7] > 0).all())


def test_own_pairs_are_scored_as_before(dpo_context) -> None:
    ctx = dpo_context([])
    masks = [{f"{side}_mask": [1] * len(pair[f"{side}_ids"]) for side in ("chosen", "rejected")} for pair in PAIRS]
    whole = [{**pair, **own} for pair, own in zip(PAIRS, masks, strict=True)]
    masked, plain = (trainer_of(ctx, pairs)[0].before.tolist() for pairs in (whole, PAIRS))
    assert masked == plain


def test_pairs_that_cannot_be_are_counted_or_named(dpo_context) -> None:
    ctx = dpo_context([PAIR, {**PAIR, "chosen_mask": [0] * 7}])
    path = ctx.input("pairs").pairs
    pairs, dropped = read_pairs(path, {})
    assert pairs == [PAIR]
    assert dropped == {"a side without a token of the agent's own": 1}
    ctx = dpo_context([{**PAIR, "chosen_mask": [1, 1]}])
    with pytest.raises(ValueError, match=r"chosen_mask of .* has 2 entries, not 7"):
        read_pairs(path, {})


def test_a_schedule_gives_each_round_its_own_values() -> None:
    config = DpoConfig.model_validate_json(
        '{"beta": 0.2, "learning_rate": 1e-6, "schedule": [{"beta": 0.1}, {"beta": 0.5, "learning_rate": 5e-7}]}'
    )
    found = [(config.of_round(number).beta, config.of_round(number).learning_rate) for number in range(3)]
    assert found == [(0.1, 1e-6), (0.5, 5e-7), (0.5, 5e-7)]
    assert DpoConfig().of_round(3) == DpoConfig()
