"""All settings of a run: strict, frozen, written beside every result.

Every field can be set from YAML or on the command line by its dotted path, for example ``train.learning_rate=2e-5``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from .online_settings import GrpoConfig
from .strict import Count, Settings, Share, Weight

if TYPE_CHECKING:
    from optima_envs import Scenario


class SplitConfig(Settings):
    """Where instances come from."""

    split: str
    data: str | None = None
    """A local file or a hub id; null: what the environment's task uses by default."""


class EnvConfig(Settings):
    """The environment, as ``optima_envs.scenario`` takes it."""

    id: str
    train: SplitConfig = SplitConfig(split="train")
    test: SplitConfig = SplitConfig(split="test")
    max_turns: Count | None = None
    token_budget: Count | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the task, such as ``distractors``."""

    def scenario(self, part: Literal["train", "test"]) -> Scenario:
        """The environment on its training or its test instances. Raises what ``optima_envs.scenario`` raises."""
        import optima_envs

        source = self.train if part == "train" else self.test
        limits = {"max_turns": self.max_turns, "token_budget": self.token_budget}
        return optima_envs.scenario(self.id, split=source.split, data=source.data, **limits, **self.args)


class SamplingConfig(Settings):
    """How turns are sampled."""

    max_tokens: Count = 512
    """Per turn, the end-of-turn token included (the reference code: 2000)."""
    top_p: Share = 1.0
    concurrency: Count = 64
    """Dialogues in flight."""
    episode_timeout: Annotated[float, Field(gt=0)] = 600.0
    """Seconds until a dialogue is given up and recorded as failed."""


class GenerateConfig(SamplingConfig):
    """Training dialogues of one iteration (paper section 2.2; sizes from the reference recipes)."""

    instances: Count = 10_000
    samples: Count = 10
    """N dialogues per instance."""
    temperature: Annotated[tuple[Weight, ...], Field(min_length=1)] = (0.3, 0.7)
    """One per iteration; the last one holds for all later iterations."""
    formats: tuple[str, ...] | Literal["all"] | None = "all"
    """The format pool of iteration 0: names of ``optima_agents.formats``, ``plain`` for no hint among them; null:
    plain prompts from the start."""


class TreeConfig(SamplingConfig):
    """Tree generation, iDPO's data (paper section 2.4 and App. H.1; what the paper leaves out, from its code)."""

    instances: Count = 10_000
    """Trees of one iteration."""
    rounds: Count = 8
    """Expansions of a tree; each plays ``rollouts`` dialogues to their end from the chosen node."""
    rollouts: Count = 3
    temperature: Weight = 0.7
    expand_distance: Share = 0.25
    """A node nearer than this to one expanded before (edit distance over the longer length) is no candidate."""
    merge_distance: Share = 0.1
    """Siblings nearer than this are one node."""
    top: Count = 10
    """Candidates of the highest value, among which a softmax over the values draws."""
    exhausted: Literal["stop", "again"] = "stop"
    """Without candidates the root is expanded again. When that brings nothing new: the tree is finished, or the rest
    of its rounds is spent the same way (reference code)."""
    values: Literal["children", "visits"] = "children"
    """A node's value: the mean of its children's (paper), or of all dialogues through it (reference code)."""


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


class RewardConfig(Settings):
    """R = R_task - tokens * R_token + readability / R_loss (paper Eq. 1)."""

    weights: dict[str, Weight] = Field(
        default_factory=lambda: {"task": 1.0, "tokens": 0.6, "readability": 1.0}, min_length=1
    )
    """By term name, >= 0: each term carries its own sign. A term left out, or of weight 0, is not computed."""
    readability_cap: Annotated[float, Field(gt=0)] = 1.0
    """Upper bound of 1/R_loss, which is unbounded otherwise."""
    normaliser: Literal["group-max", "percentile"] = "group-max"
    """Tokens over the longest dialogue of the group (paper), or over a percentile of fresh dialogues (code, trees)."""
    percentile: Annotated[float, Field(gt=0, le=100)] = 85.0
    probe: Count = 100
    """Dialogues sampled to find the percentile."""
    condition: Literal["task", "none"] = "task"
    """The base model scores a turn given the speaker's task prompt (paper) or on its own (reference code)."""


class SelectConfig(Settings):
    """Which instances' best dialogues are trained on (paper Alg. 2)."""

    threshold: float = 0.5
    """theta_sft: the least total reward."""
    top_share: Share = 0.7
    order: Literal["threshold-first", "share-first"] = "threshold-first"
    """Paper: the share is taken of what passes the threshold. Reference code: of all instances, then the threshold."""


