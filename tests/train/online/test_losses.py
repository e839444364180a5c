"""Losses and gradients of every variant: an independent reference in plain torch, and stock TRL on the same tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from support.policy_rows import logprobs_of, model_of, noisy, plain_loss, rows, trainer_of
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from optima_train.config.online_settings import GrpoConfig
from optima_train.online.trainer import team_grpo
from optima_train.online.trainer.team_grpo import BY_ROWS, TeamGRPO, loss_arguments
from optima_train.run.records import PolicyRow

VARIANTS = [(loss, ratio) for loss in ("dapo", "dr_grpo", "grpo", "cispo") for ratio in ("token", "sequence")]


def sampled(folder: Path, given: list[PolicyRow], *, off: float) -> list[PolicyRow]:
    """The rows with the log-probabilities of an engine that is ``off`` the trainer's by up to that many nats."""
    model, draw = model_of(folder), torch.Generator().manual_seed(11)
    out = []
    for one in given:
        own = logprobs_of(model, one).detach()
        shift = off * (2 * torch.rand(own.shape, generator=draw) - 1)
        out.append(one.model_copy(update={"logprobs": (own + shift).tolist()}))
    return out


def settings(loss: str, ratio: str, **more: Any) -> GrpoConfig:
    return GrpoConfig.model_validate({"loss": loss, "ratio": ratio, "micro_batch": 2, "cispo_cap": 1.1, **more})


def weights_of(given: list[PolicyRow], old: list[torch.Tensor], config: GrpoConfig) -> list[torch.Tensor]:
    found = []
    for one, before in zip(given, old, strict=True):
        ratio = (before - torch.tensor(one.logprobs)).exp()
        if config.importance == "token":
            found.append(ratio.clamp(max=config.importance_cap))
        elif config.importance == "sequence-mask":
            whole = ratio.prod()
            found.append(torch.full_like(ratio, float(whole if whole <= config.importance_cap else 0.0)))
        else:
            found.append(torch.ones_like(ratio))
    return found


