"""How many parameters a model has, without loading it: from safetensors headers that are here, else from its name."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

LONGEST_HEADER = 100_000_000  # bytes; what the safetensors format allows
NAMED = re.compile(r"(?<![A-Za-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![A-Za-z0-9])", re.IGNORECASE)
INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"


def parameters(model: str) -> tuple[int, str] | None:
    """(parameters, how that is known) of a folder, a hub id or ``tiny``; None when neither files nor name tell.

    Nothing is downloaded: of a hub model only what earlier downloads left here is read.
    """
    from optima_agents.backends.chat.model_files import resolve

    source = resolve(model)
    try:
        files = _files(Path(source)) if Path(source).is_dir() else _cached(source)
        if files:
            return sum(count(file) for file in files), "from the weights' headers"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a damaged file is found, and named, when the model is loaded
    named = NAMED.findall(Path(source).name)
    if not named:
        return None
    experts, size, unit = named[0]
    scale = {"b": 1e9, "m": 1e6}[unit.lower()]
    return int(int(experts or 1) * float(size) * scale), f"read off the name {Path(source).name}"


def count(file: Path) -> int:
    """Numbers stored in a safetensors file. Raises ValueError for a file that is none."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if not 2 <= length <= LONGEST_HEADER:
            raise ValueError(f"{file} is no safetensors file")
        header: dict[str, Any] = json.loads(handle.read(length))
    shapes = (entry["shape"] for name, entry in header.items() if name != "__metadata__")
    return sum(math.prod(int(size) for size in shape) for shape in shapes)


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        shards = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
        return [folder / Path(shard).name for shard in sorted(shards)]
    return [folder / WHOLE] if (folder / WHOLE).is_file() else []


def _cached(name: str) -> list[Path]:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return []
    for file in (INDEX, WHOLE):
        found = try_to_load_from_cache(name, file)
        if isinstance(found, str):
            return _files(Path(found).parent)
    return []
