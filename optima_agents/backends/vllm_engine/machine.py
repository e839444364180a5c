"""What vLLM is told on this machine: an engine for each GPU; on a CPU smaller cache blocks and fewer processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CPU = {
    "block_size": 32,  # only whole blocks are cached; the default of 128 tokens would leave most of a short prompt out
    "enable_chunked_prefill": False,  # a seeded request whose prompt is computed in parts kills vLLM's CPU engine
    "kv_cache_memory_bytes": 1 << 30,
}
FEW_CORES = 4
SMALL = 64 << 20  # bytes of weights, of which an engine for each core reads its own copy
# by its place, not by its name "uni": vLLM turns that into the executor with a worker apart
ONE_PROCESS = "vllm.v1.executor.uniproc_executor.UniProcExecutor"


def gpu_options(options: dict[str, Any], devices: int) -> dict[str, Any]:
    """``options`` with an engine for each of ``devices``, or for each group of them that shares an engine.

    Dialogues are independent of each other, so engines beside each other lose nothing to communication. Whoever says
    anything of ``data_parallel`` decides alone.
    """
    said = any(key.startswith("data_parallel") and value is not None for key, value in options.items())
    together = (options.get("tensor_parallel_size") or 1) * (options.get("pipeline_parallel_size") or 1)
    engines = devices // together
    return options if said or engines < 2 else {**options, "data_parallel_size": engines}


@contextmanager
def cpu_options(options: dict[str, Any], model: str) -> Iterator[dict[str, Any]]:
    """``options`` over the defaults for this machine and ``model``, to start the engine with while the block runs.

    On few cores the model is computed in the scheduler's own process: a worker apart, and the scheduler that waits for
    it in a busy loop, take the cores from the model. A model in a folder whose weights are small gets an engine for
    each core: its steps are too short to be shared out. Options that say otherwise stand, and so does OMP_NUM_THREADS.
    """
    options = {**CPU, **options}
    options["dtype"] = options["dtype"] or "float32"
    cores = len(os.sched_getaffinity(0))
    parallel = max(options.get(f"{kind}_parallel_size") or 1 for kind in ("tensor", "pipeline"))
    if cores > FEW_CORES or parallel > 1 or options.get("distributed_executor_backend") is not None:
        yield options
        return
    options["distributed_executor_backend"] = ONE_PROCESS
    if options.get("data_parallel_size") is None and 0 < _weights(model) <= SMALL:
        options["data_parallel_size"] = cores
    before = os.environ.get("OMP_NUM_THREADS")
    # one core is left to the caller, as vLLM itself does; its processes read this when they start
    threads = max(1, (cores - 1) // (options.get("data_parallel_size") or 1))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        yield options
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]


def _weights(model: str) -> int:
    """Bytes of the safetensors in a folder; 0 for a name on the hub."""
    return sum(file.stat().st_size for file in Path(model).glob("*.safetensors"))
