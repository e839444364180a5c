"""All settings of a run: strict, frozen, written beside every result.

Every field can be set from YAML or on the command line by its dotted path, for example ``train.learning_rate=2e-5``;
``optima config show`` lists them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .data_settings import ConditionConfig, ExpertConfig, MixConfig, Name, SourceConfig
from .dialogue_settings import (
    EnvConfig,
    EvaluateConfig,
    GenerateConfig,
    ImagineConfig,
    RolloutConfig,
    SamplingConfig,
    SplitConfig,
    TreeConfig,
)
from .engine_settings import EngineConfig
from .fields import Count, Settings, Share, Weight
from .online_settings import GrpoConfig
from .training_settings import (
    ContrastConfig,
    DpoConfig,
    InfluenceConfig,
    LoraConfig,
    PairsConfig,
    RewardConfig,
    SelectConfig,
    TrainStageConfig,
)

__all__ = [
    "TrainConfig",
    "EnvConfig",
    "SplitConfig",
    "RolloutConfig",
    "SamplingConfig",
    "GenerateConfig",
    "ImagineConfig",
    "TreeConfig",
    "EvaluateConfig",
    "EngineConfig",
    "RewardConfig",
    "SelectConfig",
    "PairsConfig",
    "TrainStageConfig",
    "LoraConfig",
    "DpoConfig",
    "InfluenceConfig",
    "GrpoConfig",
    "SourceConfig",
    "ExpertConfig",
    "ConditionConfig",
    "ContrastConfig",
    "MixConfig",
    "Settings",
    "Count",
    "Share",
    "Weight",
]


class TrainConfig(Settings):
    """One run of the generate-rank-select-train loop."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """The run directory is runs/NAME unless another is given."""
    method: str = "isft"
    """isft, idpo, isft-dpo, imitate, agenttuning, ..., or one of your own (`optima list methods` has all)."""
    model: str
    """A model folder or hub id; or ``tiny``, the embedded model, or a named one (`optima models`)."""
    backend: str = "hf"
    """What samples and scores: hf or vllm, or one of your own (`optima list backends`)."""
    device: str | None = None
    """``cpu``, ``cuda``, ..., for training and backends that compute here; null: what the machine has."""
    dtype: Literal["float64", "float32", "bfloat16"] | None = None
    """Of generation and scoring in backends that compute here; null: the backend's choice. With float64 a small
    model's dialogues do not depend on which requests happened to share a batch."""
    engine: EngineConfig = EngineConfig()
    """How engines are opened: parallelism, memory, lengths."""
    env: EnvConfig
    """The environment."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Every random choice of the run follows from it."""
    iterations: Annotated[int, Field(ge=1, le=10_000)] = 6
    """Rounds of sampling and training."""
    data: dict[Name, SourceConfig] = {}  # noqa: RUF012 - pydantic copies it
    """Other people's trajectories, by names of your own; their order breaks ties in the mixture."""
    mix: MixConfig = MixConfig()
    """How they are mixed."""
    condition: ConditionConfig | None = None
    """Outcome classes with a sentence each (method nat)."""
    rollout: RolloutConfig = RolloutConfig()
    """Who plays them: this process, or workers on a cluster."""
    generate: GenerateConfig = GenerateConfig()
    """Training dialogues."""
    imagine: ImagineConfig = ImagineConfig()
    """Tasks that the team sets itself (method ste)."""
    tree: TreeConfig = TreeConfig()
    """Trees of dialogues, for DPO."""
    pairs: PairsConfig = PairsConfig()
    """Preference pairs, for DPO."""
    reward: RewardConfig = RewardConfig()
    """What a good dialogue is."""
    select: SelectConfig = SelectConfig()
    """Dialogues to train on, for SFT."""
    train: TrainStageConfig = TrainStageConfig()
    """Supervised fine-tuning, and what DPO shares with it."""
    contrast: ContrastConfig = ContrastConfig()
    """Pairs of whole dialogues (method eto)."""
    dpo: DpoConfig = DpoConfig()
    """Preference training."""
    grpo: GrpoConfig = GrpoConfig()
    """Online training."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """Evaluation, before training and after each iteration."""
    tracker: Literal["none", "tensorboard", "trackio", "wandb"] = "none"
    """Where each stage's numbers are sent besides the run directory."""
    isolation: Literal["per-kind", "per-stage", "one", "inline"] = "per-kind"
    """Child processes of the run: one per sequence of stages of a kind, which share an engine (frees a GPU for
    training), one per stage, a single one (quickest to start, for small models), or none (debugging)."""
    plugins: tuple[str, ...] = ()
    """Modules imported at start in every process: where your own environments, terms and methods register."""
    plugin_folders: tuple[str, ...] = ()
    """Where plugins that are not installed lie; a run adds the recipe's folder and the current one."""

    @model_validator(mode="after")
    def _formats(self) -> TrainConfig:
        if isinstance(self.generate.formats, tuple) and not self.generate.formats:
            raise ValueError("generate.formats is empty: name formats, or set it to null for plain prompts")
        return self
