"""One SFT, one DPO and one GRPO stage on a GPU, with LoRA and bf16 weights: seconds, tokens a second, GPU memory.

The model is one of stated size with random weights, built from a config, or ``--model``; what it says is nonsense, so
every dialogue is selected and small differences make pairs. Runs by itself, without a network.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from .random_model import SIZES, build
from .timing import Figure, arguments, conclude, figure

# (recipe, its own settings, the stages whose times are told)
RUNS: list[tuple[str, list[str], tuple[str, ...]]] = [
    ("twohop-isft-dpo", ["iterations=2", "dpo.learning_rate=1e-6"], ("generate", "rank", "train", "grow")),
    ("twohop-grpo", ["iterations=1", "generate.formats=null", "grpo.learning_rate=1e-6"], ("generate", "train")),
]
COMMON = [
    "generate.samples=4",
    "generate.concurrency=128",
    "select.threshold=-10",
    "select.top_share=1.0",
    "pairs.threshold=-10",
    "pairs.gap=0.0001",
    "train.learning_rate=1e-5",
    "train.epochs=1",
    "train.precision=bf16",
    "train.micro_batch=8",
    "dpo.micro_batch=8",
    "grpo.micro_batch=8",
    "grpo.updates=4",
    "evaluate.instances=8",
    "evaluate.nll=false",
    "isolation=inline",
    "dtype=null",
]


def measure(model: str, instances: int, lora: bool) -> list[Figure]:
    """Run each recipe with ``model`` on ``instances`` questions."""
    import torch

    from optima_train.config.loading import load
    from optima_train.loop.experiment import Experiment
    from optima_train.methods import plan
    from optima_train.run.markers import committed

    figures: list[Figure] = []
    for recipe, own, told in RUNS:
        sizes = [f"model={model}", f"generate.instances={instances}", f"tree.instances={max(4, instances // 4)}"]
        config = load(recipe, [*COMMON, *sizes, *own, *(["train.lora={}"] if lora else [])])
        with tempfile.TemporaryDirectory() as folder:
            torch.cuda.reset_peak_memory_stats()
            experiment = Experiment(config, folder)
            experiment.run(lambda event: print(event.kind, event.path, flush=True) if event.kind == "done" else None)
            for step in plan(experiment.config):
                marker = committed(step, Path(folder))
                if marker is None or step.iteration < 0 or step.stage.name not in told:
                    continue
                title = f"{recipe}, {step.path}"
                figures.append(figure(f"{title}: seconds", marker.seconds))
                numbers = marker.numbers
                for key in ("dialogues", "rows", "pairs", "tokens", "steps", "trained_tokens"):
                    if key in numbers:
                        figures.append(figure(f"{title}: {key}", float(numbers[key])))
            figures.append(figure(f"{recipe}: highest GPU memory, GiB", torch.cuda.max_memory_allocated() / 2**30))
    return figures


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--size", choices=SIZES, default="8b", help="parameters (default 8b)")
    parser.add_argument("--model", help="a folder or name in its place")
    parser.add_argument("--instances", type=int, default=16, help="questions, 4 dialogues each (default 16)")
    parser.add_argument("--full", action="store_true", help="train all weights, without LoRA")
    args = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("no CUDA device here")
        return 2
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        parameters = 0 if args.model else build(args.size, Path(folder))
        torch.cuda.empty_cache()
        figures = [figure("billions of parameters", parameters / 1e9)]
        figures += measure(args.model or folder, args.instances, not args.full)
    figures.append(figure("minutes", (time.monotonic() - start) / 60))
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    return conclude(figures, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
