"""Training in two processes is training in one: the same losses, the same weights; and a process that dies is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from optima_train.accelerate_configs import PACKAGED, accelerate_config, training_processes
from optima_train.config import load
from optima_train.context import Engines, StageContext
from optima_train.dpo import Dpo
from optima_train.files import write_lines
from optima_train.progress import Progress
from optima_train.settings import TrainStageConfig
from optima_train.sft import Sft
from optima_train.stages import ModelRef, StageError, Step, execute
from optima_train.trainer_args import accumulation

pytestmark = pytest.mark.xdist_group("processes")
PAIRS = [
    {"prompt_ids": [2, 30 + k, 31], "chosen_ids": [40 + k, 41, 1][: 1 + k % 3], "rejected_ids": [60 + k, *range(k), 1]}
    for k in range(16)
]
ROWS = [
    {"input_ids": [2, *range(30, 40 + k), 1], "completion_mask": [0] * (4 + k // 2) + [1] * (8 + k - k // 2)}
    for k in range(16)
]
INPUTS = {"pairs": (Dpo, PAIRS), "rows": (Sft, ROWS)}


@pytest.fixture
def train(tmp_path: Path, small: list[str], random_model: Path) -> Callable[..., tuple[dict, dict, list[Progress]]]:
    """Trains the stage that reads ``kind``; gives its marker, its weights and what it reported."""

    def run(kind: str, *overrides: str) -> tuple[dict, dict, list[Progress]]:
        from safetensors.torch import load_file

        stage, rows = INPUTS[kind]
        batch = ["dpo.batch_size=8", "dpo.micro_batch=4", "train.batch_size=8", "dpo.learning_rate=1e-3"]
        run_dir = tmp_path / f"{kind}{len(list(tmp_path.iterdir()))}"
        (run_dir / "it000" / kind).mkdir(parents=True)
        write_lines(run_dir / "it000" / kind / f"{kind}.jsonl", rows)
        base, events = ModelRef(str(random_model)), []
        config = load("quickstart", [*small, *batch, *overrides])
        ctx = StageContext(config, run_dir, Step(0, stage()), base, base, Engines(config), events.append)
        marker = execute(ctx.step, ctx)
        return marker, load_file(ctx.out / "model/model.safetensors"), events

    return run


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS)
def test_two_processes_train_as_one_does(kind: str, train) -> None:
    alone, expected, _ = train(kind)
    marker, weights, events = train(kind, "train.processes=2")
    assert marker["numbers"].keys() == alone["numbers"].keys()
    assert (alone["numbers"].pop("processes"), marker["numbers"]["processes"]) == (1, 2)
    for name, value in alone["numbers"].items():
        assert marker["numbers"][name] == pytest.approx(value, abs=1e-5), name
    for name, tensor in expected.items():
        assert tensor.allclose(weights[name], rtol=0, atol=1e-5), name
    assert (events[-1].done, events[-1].total, events[-1].unit) == (2, 2, "steps")
