"""A model's files, opened safely: where they are, its tokenizer, its config, and how long a text it can read.

Weights and adapters are safetensors or nothing: other formats may run code when they are opened. No code of a
checkpoint is run, and no kernel it names is fetched.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .named_models import NAMED, folder, get

TINY = Path(__file__).parents[2] / "tiny"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER = "adapter_model.safetensors"
SHARD = re.compile(r"[\w.\-]+\.safetensors")
LONGEST_INDEX = 200 << 20  # bytes


def resolve(model: str, *, fetch: bool = True) -> str:
    """The folder or hub name behind a model's name: ``tiny`` (or nothing) is the model this package carries, a named
    model (``named_models.NAMED``) is fetched on first use unless ``fetch`` is false, and ``~`` is the home folder."""
    if model in ("", "tiny"):
        return str(TINY)
    if model in NAMED:
        return str(get(model) if fetch else folder(model))
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
    """The config of a folder or hub name, without the kernels it may name: those are chosen here, not by a checkpoint.

    Raises ValueError for a model that does not read and write in one stream.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(found(source), trust_remote_code=False)
    if config.is_encoder_decoder:
        raise ValueError(f"{source}: {config.model_type} is an encoder-decoder; a causal language model is needed")
    for part in _parts(config):
        for name in ("_attn_implementation", "_experts_implementation"):
            setattr(part, f"{name}_internal", None)
        if hasattr(part, "output_router_logits"):
            part.output_router_logits = False  # trainers ask for them; a cache's mask is none that their loss can read
    return config


def _parts(config: Any) -> Iterator[Any]:
    yield config
    for name in config.sub_configs:
        part = getattr(config, name, None)
        if part is not None:
            yield from _parts(part)


def window(config: Any) -> int | None:
    """Longest sequence in tokens: the position limit, or a sliding window if that is shorter; None: not told."""
    config = config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    slides = "sliding_attention" in kinds if kinds else True
    # beyond a sliding window, layers would see less than the backends' masks and prefix caches take for granted
    limits = [getattr(config, name, None) for name in ("max_position_embeddings", *["sliding_window"] * slides)]
    return min((limit for limit in limits if limit), default=None)


def bounded(window: int, asked: int | None, name: str) -> int:
    """The window of a model that shall read ``asked`` tokens at most. Raises ValueError when it cannot read as many."""
    if asked is not None and not 0 < asked <= window:
        raise ValueError(f"max_model_len: {name} reads 1 to {window} tokens, not {asked}")
    return window if asked is None else asked


def check_weights(source: str) -> None:
    """Raises ValueError for a folder without safetensors, or whose index names anything else or another folder."""
    folder = Path(source)
    if folder.is_dir():
        index = folder / INDEX
        if not index.is_file():
            if not any(folder.glob("*.safetensors")):
                raise ValueError(f"{source} has no {WEIGHTS}; save the model again with save_pretrained")
            return
    else:
        from transformers.utils.hub import cached_file

        name = cached_file(source, INDEX, _raise_exceptions_for_missing_entries=False)
        if name is None:
            return
        index = Path(name)
    try:
        if index.stat().st_size > LONGEST_INDEX:
            raise ValueError("it is too large")
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise ValueError(f"{index} cannot be read: {type(err).__name__}: {err}") from None
    wrong = sorted(str(file) for file in named if not SHARD.fullmatch(str(file)))
    if wrong:
        raise ValueError(f"{index} names {wrong[0][:200]!r}; only safetensors files beside it are opened")


def check_adapter(folder: str | os.PathLike[str]) -> str:
    """The folder or hub name of a LoRA adapter. Raises ValueError for one without safetensors."""
    source = os.path.expanduser(folder)  # noqa: PTH111 - a hub name is no path
    if Path(source).is_dir():
        held = (Path(source) / ADAPTER).is_file()
    else:
        from transformers.utils.hub import cached_file

        held = cached_file(found(source), ADAPTER, _raise_exceptions_for_missing_entries=False) is not None
    if not held:
        raise ValueError(f"the adapter {source} has no {ADAPTER}; save it again with save_pretrained")
    return source


def check_tokens(tokenizer: Any, embeddings: int, source: str) -> None:
    """Raises ValueError for a tokenizer with ids that the model has no embedding for."""
    top = max(tokenizer.get_vocab().values(), default=0)
    if top >= embeddings:
        raise ValueError(
            f"{source}: the tokenizer has ids up to {top}, the model {embeddings} embeddings; save the model again "
            f"after resize_token_embeddings({top + 1}), or take out the tokens that were added"
        )
