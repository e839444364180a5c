"""What this machine has to train on: GPUs, or main memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Devices:
    """``count`` devices of ``memory`` bytes each: GPUs, or with ``gpu`` false the machine; ``host``: bytes of main
    memory."""

    count: int
    memory: int
    gpu: bool
    host: int
    name: str = ""


def devices(device: str | None) -> Devices:
    """Those that training uses under the setting ``device`` (``cpu``, ``cuda``; None: what there is)."""
    host = main_memory()
    cards = [] if device == "cpu" else _cuda()
    if not cards:
        return Devices(1, host, False, host)
    return Devices(len(cards), min(memory for _, memory in cards), True, host, cards[0][0])


def main_memory() -> int:
    """Bytes of main memory that this process may use: the machine's, or its control group's limit."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(there, int(CGROUP.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no control group, or one without a limit
        return there


def _cuda() -> list[tuple[str, int]]:
    """Name and bytes of each GPU."""
    try:
        import torch
    except ImportError:
        return []
    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [(card.name, card.total_memory) for card in found]
