"""What ``optima train --dry-run`` prints: settings, steps with their estimated work, and what was assumed."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.settings import TrainConfig
from ..planning.devices import devices
from ..planning.estimate import READING, SAMPLING, TRAINING, Assumed, Work, assume, works
from ..planning.fitting import Need, gib, needs
from ..planning.model_size import Shape, shape
from ..run.stage import Step
from ..training.processes import training_processes

# dense bf16 operations per second, by a part of the name CUDA gives the device; longer names first
PEAKS = {
    "GB200": 2.5e15,
    "B200": 2.25e15,
    "H200": 9.89e14,
    "H100": 9.89e14,
    "A100": 3.12e14,
    "L40S": 3.62e14,
    "RTX 5090": 2.1e14,
    "RTX 4090": 1.65e14,
    "RTX 3090": 7.1e13,
    "A10": 1.25e14,
    "L4": 1.21e14,
    "V100": 1.25e14,
    "T4": 6.5e13,
}
NOMINAL = "A100"  # the paper's device
WIDTHS = (10, 9, 9, 9, 9, 8, 8, 8, 8)
HEADINGS = ("dialogues", "sampled", "read", "rows", "trained", "GPU-h", "hours", "GiB", "disk")


def show_plan(
    config: TrainConfig, flops: float | None, tokens: int | None, prompt: int | None, count: int | None = None
) -> int:
    """Print the plan. ``flops``: the device's peak per second; ``tokens`` per dialogue; ``prompt``: an agent's task;
    ``count`` devices (None: those here, or as many as train)."""
    from ..config.loading import dump
    from ..methods import plan

    steps, assumed, size = plan(config), assume(config, tokens, prompt), shape(config.model)
    (peak, device), there = peak_of(config, flops), devices(config.device)
    trained = needs(config, [step.stage for step in steps], size, assumed, gpu=True) if size else []
    work = works(config, steps, assumed)
    cards = count or (there.count if there.gpu else training_processes(config.train))
    print(dump(config))
    print(f"{len(steps)} steps, with estimates (at most):")
    lines = table(config, steps, work, size, peak, cards, trained)
    crossing = network(config, steps, work, size, cards)
    said = notes(assumed, size, device, cards, trained, crossing)
    print("\n".join([*lines, "", "assumed:", *(f"  {line}" for line in said)]))
    return 0


def table(
    config: TrainConfig,
    steps: Sequence[Step],
    estimates: Sequence[Work | None],
    size: Shape | None,
    peak: float | None,
    cards: int = 1,
    trained: Sequence[Need] = (),
) -> list[str]:
    """A line per step and their sum; a dash for what is nothing, a question mark for what is not known. ``GiB`` is the
    peak on each device of a training; ``hours`` are by the clock, on ``cards`` devices."""
    lines = [_row("step", HEADINGS)]
    memory = {need.section: need.memory.total for need in trained}
    sums: list[tuple[float | None, float | None, float | None]] = []
    known = [work for work in estimates if work is not None]
    for step, work in zip(steps, estimates, strict=True):
        if work is None:
            lines.append(f"{step.path:<20} no estimate for this stage")
            continue
        training = step.stage.kind == "training"
        hours, disk = _hours(work, size, peak), _disk(work, config, size)
        clock = None if hours is None else hours / (_trainers(config, cards) if training else _players(config, cards))
        sums.append((hours, clock, disk))
        peak_memory = memory.get(getattr(step.stage, "section", "")) if training else 0.0
        lines.append(_row(step.path, _cells(work, hours, clock, peak_memory, disk)))
    hours, clock, disk = ([*column] for column in zip(*sums, strict=True)) if sums else ([], [], [])
    highest = max(memory.values(), default=0.0)
    return [*lines, _row("total", _cells(sum(known, Work()), _sum(hours), _sum(clock), highest, _sum(disk)))]


def _trainers(config: TrainConfig, cards: int) -> int:
    """Devices that train together."""
    return min(cards, training_processes(config.train)) or 1


def _players(config: TrainConfig, cards: int) -> int:
    """Devices that sample and read: all of them under vLLM or with workers, else the first."""
    options = config.engine
    if config.rollout.workers is not None:
        return cards
    if config.backend != "vllm":
        return 1
    together = (options.tensor_parallel_size or 1) * (options.pipeline_parallel_size or 1)
    return max(1, min(cards, together * (options.data_parallel_size or cards // together)))


def _sum(values: Sequence[float | None]) -> float | None:
    return None if any(value is None for value in values) else sum(value or 0.0 for value in values)


def peak_of(config: TrainConfig, flops: float | None) -> tuple[float | None, str]:
    """The device's operations per second (None: not known), and in words where that is from."""
    if flops is not None:
        return flops, f"a device of {flops:.3g} FLOP/s (--device-flops)"
    name = "" if config.device == "cpu" else cuda_name()
    if name:
        peak = next((PEAKS[part] for part in PEAKS if part in name), None)
        speed = f"{peak:.3g} FLOP/s" if peak else "peak not known; give --device-flops"
        return peak, f"this machine's {name} ({speed})"
    return PEAKS[NOMINAL], f"no GPU here: hours are those of an {NOMINAL}, {PEAKS[NOMINAL]:.3g} FLOP/s (--device-flops)"


