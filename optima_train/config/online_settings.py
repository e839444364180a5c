"""Settings of online learning (methods ``grpo`` and ``grpo-live``)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .fields import Count, Settings, Weight

Rate = Annotated[float, Field(ge=0, lt=1)]


class GrpoConfig(Settings):
    """Policy gradients on a team's own dialogues; the rest (LoRA, precision, length ...) is as in ``train``.

    Dialogues are sampled as ``generate`` says (``tree`` for the estimator ``tree``), at temperature 1 and top_p 1.
    """

    estimator: str = "group"
    """An advantage estimator: ``group``, ``agent``, ``agent-turn``, ``tree``, ``rae``, or one of a plugin."""
    scale: Literal["std", "none"] = "std"
    """Divide advantages by the group's standard deviation (GRPO), or not (Dr. GRPO). ``rae`` never divides."""
    decay: Rate = 0.95
    """Of ``rae``'s running baseline."""
    agent_weights: dict[str, Weight] = Field(default_factory=dict)
    """Reward terms of an agent's own by name (``tokens-own``, ``format-own``, ``answered-first``), on top of the
    team's ``reward.weights``."""
    loss: Literal["dapo", "dr_grpo", "grpo", "cispo"] = "dapo"
    """How token losses are averaged and clipped; see docs/online.md."""
    ratio: Literal["token", "sequence"] = "token"
    """What is clipped: each token's probability ratio, or their geometric mean over an agent's row (GSPO)."""
    clip_low: Rate = 0.2
    """How far below 1 a ratio may fall before it is clipped."""
    clip_high: Annotated[float, Field(ge=0)] = 0.28
    """How far above 1 it may rise: ratios are held in [1 - clip_low, 1 + clip_high]."""
    cispo_cap: Annotated[float, Field(gt=0)] = 5.0
    """The largest weight of a token under ``cispo``, which uses no ``clip_low`` and no ``clip_high``."""
    old: Literal["recomputed", "stored"] = "recomputed"
    """The ratio's denominator: the trainer's own log-probabilities before the first update, or those the engine stored
    while sampling (no pass over the rows, but no ``importance`` weights either)."""
    importance: Literal["token", "sequence-mask", "none"] = "token"
    """Weights for the trainer's probabilities differing from the engine's: per token, at most ``importance_cap``; or
    per row, which is left out above it."""
    importance_cap: Annotated[float, Field(ge=1)] = 2.0
    """The largest importance weight."""
    beta: Weight = 0.0
    """Weight of the KL divergence from the ``reference``."""
    reference: Literal["initial", "previous"] = "initial"
    """The run's first model, or the one the iteration began with."""
    learning_rate: Weight = 1e-6
    """Of Adam; 0 leaves the weights as they are."""
    scheduler: str = "constant"
    """Within an iteration."""
    updates: Count = 1
    """Optimiser steps that the rows of one sampling round are divided among."""
    epochs: Count = 1
    """Passes over them."""
    micro_batch: Count = 1
    """Rows per forward pass."""
    rounds: Count = 1
    """``grpo-live``: sampling rounds of an iteration, each of ``generate.instances`` x ``generate.samples``."""
    carry_optimizer: bool = True
    """Keep Adam's moments from iteration to iteration (twice the trained weights on the disk, in fp32)."""

    @model_validator(mode="after")
    def _weights_need_recomputing(self) -> GrpoConfig:
        if self.old == "stored" and self.importance != "none":
            raise ValueError("old=stored has no trainer's log-probabilities to weigh by; set importance=none")
        return self
