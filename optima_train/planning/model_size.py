"""How large a model is and of what shape, from its files where they are here, else from its name; nothing is
downloaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

SIZES = re.compile(r"(?<![A-Za-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![A-Za-z0-9])", re.IGNORECASE)
INDEX, WHOLE, CONFIG = "model.safetensors.index.json", "model.safetensors", "config.json"
LONGEST_CONFIG = 10 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder as Llama's, in numbers: ``queries`` and ``keys`` are the widths of all query and all key heads
    together, ``window`` the tokens it can read (None: not told), ``known`` how its size is known."""

    parameters: int
    width: int
    layers: int
    inner: int
    heads: int
    queries: int
    keys: int
    vocabulary: int
    tied: bool
    window: int | None
    known: str

    @property
    def head(self) -> int:
        """Parameters of the output layer."""
        return self.width * self.vocabulary

    @property
    def linear(self) -> int:
        """Parameters of the layers' matrices."""
        return self.layers * self.width * (2 * self.queries + 2 * self.keys + 3 * self.inner)

    def adapter(self, rank: int) -> int:
        """Parameters of LoRA factors of that rank on every matrix of the layers."""
        widths = 2 * (self.width + self.queries) + 2 * (self.width + self.keys) + 3 * (self.width + self.inner)
        return self.layers * rank * widths


# Llama 3 8B (arXiv 2407.21783, table 3), whose proportions a model is given of which nothing is known but its size
TYPICAL = Shape(
    8_030_261_248, 4096, 32, 14336, 32, 4096, 1024, 128256, False, None, "with the proportions of Llama 3 8B"
)


def shape(model: str) -> Shape | None:
    """The shape of a model, from its ``config.json`` where that is here, else as models of its size usually are; None
    when not even the size is known."""
    size = parameters(model)
    if size is None:
        return None
    try:
        return _configured(*size, _config(model))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError):
        return _typical(*size)


def _configured(size: int, known: str, config: Mapping[str, Any]) -> Shape:
    width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    each = int(config.get("head_dim") or width // heads)
    keys = int(config.get("num_key_value_heads") or heads) * each
    layers, inner, vocabulary = (int(config[name]) for name in ("num_hidden_layers", "intermediate_size", "vocab_size"))
    tied, window = bool(config.get("tie_word_embeddings", False)), config.get("max_position_embeddings")
    if min(width, heads, layers, inner, vocabulary) < 1:
        raise ValueError("a model without width or layers")
    read = window if isinstance(window, int) else None
    return Shape(size, width, layers, inner, heads, heads * each, keys, vocabulary, tied, read, known)


def _typical(size: int, known: str) -> Shape:
    """The layers and widths of ``TYPICAL``, all scaled alike so that the size is right; a small model has one matrix
    for both ends."""
    scale = (size / TYPICAL.parameters) ** (1 / 3)
    width, layers = max(64, round(TYPICAL.width * scale / 64) * 64), max(1, round(TYPICAL.layers * scale))
    return Shape(
        size,
        width,
        layers,
        round(3.5 * width),
        max(1, width // 128),
        width,
        max(64, width // 4),
        TYPICAL.vocabulary,
        size < 3e9,
        None,
        f"{known}, {TYPICAL.known}",
    )


def _config(model: str) -> Mapping[str, Any]:
    from optima_agents.backends.chat.model_files import resolve

    source = resolve(model, fetch=False)
    path: object = Path(source) / CONFIG
    if not Path(source).is_dir():
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(source, CONFIG)
    if not isinstance(path, (str, Path)) or Path(path).stat().st_size > LONGEST_CONFIG:
        raise OSError(f"no {CONFIG} of {source} is here")
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    return found.get("text_config") or found


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