def cuda_name() -> str:
    """What CUDA calls the first device; empty without one."""
    try:
        import torch
    except ImportError:
        return ""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""


def network(
    config: TrainConfig, steps: Sequence[Step], estimates: Sequence[Work | None], size: Shape | None, cards: int
) -> list[str]:
    """What crosses machines, in words: nothing on one. Weights in bf16 go to every worker at every stage that plays
    where no disk is shared; a ring all-reduce moves 2 (n - 1) / n of the gradients (fp32) per process and step."""
    work = list(zip(steps, estimates, strict=True))
    said = []
    if config.rollout.workers is not None:
        played = [one for _, one in work if one is not None and one.dialogues]
        weights = quantity(2 * size.parameters * cards * len(played)) if size else "?"
        lines = quantity(sum(one.disk for one in played))
        said.append(f"network: {weights}B of weights to workers where no disk is shared, {lines}B of dialogues back")
    if config.train.machines > 1 and size is not None:
        count, lora = training_processes(config.train), config.train.lora
        trained = size.adapter(lora.rank) if lora else size.parameters
        rows = sum(one.rows for step, one in work if one is not None and step.stage.kind == "training")
        turns = rows * config.train.epochs / config.train.batch_size
        moved = quantity(2 * (count - 1) / count * 4 * trained * turns)
        said.append(f"network: {moved}B of gradients for each training process, all-reduced at every step")
    return said


def notes(
    assumed: Assumed,
    size: Shape | None,
    device: str,
    cards: int = 1,
    trained: Sequence[Need] = (),
    network: Sequence[str] = (),
) -> list[str]:
    """Every assumption in words."""
    model = (
        f"{size.parameters:,} parameters, {size.known}" if size else "size not known: no GPU-hours, no disk, no memory"
    )
    source = "measured on the first instances" if assumed.measured else "assumed; --prompt-tokens"
    return [
        f"a dialogue: {assumed.tokens} tokens sampled in {assumed.turns} turns (--dialogue-tokens); teams get briefer",
        f"a task: {assumed.prompt} tokens for each of {assumed.agents} agents ({source}), read once per instance",
        "selection and pairs: the share is kept, the thresholds drop nothing",
        f"model: {model}",
        f"device: {device}",
        f"speed: {SAMPLING:.0%} of that in sampling, {READING:.0%} in reading, {TRAINING:.0%} in training",
        "operations per token and parameter: 2 to sample or read, 6 to train (4 under LoRA)",
        *network,
        f"hours by the clock: {cards} device{'s' * (cards > 1)} (--devices); under vLLM and with workers all sample",
        *(
            f"memory of {need.section} on each device, rows of up to {need.tokens:,} tokens: "
            + ", ".join(f"{name} {gib(size)}" for name, size in need.memory.parts().items() if size)
            + " GiB"
            for need in trained
        ),
    ]


def _hours(work: Work, size: Shape | None, peak: float | None) -> float | None:
    return None if size is None or peak is None else work.compute() * size.parameters / peak / 3600


def _disk(work: Work, config: TrainConfig, size: Shape | None) -> float | None:
    if not work.models:
        return work.disk
    if size is None:
        return None
    lora = config.train.lora
    if lora and not lora.merge:  # PEFT saves what was trained, which stays fp32
        return work.disk + work.models * size.adapter(lora.rank) * 4
    return work.disk + work.models * size.parameters * (2 if config.train.precision == "bf16" else 4)


def _cells(work: Work, hours: float | None, clock: float | None, memory: float | None, disk: float | None) -> list[str]:
    counts = [quantity(n) if n else "-" for n in (work.dialogues, work.sampled, work.read, work.rows, work.trained)]
    times = ["?" if h is None else "-" if h == 0 else f"{h:.3g}" for h in (hours, clock)]
    held = "?" if memory is None else gib(memory) if memory else "-"
    return [*counts, *times, held, "?" if disk is None else "-" if disk == 0 else f"{quantity(disk)}B"]


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<20} " + " ".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def quantity(number: float) -> str:
    """``25000000`` gives ``25.0M``."""
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g}{unit}"
    return f"{number:.0f}"
