"""Memory of a training step, part by part, before it is taken.

Bytes of weights, gradients and Adam's moments follow from the number of parameters (ZeRO, arXiv 1910.02054, section
3.1: 4 + 4 + 8 bytes a parameter in fp32), divided by the processes where weights are sharded (section 5). Activations
are counted tensor by tensor as Korthikanti et al. (arXiv 2205.05198, section 4) count a GPT's, here for a Llama layer
of transformers: what its backward pass keeps. ``benchmarks.speed.train_memory`` measures the same on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..config.settings import TrainConfig
from ..training.processes import training_processes, training_sharded
from .model_size import Shape

FP32, BF16, MOMENTS = 4, 2, 8
# TRL scores the vocabulary in tiles of so many tokens and entries; three of them are there at a time
TILE, TILE_WIDTH, TILES = 4096, 32768, 3
PROCESS = {"cpu": 700 << 20, "gpu": 1 << 30}  # Python with torch, transformers and TRL; CUDA's context
SLACK = 1.05  # of what is allocated: what the allocator cannot use


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Bytes on each device while it trains. ``host``: of main memory, over all processes, while weights are read."""

    weights: float
    gradients: float
    optimiser: float
    activations: float
    logits: float
    reference: float
    process: float
    host: float

    @property
    def total(self) -> float:
        """Bytes on a device at the peak."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        """What lies on a device, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "host"}


def step_memory(shape: Shape, config: TrainConfig, section: str, tokens: int, *, gpu: bool) -> StepMemory:
    """A step of ``section`` (``train``, ``dpo`` or ``grpo``) whose rows have ``tokens`` tokens each."""
    train = config.train
    count, sharded = training_processes(train), training_sharded(train)
    frozen_bf16 = train.lora is not None and train.precision == "bf16"
    trained = shape.adapter(train.lora.rank) if train.lora else shape.parameters
    if train.prompt_tokens is not None:
        trained = train.prompt_tokens * shape.width
    extra = trained * FP32 if train.lora or train.prompt_tokens else 0
    weights = shape.parameters * (BF16 if frozen_bf16 else FP32) + extra
    gradients, moments = trained * FP32, trained * MOMENTS
    layer = shape.linear / shape.layers
    if sharded:
        # one gathered layer and the next, and whole embeddings and output layer, which no layer holds
        outer = shape.head * (1 if shape.tied else 2)
        gathered = (2 * layer + outer) * (BF16 if train.precision == "bf16" else FP32)
        # gradients are divided only after the last pass of a step
        whole = gradients if _passes(config, section, count) > 1 else (layer + outer) * FP32
        weights, moments = weights / count + gathered, moments / count
        gradients = gradients / count + min(whole, gradients)
    elif count > 1:
        gradients *= 2  # the buckets in which processes exchange them
    elif train.precision == "bf16" and not train.lora:
        weights += shape.linear * BF16  # autocast keeps what it has cast until the step is over
    rows = _rows(config, section) * tokens
    return StepMemory(
        weights=weights,
        gradients=gradients,
        optimiser=moments,
        activations=SLACK * rows * _kept(shape, config),
        logits=_logits(shape, config, rows),
        reference=_reference(shape, config, section),
        process=PROCESS["gpu" if gpu else "cpu"],
        host=count * shape.parameters * FP32 if gpu else 0,
    )


def _rows(config: TrainConfig, section: str) -> int:
    """Rows of a pass; a pair has two."""
    if section == "grpo":
        return config.grpo.micro_batch
    return 2 * config.dpo.micro_batch if section == "dpo" else config.train.micro_batch


def _passes(config: TrainConfig, section: str, count: int) -> int:
    """Forward passes of a step; those of online learning depend on how many rows there are."""
    if section == "grpo":
        return 2
    schedule = config.dpo if section == "dpo" else config.train
    return max(1, schedule.batch_size // (schedule.micro_batch * count))


def _kept(shape: Shape, config: TrainConfig) -> float:
    """Bytes that a token's activations take: kept for the backward pass, and at work in it."""
    train, width, inner = config.train, shape.width, shape.inner
    computed = BF16 if train.precision == "bf16" else FP32
    # the stream between layers is fp32 unless the embeddings themselves are bf16
    stream = BF16 if train.lora and train.precision == "bf16" else FP32
    norms = 2 * width * FP32 + (0 if train.lora else 2 * width * stream)  # read; normalised, for the norm's own weight
    # queries, repeated keys and values, and what attention gives; gate, its activation, up, and their product
    inside = (4 * shape.queries + 4 * inner) * computed
    # what matrices read: attention and the inner layer one each; under LoRA every adapter its own
    read = (5 * width + shape.queries + inner if train.lora else 2 * width) * computed
    layer = norms + inside + read
    at_work = (3 * inner + 2 * width) * computed
    if train.gradient_checkpointing:
        return shape.layers * width * stream + layer + at_work
    return shape.layers * layer + at_work


def _logits(shape: Shape, config: TrainConfig, rows: int) -> float:
    """Tiles of logits, the gradient of what they are made of, and that of the output layer, before they are added."""
    tiles = TILES * min(rows, TILE) * min(shape.vocabulary, TILE_WIDTH) * FP32
    return tiles + rows * shape.width * FP32 + (0 if config.train.lora else shape.head * FP32)


def _reference(shape: Shape, config: TrainConfig, section: str) -> float:
    """A frozen model beside the trained one. DPO's reference is the model before its first step, scored once."""
    if section != "grpo":
        return 0
    chosen, live = config.grpo, config.method == "grpo-live"
    beside = 0
    if chosen.beta and not (chosen.reference == "previous" and not live):
        beside += shape.parameters * FP32
    if live and config.reward.weights.get("readability", 0) > 0:
        beside += shape.parameters * FP32
    return beside
