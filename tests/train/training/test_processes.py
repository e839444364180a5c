"""Training in two processes is training in one: the same losses, the same weights; and a process that dies is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.rows import preference_row, training_row

from optima_train.config.loading import load
from optima_train.config.settings import TrainStageConfig
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.markers import execute
from optima_train.run.progress import Progress
from optima_train.run.records import Marker, write_records
from optima_train.run.stage import StageContext, StageError, Step
from optima_train.training.dpo import Dpo
from optima_train.training.processes import PACKAGED, accelerate_config, training_processes
from optima_train.training.sft import Sft
from optima_train.training.trainer_args import accumulation

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
def train(tmp_path: Path, small: list[str], random_model: Path) -> Callable[..., tuple[Marker, dict, list[Progress]]]:
    """Trains the stage that reads ``kind``; gives its marker, its weights and what it reported."""

    def run(kind: str, *overrides: str) -> tuple[Marker, dict, list[Progress]]:
        from safetensors.torch import load_file

        stage, rows = INPUTS[kind]
        batch = ["dpo.batch_size=8", "dpo.micro_batch=4", "train.batch_size=8", "dpo.learning_rate=1e-3"]
        run_dir = tmp_path / f"{kind}{len(list(tmp_path.iterdir()))}"
        (run_dir / "it000" / kind).mkdir(parents=True)
        whole = {"pairs": preference_row, "rows": training_row}[kind]
        write_records(run_dir / "it000" / kind / f"{kind}.jsonl", map(whole, rows))
        base, events = ModelRef(str(random_model)), []
        config = load("quickstart", [*small, *batch, *overrides])
        ctx = StageContext(config, run_dir, Step(0, stage()), base, base, Engines(config), events.append)
        marker = execute(ctx.step, ctx)
        return marker, load_file(ctx.out / "model/model.safetensors"), events

    return run


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS)
def test_two_processes_train_as_one_does(kind: str, train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, expected, _ = train(kind)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("grp", "accelerate", "torchvision", "statistics", "yaml"):
        Path(f"{name}.py").write_text(f"open('ran-{name}', 'w')")  # the launcher and its processes must not see these
    marker, weights, events = train(kind, "train.processes=2")
    assert marker.numbers.keys() == alone.numbers.keys()
    assert (alone.numbers["processes"], marker.numbers["processes"]) == (1, 2)
    for name in alone.numbers.keys() - {"processes"}:
        assert marker.numbers[name] == pytest.approx(alone.numbers[name], abs=1e-5), name
    for name, tensor in expected.items():
        assert tensor.allclose(weights[name], rtol=0, atol=1e-5), name
    assert (events[-1].done, events[-1].total, events[-1].unit) == (2, 2, "steps")
    assert not list(Path().glob("ran-*"))


@pytest.mark.slow
def test_a_process_that_dies_ends_the_stage_with_its_last_words(
    train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os, signal, sys\n"
        "if os.environ.get('RANK') == '1':\n"
        "    print('out of luck', file=sys.stderr, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(StageError, match=r"(?s)it000/train: the worker ended with exit code 1; .*run.log ends:\n.+"):
        train("rows", "train.processes=2", "plugins=[deadly]")
    run_dir = next(tmp_path.glob("rows*"))
    assert "out of luck" in (run_dir / "run.log").read_text()
    assert not (run_dir / "it000/train/DONE.json").exists() and not list(run_dir.rglob("model*"))


@pytest.mark.slow
def test_an_error_of_a_training_process_is_the_stage_s(train, monkeypatch: pytest.MonkeyPatch) -> None:
    masked = [{**row, "completion_mask": [0] * len(row["input_ids"])} for row in ROWS]
    monkeypatch.setitem(INPUTS, "rows", (Sft, masked))
    with pytest.raises(
        StageError, match=r"^\S+rows.jsonl: every row is masked entirely, so there is nothing to learn$"
    ):
        train("rows", "train.processes=2")


@pytest.mark.parametrize("file", sorted(PACKAGED.glob("*.yaml")), ids=lambda file: file.stem)
def test_packaged_configs_are_accelerate_s_own(file: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config: Any = load_config_from_file(str(file))
    assert config.num_processes == training_processes(TrainStageConfig(accelerate=file.stem)) == 8
    assert training_processes(TrainStageConfig(accelerate=str(file), processes=2, batch_size=4)) == 2
    assert accelerate_config(file.stem) == accelerate_config(f"{file.stem}.yaml") == file


def test_the_sharded_configs_say_what_saving_needs() -> None:
    import yaml

    fsdp, zero3 = (yaml.safe_load(accelerate_config(name).read_text()) for name in ("fsdp", "zero3"))
    assert fsdp["fsdp_config"]["fsdp_state_dict_type"] == "FULL_STATE_DICT"
    assert fsdp["fsdp_config"]["fsdp_cpu_ram_efficient_loading"] is False  # every process scores with whole weights
    assert zero3["deepspeed_config"]["zero3_save_16bit_model"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"no file 'fspd'; packaged ones: fsdp, multi-gpu, zero3"),
        ("- 1", "is no config of accelerate"),
        ("num_processes: many", "is no config of accelerate: invalid literal"),
        ("{", "is no config of accelerate"),
        ("num_machines: 2", "is for 2 machines; leave 1 there, and set train.machines"),
    ],
)
def test_a_config_that_cannot_work_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(StageError, match=message):
        training_processes(TrainStageConfig(accelerate="fspd" if text is None else str(file)))


def test_a_batch_must_divide_among_the_processes(train) -> None:
    assert accumulation("dpo", 64, 4, 8) == 2
    with pytest.raises(
        StageError, match=r"dpo.batch_size=12 is not a multiple of dpo.micro_batch=4 x 2 processes; .* 8"
    ):
        accumulation("dpo", 12, 4, 2)
    with pytest.raises(StageError, match=r"train.batch_size=8 is not a multiple of train.micro_batch=4 x 3 processes"):
        train("rows", "train.processes=3")
