"""Settings of what is trained on and how: reward, selection, pairs, supervised and preference training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .fields import Count, Positive, Settings, Share, Weight


class RewardConfig(Settings):
    """R = R_task - tokens * R_token + readability / R_loss (paper Eq. 1)."""

    weights: Annotated[dict[str, Weight], Field(min_length=1)] = {  # noqa: RUF012 - pydantic copies it
        "task": 1.0,
        "tokens": 0.6,
        "readability": 1.0,
    }
    """By term name, >= 0: each term carries its own sign. A term left out, or of weight 0, is not computed."""
    readability_cap: Positive = 1.0
    """Upper bound of 1/R_loss, which is unbounded otherwise."""
    normaliser: Literal["group-max", "percentile"] = "group-max"
    """Tokens over the longest dialogue of the group (paper), or over a percentile of fresh dialogues (code, trees)."""
    percentile: Annotated[float, Field(gt=0, le=100)] = 85.0
    """Which percentile that is."""
    probe: Count = 100
    """Dialogues sampled to find the percentile."""
    condition: Literal["task", "none"] = "task"
    """The base model scores a turn given the speaker's task prompt (paper) or on its own (reference code)."""


class SelectConfig(Settings):
    """Which instances' best dialogues are trained on (paper Alg. 2)."""

    threshold: float = 0.5
    """theta_sft: the least total reward."""
    top_share: Share = 0.7
    """The share of the best that is kept."""
    order: Literal["threshold-first", "share-first"] = "threshold-first"
    """Paper: the share is taken of what passes the threshold. Reference code: of all instances, then the threshold."""
    per: Literal["instance", "format"] = "instance"
    """The best dialogue of each instance, or of each instance in each format (FireAct: every method that succeeds)."""


class LoraConfig(Settings):
    """Low-rank adapters (PEFT)."""

    rank: Count = 16
    """Rank of the two factors."""
    alpha: Count = 32
    """The adapter's output is multiplied by alpha over rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the adapter's inputs dropped in training."""
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Modules that get an adapter, by the ends of their names; all linear ones but the output layer."""
    merge: bool = True
    """Save whole weights with the adapter folded in; false: save the adapter alone."""


class InfluenceConfig(Settings):
    """Selection of pairs by their influence (DITS, arXiv 2502.00955): every group of pairs is tried out in a short
    training of an adapter, and the team plays with it."""

    group: Count = 5
    """Pairs that are tried together, neighbours in the file of pairs."""
    keep: Share = 0.5
    """The share of the pairs that is kept."""
    validation: Count = 100
    """Training instances that the effect is measured on; no iteration trains on them."""
    value_weight: Weight = 1.0
    """How much a pair's chosen value counts beside its influence, which runs from 0 to 1."""
    epochs: Positive = 1.0
    """Passes over a group, each one optimiser step."""
    learning_rate: Positive = 1e-4
    """Of those steps."""
    lora: LoraConfig = LoraConfig(rank=8, alpha=16, merge=False)
    """The adapter that is tried."""

    @model_validator(mode="after")
    def _apart(self) -> InfluenceConfig:
        if self.lora.merge:
            raise ValueError("lora.merge: what is tried is never merged; leave it false")
        return self


class PairsConfig(Settings):
    """Preference pairs from trees (paper Alg. 5)."""

    kind: Literal["all", "siblings-extreme"] = "all"
    """All pairs of siblings (paper), or the best and the worst child of each node (reference code)."""
    threshold: float = 0.4
    """theta_dpo-filter: the chosen turn's least value."""
    gap: float = 0.2
    """theta_dpo-diff: the least difference of the two values."""
    top_share: Share = 0.5
    """Of each tree's pairs, those of the highest chosen value; at least one."""
    influence: InfluenceConfig | None = None
    """Choose among them by what a short training on each group does to the team (`{}` with the defaults)."""


class ContrastConfig(Settings):
    """Pairs of whole dialogues on one instance, of which one did better (ETO, arXiv 2403.02502)."""

    experts: str = "best"
    """A source in ``data`` whose dialogue stands against the explored ones; ``best``: the best of those explored."""
    by: Literal["reward", "score"] = "reward"
    """What is compared; the dialogues of an expert have a score only."""
    min_gap: Weight = 0.0
    """How much better one has to be; equal ones are no pair."""
    per: Literal["worst", "all"] = "worst"
    """Of an instance's worse dialogues the worst alone, or all."""
    extra_turns: Annotated[int, Field(ge=0)] = 5
    """The worse dialogue is cut when it is so many turns longer than the better one."""