def step(trainer: TeamGRPO, inputs: dict[str, torch.Tensor]) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of the one optimiser step that ``inputs`` are, pass by pass."""
    model: Any = trainer.model
    model.zero_grad()
    total, size = 0.0, trainer.division.micro_batch
    for start in range(0, len(inputs["tool_mask"]), size):
        batch = {name: value[start : start + size] if value.dim() else value for name, value in inputs.items()}
        loss = trainer.compute_loss(model, batch)
        loss.backward()
        total += loss.item()
    return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("importance", ["token", "sequence-mask", "none"])
@pytest.mark.parametrize(("loss", "ratio"), VARIANTS)
def test_loss_and_gradients_are_those_of_an_independent_reference(
    random_model: Path, tmp_path: Path, loss: str, ratio: str, importance: str
):
    config = settings(loss, ratio, importance=importance, importance_cap=1.4)
    given = sampled(random_model, rows(), off=0.6)
    trainer = trainer_of(random_model, config, given, tmp_path)
    inputs = trainer._generate_and_score_completions(None)  # type: ignore[arg-type]
    assert len(inputs["tool_mask"]) == 6, "five rows and a blank one"
    before = model_of(random_model)
    old = [logprobs_of(before, one).detach() for one in given]
    weights = weights_of(given, old, config)
    if importance != "none":
        assert any(bool((w != 1).any()) for w in weights)
    noisy(trainer.model)
    found, gradients = step(trainer, inputs)
    moved = model_of(random_model)
    noisy(moved)
    expected = plain_loss(moved, given, config, old, weights)
    expected.backward()
    assert found == pytest.approx(expected.item(), abs=1e-5)
    assert found != 0
    for name, parameter in moved.named_parameters():
        assert torch.allclose(gradients[name], parameter.grad, atol=1e-5), name


@pytest.mark.parametrize("reference", ["initial", "previous"])
@pytest.mark.parametrize(("loss", "ratio"), VARIANTS)
def test_the_kl_term_too(random_model: Path, tmp_path: Path, loss: str, ratio: str, reference: str):
    config = settings(loss, ratio, importance="none", beta=0.3)
    given = sampled(random_model, rows(), off=0.0)
    frozen_model = None
    if reference == "initial":
        frozen_model = model_of(random_model)
        noisy(frozen_model, seed=3)
    trainer = trainer_of(random_model, config, given, tmp_path, reference=frozen_model)
    inputs = trainer._generate_and_score_completions(None)  # type: ignore[arg-type]
    old = [logprobs_of(model_of(random_model), one).detach() for one in given]
    frozen = old if frozen_model is None else [logprobs_of(frozen_model, one).detach() for one in given]
    noisy(trainer.model)
    found, gradients = step(trainer, inputs)
    moved = model_of(random_model)
    noisy(moved)
    expected = plain_loss(moved, given, config, old, weights_of(given, old, config), frozen=frozen)
    expected.backward()
    assert found == pytest.approx(expected.item(), abs=1e-5)
    for name, parameter in moved.named_parameters():
        assert torch.allclose(gradients[name], parameter.grad, atol=1e-5), name


@pytest.mark.parametrize(("loss", "ratio"), VARIANTS)
def test_stock_trl_gives_the_same_loss_on_the_same_tensors(random_model: Path, tmp_path: Path, loss: str, ratio: str):
    """Its own importance weights, multiplied onto its loss, against ours inside the advantages; blank rows too."""
    config = settings(loss, ratio, importance_cap=1.4)
    given = sampled(random_model, rows(), off=0.6)
    trainer = trainer_of(random_model, config, given, tmp_path)
    inputs = trainer._generate_and_score_completions(None)  # type: ignore[arg-type]
    noisy(trainer.model)
    mine, _ = step(trainer, inputs)

    stored = inputs["old_per_token_logps"] - torch.zeros(1)
    plain = trainer_of(random_model, settings(loss, ratio, importance="none"), given, tmp_path)
    unweighted = plain._generate_and_score_completions(None)  # type: ignore[arg-type]
    ratios = torch.where(
        unweighted["advantages"] != 0, inputs["advantages"] / unweighted["advantages"], torch.ones_like(stored)
    )
    assert float(ratios.max()) == pytest.approx(1.4)
    arguments = GRPOConfig(
        output_dir=str(tmp_path / "stock"), per_device_train_batch_size=2, gradient_accumulation_steps=3,
        num_generations=6, max_completion_length=40, use_cpu=True, bf16=False, gradient_checkpointing=False,
        report_to=[], disable_dropout=True, **loss_arguments(config),
    )  # fmt: skip
    model = model_of(random_model)
    data = Dataset.from_dict({"prompt": [""] * 6})
    stock = GRPOTrainer(model, [team_grpo._no_reward], arguments, data, processing_class=plain._tokenizer)
    stock.current_gradient_accumulation_steps = 3
    stock.use_vllm = True  # what makes it multiply its correction
    noisy(model)
    model.train()
    total = 0.0
    for start in (0, 2, 4):
        batch = {name: v[start : start + 2] if v.dim() else v for name, v in unweighted.items()}
        batch["importance_sampling_ratio"] = ratios[start : start + 2]
        total += stock.compute_loss(model, batch).item()
    assert mine == pytest.approx(total * (trainer.filled if loss in BY_ROWS else 1.0), abs=1e-6)


@pytest.mark.parametrize(("loss", "ratio"), VARIANTS)
def test_advantages_on_partners_and_world_tokens_change_no_bit(
    random_model: Path, tmp_path: Path, loss: str, ratio: str
):
    config = settings(loss, ratio, beta=0.1)
    given = sampled(random_model, rows(), off=0.2)
    trainer = trainer_of(random_model, config, given, tmp_path)
    inputs = trainer._generate_and_score_completions(None)  # type: ignore[arg-type]
    others = inputs["tool_mask"] == 0
    assert bool((others & (inputs["completion_mask"] == 1)).any()), "there are partners' words in the completions"
    noisy(trainer.model)
    clean, gradients = step(trainer, inputs)
    poisoned = {**inputs, "advantages": inputs["advantages"].masked_fill(others, 1e6)}
    again, same = step(trainer, poisoned)
    assert again == clean
    assert gradients.keys() == same.keys()
    assert all(torch.equal(gradients[name], same[name]) for name in gradients)
