"""Whether the trainings of a run fit into the memory there is, and what would make them fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..config.loading import RECIPES, ConfigError, check, merge, read
from ..config.settings import TrainConfig
from ..run.stage import Stage
from ..training.processes import training_processes
from .devices import Devices
from .estimate import Assumed
from .memory import StepMemory, step_memory
from .model_size import Shape

USABLE = 0.95  # of a device; the rest is lost to other programs and to fragments
UNKNOWN = 4096  # tokens of a row, where neither dialogues nor a window bound it
ROOMIER = 1.25  # the longest task over the mean of those that were measured
MARKS = 8  # tokens of a template around each turn
PARTS = {"8b-1gpu": 1, "8b-8gpu": 8}  # packaged parts for large models, and for how many GPUs
LARGE, SMALLEST = 2_000_000_000, "8b-1gpu"


@dataclass(frozen=True, slots=True)
class Need:
    """A training of ``section`` on rows of at most ``tokens`` tokens, and the memory that it takes."""

    section: str
    tokens: int
    memory: StepMemory


def sections_of(stages: Sequence[Stage]) -> list[str]:
    """The sections of settings by which ``stages`` train: train, dpo, grpo."""
    return sorted({getattr(stage, "section", "") for stage in stages if stage.kind == "training"} - {""})


def longest_row(config: TrainConfig, stages: Sequence[Stage], assumed: Assumed, window: int | None) -> int:
    """Tokens of the longest row that training may meet: what a dialogue can hold, ``train.max_length``, the window."""
    env, plays = config.env, [config.generate.max_tokens]
    if any(stage.name == "grow" for stage in stages) or config.grpo.estimator == "tree":
        plays.append(config.tree.max_tokens)
    said = (env.max_turns or assumed.turns * 2) * (max(plays) + MARKS)
    if env.token_budget is not None:
        said = min(said, env.token_budget + max(plays))
    limits = [limit for limit in (config.train.max_length, config.engine.max_model_len, window) if limit is not None]
    files = any(source.files for source in config.data.values())  # theirs may be of any length
    own = round(assumed.prompt * ROOMIER) + said
    return min(limits, default=UNKNOWN if files else own) if files else min([own, *limits])


def needs(config: TrainConfig, stages: Sequence[Stage], shape: Shape, assumed: Assumed, *, gpu: bool) -> list[Need]:
    """One for each section by which ``stages`` train. Raises StageError for a file of accelerate that is none."""
    tokens = longest_row(config, stages, assumed, shape.window)
    return [
        Need(section, tokens, step_memory(shape, config, section, tokens, gpu=gpu)) for section in sections_of(stages)
    ]


def check_memory(config: TrainConfig, stages: Sequence[Stage], shape: Shape, assumed: Assumed, there: Devices) -> None:
    """Raises ConfigError for a training that does not fit into ``there``, with its parts and with what would fit."""
    count = training_processes(config.train)
    if there.gpu and count > there.count:
        raise ConfigError(
            f"train.processes: {count} training processes need a GPU each, and there are {there.count}; "
            "set train.processes, or in your own file for train.accelerate num_processes"
        )
    for need in needs(config, stages, shape, assumed, gpu=there.gpu):
        short = lacking(need, config, there)
        if short is None:
            continue
        ways = list(_ways_out(config, need.section, stages, shape, assumed, there))
        out = "take a smaller model or more memory"
        if ways:
            out = f"what would fit: {'; or '.join(ways[:3])}"
        elif shape.parameters >= LARGE and not there.gpu:
            out = f"{out}: a GPU of 80 GB with --part {SMALLEST}"
        raise ConfigError(f"{need.section}: {short}; {out}")


def lacking(need: Need, config: TrainConfig, there: Devices) -> str | None:
    """Why ``need`` does not fit into ``there``; None when it does."""
    count = training_processes(config.train)
    total = need.memory.total * (1 if there.gpu else count)
    if total > USABLE * there.memory:
        largest = sorted(need.memory.parts().items(), key=lambda item: -item[1])
        told = ", ".join(f"{name} {gib(size)}" for name, size in largest[:4])
        where = ("each GPU" if count > 1 else "the GPU") if there.gpu else "main memory"
        return (
            f"training on rows of up to {need.tokens:,} tokens takes about {gib(total)} GiB of {where}; there are "
            f"{gib(there.memory)} (in GiB: {told})"
        )
    if need.memory.host > USABLE * there.host:
        return (
            f"{count} processes read the weights into {gib(need.memory.host)} GiB of main memory, of which there are "
            f"{gib(there.host)}"
        )
    return None


def gib(size: float) -> str:
    """Bytes in GiB, with a digit behind the point below ten."""
    number = size / 2**30
    return f"{number:.1f}" if number < 10 else f"{number:.0f}"


def _ways_out(
    config: TrainConfig, section: str, stages: Sequence[Stage], shape: Shape, assumed: Assumed, there: Devices
) -> Iterator[str]:
    """Changes with which the training fits, the gentlest first; of a large model its part."""
    plain = config.model_dump(mode="json")
    again = {"train": {"gradient_checkpointing": True}}
    adapters = {"train": {"lora": {}, "gradient_checkpointing": True}}
    one = {section: {"micro_batch": 1}}
    tried = [
        (f"the part {name} (optima train ... --part {name})", read(RECIPES / "parts" / f"{name}.yaml"))
        for name, gpus in sorted(PARTS.items(), key=lambda item: -item[1])
        if shape.parameters >= LARGE and there.gpu and gpus <= there.count
    ]
    tried += [
        (f"{section}.micro_batch=1", one),
        ("train.gradient_checkpointing=true", again),
        (f"train.gradient_checkpointing=true {section}.micro_batch=1", merge(again, one)),
        (f"train.lora={{}} train.gradient_checkpointing=true {section}.micro_batch=1", merge(adapters, one)),
    ]
    longest = longest_row(config, stages, assumed, shape.window)
    tried += [
        (f"train.max_length={longest // part} (longer rows are dropped, and counted)",
         {"train": {"max_length": longest // part}})
        for part in (2, 4, 8)
    ]  # fmt: skip
    for text, change in tried:
        changed = check(merge(plain, change), TrainConfig)
        found = next(n for n in needs(changed, stages, shape, assumed, gpu=there.gpu) if n.section == section)
        if lacking(found, changed, there) is None:
            yield text
