"""Settings of the engines that sample and rank, by vLLM's names for them."""

from __future__ import annotations

from typing import Any

from .fields import Count, Settings, Share


class EngineConfig(Settings):
    """What engines are told when they are opened; null: the backend's own choice.

    An option that the backend does not have is refused by its name. `hf` has max_model_len and max_num_seqs.
    """

    tensor_parallel_size: Count | None = None
    """Devices that share the layers of one engine, for models too large for one."""
    pipeline_parallel_size: Count | None = None
    """Devices that an engine's layers are divided among, one stage after another."""
    data_parallel_size: Count | None = None
    """Engines beside each other, each with the whole model; null: with vllm one for each GPU, or group of GPUs that
    share an engine."""
    gpu_memory_utilization: Share | None = None
    """Share of a GPU's memory that an engine may fill."""
    kv_cache_memory_bytes: Count | None = None
    """Bytes for keys and values, in the place of that share."""
    max_model_len: Count | None = None
    """Tokens of prompt and turn together, at most; null: the model's window."""
    max_num_seqs: Count | None = None
    """Requests of an engine that are computed together, at most."""
    max_num_batched_tokens: Count | None = None
    """Tokens of an engine's step, at most."""
    enforce_eager: bool | None = None
    """Compile nothing: starts sooner, runs slower."""

    def given(self) -> dict[str, Any]:
        """The options that are set."""
        return self.model_dump(exclude_none=True)