class LoraConfig(Settings):
    """Low-rank adapters (PEFT)."""

    rank: Count = 16
    alpha: Count = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    merge: bool = True
    """Save whole weights with the adapter folded in; false: save the adapter alone."""


class TrainStageConfig(Settings):
    """Supervised fine-tuning (spec section 4)."""

    start: Literal["previous", "initial"] = "previous"
    """Information exchange goes on from the previous iteration, debate starts from the initial model each time."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-5
    epochs: Annotated[float, Field(gt=0)] = 2.0
    batch_size: Count = 32
    """Rows per optimiser step, over all micro-batches."""
    micro_batch: Count = 1
    """Rows per forward pass; must divide ``batch_size``."""
    scheduler: str = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of all steps."""
    weight_decay: Weight = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    max_length: Count | None = None
    """Longer rows are dropped and counted, never cut; null: the model's window."""
    precision: Literal["fp32", "bf16"] = "bf16"
    gradient_checkpointing: bool = False
    lora: LoraConfig | None = None
    processes: Count = 1
    """Training processes, one per device: more than one runs under ``accelerate launch``."""
    accelerate: str | None = None
    """A config file of ``accelerate launch`` (FSDP, DeepSpeed); packaged ones by name."""

    @model_validator(mode="after")
    def _whole_batches(self) -> TrainStageConfig:
        if self.batch_size % self.micro_batch:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of micro_batch {self.micro_batch}")
        return self


class DpoConfig(Settings):
    """Preference training (paper Eq. 4, spec section 5.3); the rest (LoRA, precision, length ...) is as in ``train``.

    It starts from the previous iteration's model, which is the reference too.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 5e-7
    epochs: Annotated[float, Field(gt=0)] = 1.0
    batch_size: Count = 64
    """Pairs per optimiser step, over all micro-batches and processes."""
    micro_batch: Count = 1
    beta: Annotated[float, Field(gt=0)] = 0.1
    sft_weight: Weight = 1.0
    """alpha: the weight of the chosen turn's mean negative log-likelihood; 0: plain DPO."""
    drift_alarm: Annotated[float, Field(gt=0)] = 20.0
    """Nats by which the chosen turns' log-probability may fall before a warning is given."""

    @model_validator(mode="after")
    def _whole_batches(self) -> DpoConfig:
        if self.batch_size % self.micro_batch:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of micro_batch {self.micro_batch}")
        return self


class EvaluateConfig(SamplingConfig):
    """Greedy dialogues on held-out instances, plain prompts."""

    instances: Count = 1_000
    nll: bool = True
    """Also measure how likely the base model finds the dialogues."""


class TrainConfig(Settings):
    """One run of the generate-rank-select-train loop."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    method: str = "isft"
    model: str
    """A model folder or hub id, or ``tiny``, the embedded model."""
    backend: str = "hf"
    device: str | None = None
    """``cpu``, ``cuda``, ..., for training and backends that compute here; null: what the machine has."""
    dtype: Literal["float64", "float32", "bfloat16"] | None = None
    """Of generation and scoring in backends that compute here; null: the backend's choice. With float64 a small
    model's dialogues do not depend on which requests happened to share a batch."""
    env: EnvConfig
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    iterations: Count = 6
    generate: GenerateConfig = GenerateConfig()
    tree: TreeConfig = TreeConfig()
    pairs: PairsConfig = PairsConfig()
    reward: RewardConfig = RewardConfig()
    select: SelectConfig = SelectConfig()
    train: TrainStageConfig = TrainStageConfig()
    dpo: DpoConfig = DpoConfig()
    grpo: GrpoConfig = GrpoConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    tracker: Literal["none", "tensorboard", "trackio", "wandb"] = "none"
    processes: Literal["rooms", "stages", "one", "inline"] = "rooms"
    """Child processes: one per run of stages that can share an engine (frees a GPU for training), one per stage, a
    single one (quickest to start, for small models), or none (debugging)."""
    plugins: tuple[str, ...] = ()
    """Modules imported at start in every process: where your own environments, terms and methods register."""

    @model_validator(mode="after")
    def _lengths(self) -> TrainConfig:
        if isinstance(self.generate.formats, tuple) and not self.generate.formats:
            raise ValueError("generate.formats is empty: name formats, or set it to null for plain prompts")
        return self