class TrainStageConfig(Settings):
    """Training (spec section 4). ``start`` and the schedule (learning rate, epochs, batch) are those of supervised
    fine-tuning; DPO has its own in ``dpo`` and shares all the rest: scheduler, length, precision, LoRA, processes."""

    start: Literal["previous", "initial"] = "previous"
    """Information exchange continues from the previous iteration, debate starts from the initial model each time."""
    learning_rate: Positive = 2e-5
    """The highest one, of supervised fine-tuning."""
    epochs: Positive = 2.0
    """Passes over the rows in supervised fine-tuning."""
    batch_size: Count = 32
    """Rows per optimiser step, over all micro-batches and processes."""
    micro_batch: Count = 1
    """Rows per forward pass; must divide ``batch_size``."""
    scheduler: str = "cosine"
    """How the learning rate goes on, by a name that transformers knows: linear, cosine, constant ..."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of all steps in which the learning rate rises."""
    weight_decay: Weight = 0.0
    """Of AdamW."""
    max_grad_norm: Positive = 1.0
    """Longer gradients are scaled down to this length."""
    max_length: Count | None = None
    """Longer rows are dropped and counted, never cut; null: the model's window."""
    precision: Literal["fp32", "bf16"] = "bf16"
    """Of the forward and backward passes; trained weights stay fp32, and are saved in this."""
    gradient_checkpointing: bool = False
    """Compute activations again instead of keeping them: less memory, about a third more time."""
    sharing: Literal["shared", "adapter", "full"] = "shared"
    """What the agents share: all weights; one model, under an adapter of their own each (`train.lora={merge: false}`);
    or nothing, each a whole model."""
    groups: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = {}  # noqa: RUF012 - pydantic copies it
    """Agents that have their own weights together, `{talkers: [Alice, Bob]}`; whoever is in no group has them alone.
    Names in data that no agent bears, such as `assistant`, may stand in a group too."""
    prompt_tokens: Count | None = None
    """P-tuning in the place of LoRA: so many trained vectors before every prompt, all weights frozen; null: none."""
    lora: LoraConfig | None = None
    """Train adapters (`train.lora={}` with the defaults); null: train all weights."""
    processes: Count = 1
    """Training processes, one per device: more than one runs under ``accelerate launch``."""
    accelerate: str | None = None
    """A config file of ``accelerate launch`` (FSDP, DeepSpeed); packaged ones by name: multi-gpu, fsdp, zero3 ..."""
    machines: Count = 1
    """Machines that train together, ``processes`` on each. This one is the first; on the others run ``optima join``."""
    rendezvous: Annotated[str, Field(pattern=r"^[^\s:]+:\d+$")] | None = None
    """HOST:PORT of the first machine, as the others reach it; needed when ``machines`` is above 1."""

    @model_validator(mode="after")
    def _whole_batches(self) -> TrainStageConfig:
        whole_batches(self.batch_size, self.micro_batch)
        if self.machines > 1 and self.rendezvous is None:
            raise ValueError("machines is above 1: say by rendezvous=HOST:PORT where the others find the first one")
        return self

    @model_validator(mode="after")
    def _weights(self) -> TrainStageConfig:
        names = [name for members in self.groups.values() for name in members]
        if self.groups and self.sharing == "shared":
            raise ValueError("groups are for agents with weights of their own; set sharing to adapter or full")
        if self.prompt_tokens is not None and (self.lora is not None or self.sharing != "shared"):
            raise ValueError(
                "prompt_tokens trains a soft prompt, which is not merged, adds nothing to LoRA and is shared by all "
                "agents; set lora to null and sharing to shared, or prompt_tokens to null"
            )
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"groups: {', '.join(twice)} stands there twice")
        if self.sharing == "adapter" and (self.lora is None or self.lora.merge):
            raise ValueError("sharing adapter keeps one model under all adapters; set lora: {merge: false}")
        if self.sharing == "full" and self.lora is not None and not self.lora.merge:
            raise ValueError("sharing full saves whole models; set lora.merge to true, or sharing to adapter")
        return self


class DpoRound(Settings):
    """What one round of preference training has of its own; null: as in ``dpo``."""

    learning_rate: Positive | None = None
    """The highest one."""
    beta: Positive | None = None
    """How strongly the model is held to the reference."""


class DpoConfig(Settings):
    """Preference training (paper Eq. 4, spec section 5.3); the rest (LoRA, precision, length, ...) is as in ``train``.

    It starts from the previous iteration's model, which is the reference too.
    """

    learning_rate: Positive = 5e-7
    """The highest one."""
    epochs: Positive = 1.0
    """Passes over the pairs."""
    batch_size: Count = 64
    """Pairs per optimiser step, over all micro-batches and processes."""
    micro_batch: Count = 1
    """Pairs per forward pass; must divide ``batch_size``."""
    beta: Positive = 0.1
    """How strongly the model is held to the reference."""
    sft_weight: Weight = 1.0
    """alpha: the weight of the chosen turn's mean negative log-likelihood; 0: plain DPO."""
    drift_alarm: Positive = 20.0
    """Nats by which the chosen turns' log-probability may fall before a warning is given."""
    schedule: tuple[DpoRound, ...] = ()
    """Other values of the first, the second, ... preference training of a run, `[{beta: 0.1, learning_rate: 1e-6}]`;
    the last holds for all later ones."""

    @model_validator(mode="after")
    def _whole_batches(self) -> DpoConfig:
        whole_batches(self.batch_size, self.micro_batch)
        return self

    def of_round(self, number: int) -> DpoConfig:
        """The settings of the ``number``-th preference training of a run, counted from 0."""
        if not self.schedule:
            return self
        own = self.schedule[min(number, len(self.schedule) - 1)]
        return self.model_copy(update=own.model_dump(exclude_none=True))


def whole_batches(batch_size: int, micro_batch: int) -> None:
    """Raises ValueError when a batch is not made of whole micro-batches."""
    if batch_size % micro_batch:
        raise ValueError(f"batch_size {batch_size} is not a multiple of micro_batch {micro_batch}")
