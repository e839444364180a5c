"""A model's files, opened safely: where they are, its tokenizer, its config, and how long a text it can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TINY = Path(__file__).parents[2] / "tiny"


def resolve(model: str) -> str:
    """The folder or hub name behind a model's name: ``tiny`` (or nothing) is the model this package carries, and ``~``
    the home folder."""
    if model in ("", "tiny"):
        return str(TINY)
    return str(Path(model).expanduser()) if model.startswith("~") else model


def found(source: str) -> str:
    """``source`` itself. Raises FileNotFoundError for what looks like a path and is no folder: else the hub would be
    asked for it."""
    if source.startswith((".", "/", "~")) and not Path(source).is_dir():
        raise FileNotFoundError(f"no model folder at {source}")
    return source


def load_tokenizer(source: str) -> Any:
    """The fast tokenizer of a folder or hub name."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(found(source), trust_remote_code=False)


def load_config(source: str) -> Any:
    """The config of a folder or hub name."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(found(source), trust_remote_code=False)


def window(config: Any) -> int | None:
    """Longest sequence in tokens: the position limit, or a sliding window if that is shorter; None: not told."""
    config = config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    slides = "sliding_attention" in kinds if kinds else True
    # beyond a sliding window, layers would see less than the backends' masks and prefix caches take for granted
    limits = [getattr(config, name, None) for name in ("max_position_embeddings", *["sliding_window"] * slides)]
    return min((limit for limit in limits if limit), default=None)
