"""Optional parts of the installation: what each extra brings, and the command that adds it to this installation."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .lazy import DISTRIBUTION

# what is imported first of each extra; pyproject.toml has the whole lists
EXTRAS = {
    "openai": ("aiohttp",),
    "hf": ("torch", "transformers", "tokenizers", "safetensors", "jinja2"),
    "gguf": ("gguf",),
    "vllm": ("vllm",),
    "math": ("math_verify",),
    "data": ("pyarrow", "datasets"),
    "train": ("torch", "transformers", "trl", "peft", "accelerate", "huggingface_hub", "rapidfuzz"),
    "plots": ("matplotlib",),
    "serve": ("starlette", "uvicorn"),
    "verifiers": ("verifiers",),
    "openenv": ("openenv",),
    "verl": ("verl",),
    "skyrl": ("skyrl",),
    "ray": ("ray",),
    "trackers": ("tensorboard", "trackio", "wandb"),
}


class MissingExtra(ImportError):
    """Something was asked for that an extra brings which is not installed; the message says how to get it."""


def install(extra: str) -> str:
    """The command that adds ``extra`` where we were installed from: a checkout, a file, or the index."""
    return f"pip install {_source(extra)}"


def missing(extra: str, *modules: str) -> str | None:
    """The first of ``modules`` (by default all that the extra brings) that is not there."""
    return next((name for name in modules or EXTRAS[extra] if find_spec(name) is None), None)


def need(extra: str, purpose: str, *modules: str) -> None:
    """Raises MissingExtra where ``purpose`` needs a module of ``extra`` (one of ``modules``) that is not installed."""
    if (name := missing(extra, *modules)) is not None:
        raise MissingExtra(f"{purpose} needs {name}, which is not installed: {install(extra)}")


def _source(extra: str) -> str:
    try:
        found = distribution(DISTRIBUTION).read_text("direct_url.json")
        told: dict[str, Any] = json.loads(found) if found else {}
    except (PackageNotFoundError, ValueError):
        told = {}
    url = urlsplit(str(told.get("url", "")))
    if url.scheme != "file":
        return f"'{DISTRIBUTION}[{extra}]'"
    path = unquote(url.path)
    if not told.get("dir_info", {}).get("editable"):
        return f"'{path}[{extra}]'"
    return f"-e '{'.' if Path(path) == Path.cwd() else path}[{extra}]'"
