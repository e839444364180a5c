"""vLLM on a GPU: the table of ``vllm_cpu`` with a model of stated size, built from a config with random weights.

``--engine hf`` measures the transformers engine in its place, beside plain generate (the table of ``hf``). Runs by
itself, without a network, in under 8 minutes.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from .engine_table import Setup, measure
from .hf import measure as measure_hf
from .random_model import SIZES, build
from .timing import Figure, arguments, conclude, figure

MINUTES = 8.0


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--size", choices=SIZES, default="1b", help="parameters (default 1b)")
    parser.add_argument("--instances", type=int, default=64, help="questions, 8 dialogues each (default 64)")
    parser.add_argument("--concurrency", type=int, default=256, help="dialogues in flight (default 256)")
    parser.add_argument("--engine", choices=("vllm", "hf"), default="vllm", help="which engine (default vllm)")
    args = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("no CUDA device here; benchmarks.speed.vllm_cpu measures the same on a CPU")
        return 2
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        parameters = build(args.size, Path(folder))
        figures: list[Figure] = [figure("billions of parameters", parameters / 1e9)]
        if args.engine == "hf":
            figures += measure_hf(folder, args.size, 3, "cuda", paged=False)
        else:
            # two engines are up at a time
            engine = {"dtype": "bfloat16", "max_model_len": 4096, "gpu_memory_utilization": 0.4, "block_size": 16}
            setup = Setup(folder, engine, instances=args.instances, concurrency=args.concurrency, block=16, rounds=1)
            figures += measure(setup)
    figures.append(figure("minutes", (time.monotonic() - start) / 60, MINUTES, at_most=True))
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    return conclude(figures, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
