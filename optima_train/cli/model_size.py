"""How many parameters a model has, from its files where they are here, else from its name; nothing is downloaded."""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path

SIZES = re.compile(r"(?<![A-Za-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![A-Za-z0-9])", re.IGNORECASE)
INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"


def parameters(model: str) -> tuple[int, str] | None:
    """(parameters, how that is known) of a folder, a hub id or a named model; None when neither files nor name tell.

    Nothing is downloaded: of a hub model only what earlier downloads left here is read, and of that the headers.
    """
    from optima_agents.backends.chat.model_files import resolve
    from optima_agents.backends.chat.named_models import NAMED

    source = resolve(model, fetch=False)
    try:
        files = _weights(Path(source)) if Path(source).is_dir() else _cached(source)
        if files:
            return sum(_numbers_in(file) for file in files), "from the weights' headers"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError):
        pass  # a damaged file is found, and named, when the model is loaded
    if model in NAMED:
        return NAMED[model].parameters, "as its makers say"
    named = SIZES.findall(Path(source).name)
    if not named:
        return None
    experts, size, unit = named[0]
    scale = {"b": 1e9, "m": 1e6}[unit.lower()]
    return int(int(experts or 1) * float(size) * scale), f"read off the name {Path(source).name}"


def _numbers_in(file: Path) -> int:
    """Numbers stored in a safetensors file. Raises ValueError for a file that is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as weights:
            return sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118 - no mapping
    except SafetensorError as err:
        raise ValueError(f"{file}: {err}") from None


def _weights(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        shards = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
        return [folder / Path(shard).name for shard in sorted(shards)]
    return [folder / WHOLE] if (folder / WHOLE).is_file() else []


def _cached(name: str) -> list[Path]:
    from huggingface_hub import try_to_load_from_cache

    for file in (INDEX, WHOLE):
        found = try_to_load_from_cache(name, file)
        if isinstance(found, str):
            return _weights(Path(found).parent)
    return []
