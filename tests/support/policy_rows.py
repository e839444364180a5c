"""What the tests of online learning share: rows of a made-up dialogue, a trainer over them, and a loss in plain torch
that knows nothing of TRL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from optima_train.config.online_settings import GrpoConfig
from optima_train.online.trainer.team_grpo import Division, TeamGRPO
from optima_train.run.engines import ModelRef
from optima_train.run.records import PolicyRow
from optima_train.training.checkpoints import load_model, load_tokenizer
from optima_train.training.trainer_args import prepare_cpu


def row(
    agent: str,
    parts: list[tuple[str, int]],
    advantages: list[float],
    *,
    seed: int,
    logprobs: list[float] | None = None,
    vocabulary: int = 200,
) -> PolicyRow:
    """A row of ``parts``: (``heard`` or ``said``, tokens) in turn; ``said`` ones are the agent's own."""
    draw = torch.Generator().manual_seed(seed)
    mask = [int(kind == "said") for kind, count in parts for _ in range(count)]
    lengths = [count for kind, count in parts if kind == "said"]
    return PolicyRow(
        instance="q",
        sample=seed,
        agent=agent,
        turns=list(range(len(lengths))),
        lengths=lengths,
        advantages=advantages,
        input_ids=torch.randint(5, vocabulary, (len(mask),), generator=draw).tolist(),
        completion_mask=mask,
        logprobs=logprobs,
    )


def rows() -> list[PolicyRow]:
    """Five rows of different lengths, two turns in most, advantages of both signs."""
    return [
        row("Alice", [("heard", 9), ("said", 4), ("heard", 6), ("said", 3)], [0.8, -0.5], seed=1),
        row("Bob", [("heard", 12), ("said", 5), ("heard", 3), ("said", 2)], [-1.2, 0.3], seed=2),
        row("Alice", [("heard", 5), ("said", 7)], [1.5], seed=3),
        row("Bob", [("heard", 20), ("said", 1), ("heard", 4), ("said", 6)], [-0.7, 0.9], seed=4),
        row("Alice", [("heard", 7), ("said", 3), ("heard", 2), ("said", 4)], [0.2, -1.1], seed=5),
    ]


def model_of(folder: Path | str) -> Any:
    return load_model(ModelRef(str(folder)), "fp32", None)


def trainer_of(
    folder: Path | str, config: GrpoConfig, given: list[PolicyRow], tmp_path: Path, **options: Any
) -> TeamGRPO:
    """A trainer over ``given`` that may be asked for losses at once."""
    prepare_cpu()
    reference = ModelRef(str(folder))
    arguments: dict[str, Any] = {
        "output_dir": str(tmp_path / "trainer"),
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "constant",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "seed": 0,
    }
    model = options.pop("model", None) or model_of(folder)
    trainer = TeamGRPO(
        model,
        load_tokenizer(reference),
        arguments,
        config,
        lambda: given,
        Division.of(len(given), config, 1),
        **{"longest": 40, **options},
    )
    trainer.current_gradient_accumulation_steps = trainer.division.accumulation
    trainer.model.train()  # type: ignore[union-attr]
    return trainer


def logprobs_of(model: Any, given: PolicyRow) -> torch.Tensor:
    """Log-probabilities of a row's own tokens, from the model's logits, without padding or batch."""
    ids = torch.tensor([given.input_ids])
    scores = model(input_ids=ids).logits[0].float().log_softmax(-1)
    places = [p for p, own in enumerate(given.completion_mask) if own]
    return torch.stack([scores[p - 1, given.input_ids[p]] for p in places])


def plain_loss(
    model: Any,
    given: list[PolicyRow],
    config: GrpoConfig,
    old: list[torch.Tensor],
    weights: list[torch.Tensor],
    *,
    longest: int = 40,
    frozen: list[torch.Tensor] | None = None,
) -> torch.Tensor:
    """The loss of one optimiser step over ``given``, row by row, as the papers write it."""
    sums, means = [], []
    for one, before, weight, base in zip(given, old, weights, frozen or old, strict=True):
        now = logprobs_of(model, one)
        gain = torch.tensor([a for a, n in zip(one.advantages, one.lengths, strict=True) for _ in range(n)]) * weight
        ratio = (now - before).exp()
        if config.ratio == "sequence":
            ratio = (now - before).mean().exp().expand_as(now)
        if config.loss == "cispo":
            loss = -ratio.clamp(max=config.cispo_cap).detach() * gain * now
        else:
            loss = -torch.minimum(ratio * gain, ratio.clamp(1 - config.clip_low, 1 + config.clip_high) * gain)
        if config.beta:
            far = base - now
            loss = loss + config.beta * ratio * (far.exp() - far - 1)
        sums.append(loss.sum())
        means.append(loss.mean())
    if config.loss == "grpo":
        return torch.stack(means).mean()
    if config.loss == "dr_grpo":
        return torch.stack(sums).sum() / (len(given) * longest)
    return torch.stack(sums).sum() / sum(sum(one.lengths) for one in given)


def noisy(model: Any, size: float = 0.05, seed: int = 7) -> None:
    """Move every weight a little, as training would."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=draw)
