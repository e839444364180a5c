"""Peak memory of real training steps on the CPU beside what ``optima_train.planning`` predicts before a run.

Each case trains in a process of its own: SFT, LoRA, gradient checkpointing, DPO. The peak is the process's largest
resident set, which is what a machine without a GPU runs out of.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .random_model import build
from .timing import Figure, arguments, conclude, figure, peak

COMMON = ["train.precision=fp32", "train.epochs=1", "reward.weights={task: 1.0}", "device=cpu", "dtype=float32"]
CASES: dict[str, tuple[str, list[str]]] = {
    "SFT": ("train", []),
    "SFT, gradient checkpointing": ("train", ["train.gradient_checkpointing=true"]),
    "SFT, LoRA": ("train", ["train.lora={}"]),
    "SFT, bf16": ("train", ["train.precision=bf16"]),
    "DPO": ("dpo", []),
}
CHILD = "import sys; from benchmarks.speed.train_memory import child; child(sys.argv[1])"


def measured(model: str, section: str, overrides: Sequence[str], *, tokens: int, rows: int) -> dict[str, float]:
    """Bytes ``peak`` of a process that trains two steps of two passes over ``rows`` rows of ``tokens`` each (``dpo``:
    pairs), and bytes ``predicted`` for it."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        told = {"model": model, "section": section, "overrides": [*overrides], "tokens": tokens, "rows": rows}
        job.write_text(json.dumps(told), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(job)], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the measured training failed:\n{done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1])


def child(job: str) -> None:
    """Train as the job says and print the peak as JSON."""
    told = json.loads(Path(job).read_text(encoding="utf-8"))
    predicted = _train(Path(job).parent / "run", **told)
    print(json.dumps({"peak": peak(), "predicted": predicted}))


def _train(folder: Path, *, model: str, section: str, overrides: list[str], tokens: int, rows: int) -> float:
    from optima_train.config.loading import load
    from optima_train.planning.memory import step_memory
    from optima_train.planning.model_size import shape
    from optima_train.run.engines import Engines, ModelRef
    from optima_train.run.layout import RunDirectory
    from optima_train.run.progress import silent
    from optima_train.run.records import write_records
    from optima_train.run.stage import StageContext, Step
    from optima_train.training.dpo import Dpo
    from optima_train.training.sft import Sft

    stage: Any = Dpo() if section == "dpo" else Sft()
    batch = [f"{section}.micro_batch={rows}", f"{section}.batch_size={2 * rows}"]
    config = load("quickstart", [*COMMON, f"model={model}", *batch, *overrides])
    found, before = shape(model), RunDirectory(folder).of_iteration(0, "pairs" if section == "dpo" else "rows")
    if found is None:
        raise ValueError(f"the size of {model} is not known")
    before.path.mkdir(parents=True)
    write = _pairs if section == "dpo" else _rows
    write_records(before.pairs if section == "dpo" else before.rows, write(4 * rows, tokens, found.vocabulary))
    ref = ModelRef(config.model)
    ctx = StageContext(config, folder, Step(0, stage), ref, ref, Engines(config), silent)
    ctx.out.mkdir(parents=True)
    stage.train(ctx)
    return step_memory(found, config, section, tokens, gpu=False).total


def _rows(count: int, tokens: int, vocabulary: int) -> list[Any]:
    from optima_train.run.records import TrainingRow

    half = tokens // 2
    mask = [0] * half + [1] * (tokens - half)
    told: dict[str, Any] = {"instance": "i", "sample": 0, "agent": "Alice", "turns": [0], "completion_mask": mask}
    return [TrainingRow(**told, input_ids=ids) for ids in _ids(count, tokens, vocabulary)]


def _pairs(count: int, tokens: int, vocabulary: int) -> list[Any]:
    from optima_train.run.records import PreferenceRow

    half = tokens // 2
    told: dict[str, Any] = {"instance": "i", "tree": 0, "node": 0, "agent": "Alice", "depth": 0}
    told |= {"chosen": "yes", "rejected": "no", "chosen_value": 0.9, "rejected_value": 0.1}
    return [
        PreferenceRow(**told, prompt_ids=ids[:half], chosen_ids=ids[half:], rejected_ids=[*ids[half + 1 :], 0])
        for ids in _ids(count, tokens, vocabulary)
    ]


def _ids(count: int, tokens: int, vocabulary: int) -> list[list[int]]:
    return [[(7 * place + row) % (vocabulary - 8) for place in range(tokens)] for row in range(count)]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--model", help="a folder or name (default: a random Llama whose activations matter)")
    parser.add_argument("--tokens", type=int, default=400, help="of a row (default 400)")
    parser.add_argument("--rows", type=int, default=4, help="rows of a pass (default 4)")
    parser.add_argument("--case", nargs="+", choices=CASES, default=[*CASES], help="which (default: all)")
    args = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        if args.model is None:
            build("small", Path(folder), device="cpu", dtype="float32")
        for case in args.case:
            section, overrides = CASES[case]
            rows = max(1, args.rows // (1 + (section == "dpo")))
            found = measured(args.model or folder, section, overrides, tokens=args.tokens, rows=rows)
            figures.append(figure(f"{case}: GiB at most", found["peak"] / 2**30))
            figures.append(figure(f"{case}: predicted over measured", found["predicted"] / found["peak"]))
    return conclude(figures, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
