"""What ``optima train --dry-run`` prints: settings, steps with their estimated work, and what was assumed."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.settings import TrainConfig
from ..run.stage import Step
from .estimate import READING, SAMPLING, TRAINING, Assumed, Work, assume, works
from .model_size import parameters

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
ADAPTER = 0.01  # an adapter's weights over the model's, roughly
HEAD = f"{'step':<20} {'dialogues':>10} {'sampled':>9} {'read':>9} {'rows':>9} {'trained':>9} {'GPU-h':>9} {'disk':>9}"


def show_plan(config: TrainConfig, flops: float | None, tokens: int | None, prompt: int | None) -> int:
    """Print the plan. ``flops``: the device's peak per second; ``tokens`` per dialogue; ``prompt``: an agent's task."""
    from ..config.loading import dump
    from ..methods import plan

    steps, assumed, size = plan(config), assume(config, tokens, prompt), parameters(config.model)
    peak, device = peak_of(config, flops)
    print(dump(config))
    print(f"{len(steps)} steps, with estimates (at most):")
    lines = table(config, steps, works(config, steps, assumed), size[0] if size else None, peak)
    print("\n".join([*lines, "", "assumed:", *(f"  {line}" for line in notes(assumed, size, device))]))
    return 0


def table(
    config: TrainConfig, steps: Sequence[Step], estimates: Sequence[Work | None], size: int | None, peak: float | None
) -> list[str]:
    """A line per step and their sum; a dash for what is nothing, a question mark for what is not known."""
    lines = [HEAD]
    known = [work for work in estimates if work is not None]
    hours = [_hours(work, size, peak) for work in known]
    disks = [_disk(work, config, size) for work in known]
    cells = iter(zip(known, hours, disks, strict=True))
    for step, work in zip(steps, estimates, strict=True):
        lines.append(f"{step.path:<20} no estimate for this stage" if work is None else _line(step.path, *next(cells)))
    hour = None if any(h is None for h in hours) else sum(h or 0.0 for h in hours)
    disk = None if any(d is None for d in disks) else sum(d or 0.0 for d in disks)
    return [*lines, _line("total", sum(known, Work()), hour, disk)]


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


def notes(assumed: Assumed, size: tuple[int, str] | None, device: str) -> list[str]:
    """Every assumption in words."""
    model = f"{size[0]:,} parameters, {size[1]}" if size else "size not known: no GPU-hours, no disk for weights"
    source = "measured on the first instances" if assumed.measured else "assumed; --prompt-tokens"
    return [
        f"a dialogue: {assumed.tokens} tokens sampled in {assumed.turns} turns (--dialogue-tokens); teams get briefer",
        f"a task: {assumed.prompt} tokens for each of {assumed.agents} agents ({source}), read once per instance",
        "selection and pairs: the share is kept, the thresholds drop nothing",
        f"model: {model}",
        f"device: {device}",
        f"speed: {SAMPLING:.0%} of that in sampling, {READING:.0%} in reading, {TRAINING:.0%} in training",
        "operations per token and parameter: 2 to sample or read, 6 to train (4 under LoRA)",
    ]


def _hours(work: Work, size: int | None, peak: float | None) -> float | None:
    return None if size is None or peak is None else work.compute() * size / peak / 3600


def _disk(work: Work, config: TrainConfig, size: int | None) -> float | None:
    if not work.models:
        return work.disk
    lora = config.train.lora
    share = ADAPTER if lora and not lora.merge else 1.0
    width = 2 if config.train.precision == "bf16" else 4
    return None if size is None else work.disk + work.models * size * width * share


def _line(name: str, work: Work, hours: float | None, disk: float | None) -> str:
    counts = (work.dialogues, work.sampled, work.read, work.rows, work.trained)
    gpu_hours = "?" if hours is None else "-" if hours == 0 else f"{hours:.3g}"
    stored = "?" if disk is None else "-" if disk == 0 else f"{quantity(disk)}B"
    widths = (10, 9, 9, 9, 9)
    cells = " ".join(f"{quantity(n) if n else '-':>{width}}" for n, width in zip(counts, widths, strict=True))
    return f"{name:<20} {cells} {gpu_hours:>9} {stored:>9}"


def quantity(number: float) -> str:
    """``25000000`` gives ``25.0M``."""
    for unit, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g}{unit}"
    return f"{number:.0f}"
