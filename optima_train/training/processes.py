"""Training on many devices: a stage's ``train`` in the processes of ``accelerate launch``, or right here for one.

Every process trains on its share of each batch; the first one reports progress, saves, and hands the result to the
parent, which alone commits. When one dies all end, and the stage fails with their last log lines.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from optima_envs.documents import load_yaml

from ..run import boot
from ..run.child import Channel, supervise
from ..run.engines import ModelRef
from ..run.files import read_json, write_json
from ..run.handing import handed, received
from ..run.progress import Progress, silent
from ..run.stage import Stage, StageError, StageResult
from .trainer_args import accumulation, main_process

if TYPE_CHECKING:
    from ..config.settings import TrainConfig, TrainStageConfig
    from ..run.stage import StageContext


PACKAGED = Path(__file__).parents[1] / "recipes" / "accelerate"
PLAIN = "multi-gpu"
SHARDING = ("FSDP", "DEEPSPEED")


def accelerate_config(name: str) -> Path:
    """The file of ``name``: a path, or the name of a packaged one. Raises StageError listing those there are."""
    path, packaged = Path(name), PACKAGED / f"{name.removesuffix('.yaml')}.yaml"
    if path.is_file():
        return path.resolve()
    if packaged.is_file():
        return packaged
    known = ", ".join(sorted(file.stem for file in PACKAGED.glob("*.yaml")))
    raise StageError(f"train.accelerate: no file {name!r}; packaged ones: {known}")


def training_processes(config: TrainStageConfig) -> int:
    """How many processes training takes on all machines: on each, ``train.processes`` above 1, else what the accelerate
    file says, else one.

    Raises StageError for a file that is none, or that wants several machines.
    """
    if config.accelerate is None:
        return config.processes * config.machines
    machines, count, _ = _launched(config.accelerate)
    if machines > 1:
        path = accelerate_config(config.accelerate)
        raise StageError(f"train.accelerate: {path} is for {machines} machines; leave 1 there, and set train.machines")
    return (config.processes if config.processes > 1 else count) * config.machines


def training_sharded(config: TrainStageConfig) -> bool:
    """Whether weights, gradients and moments are divided among the processes. Raises StageError as above."""
    return config.accelerate is not None and _launched(config.accelerate)[2] in SHARDING


def _launched(name: str) -> tuple[int, int, str]:
    """Machines, processes and kind of distribution of a config file of accelerate."""
    path = accelerate_config(name)
    try:
        data = load_yaml(path.read_text(encoding="utf-8"))
        machines, count = int(data.get("num_machines", 1)), int(data.get("num_processes", 1))
        return machines, count, str(data.get("distributed_type", "NO"))
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as err:
        raise StageError(f"train.accelerate: {path} is no config of accelerate: {' '.join(str(err).split())}") from None


def check_processes(config: TrainConfig, section: str) -> None:
    """Raises StageError when training by ``config.train`` or ``config.dpo`` (``section``) cannot be divided; that by
    ``config.grpo`` always can."""
    count = training_processes(config.train)
    if section != "grpo":
        schedule = config.dpo if section == "dpo" else config.train
        accumulation(section, schedule.batch_size, schedule.micro_batch, count)


class Trains(Stage, Protocol):
    """A stage whose training may run in many processes at once; made without arguments.

    ``section`` of the config, ``train``, ``dpo`` or ``grpo``, says how large its batches are.
    """

    section: str

    def train(self, ctx: StageContext) -> StageResult:
        """The same call in every process. Only the main process may write, and only its result counts."""
        ...


def divided(ctx: StageContext, stage: Trains) -> StageResult:
    """The result of ``stage.train`` with the processes that ``config.train`` asks for. Raises StageError."""
    config = ctx.config.train
    if config.processes == config.machines == 1 and config.accelerate is None:
        return stage.train(ctx)
    check_processes(ctx.config, stage.section)
    job = ctx.files.job
    write_json(job, handed(ctx, stage))
    results: list[StageResult] = []

    def handle(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            ctx.report(Progress(**event["progress"]))
        elif event["event"] == "result":
            model = None if event["model"] is None else ModelRef.from_json(event["model"])
            results.append(StageResult(event["numbers"], model))

    supervise(ctx.step.path, command(ctx.config, job), ctx.run.log, handle, surroundings(ctx.config))
    job.unlink()
    if not results:
        raise StageError(f"{ctx.step.path}: the training processes ended without a result; see {ctx.run.log}")
    return results[0]


def surroundings(config: TrainConfig) -> dict[str, str]:
    """What the environment of a training process says."""
    return {"ACCELERATE_USE_CPU": "true"} if config.device == "cpu" else {}


def command(whole: TrainConfig, job: Path, rank: int = 0) -> list[str]:
    """The command that trains the job in that file, on the ``rank``-th machine."""
    config = whole.train
    count = training_processes(config)
    launch = [sys.executable, "-P", "-m", "accelerate.commands.launch"]
    options = {
        "--config_file": str(accelerate_config(config.accelerate or PLAIN)),
        "--num_processes": str(count),
        "--mixed_precision": "bf16" if config.precision == "bf16" else "no",
    }
    if config.rendezvous is not None and config.machines > 1:
        host, _, port = config.rendezvous.partition(":")
        options |= {"--num_machines": str(config.machines), "--machine_rank": str(rank)}
        options |= {"--main_process_ip": host, "--main_process_port": port}
    return [
        *launch,
        *(part for option in options.items() for part in option),
        str(boot.__file__),
        "optima_train.training.processes",
        str(job),
    ]


def main(arguments: Sequence[str]) -> int:
    """``JOB``: one training process of the job in that file; returns the exit code."""
    channel = Channel(heartbeat=False)
    job = read_json(Path(arguments[0]))
    try:
        report = (lambda event: channel.send("progress", progress=event.to_json())) if main_process() else silent
        ctx, stage = received(job, report)
        result = stage.train(ctx)  # type: ignore[attr-defined] - a job names a stage that trains
    except Exception as err:
        channel.fail(f"training process {os.environ.get('RANK', '0')}", err)
        return 1
    if main_process():
        channel.send("result", numbers=dict(result.numbers), model=result.model and result.model.to_json())
    return 0


if __name__ == "__main__":
    # no collective call is left to make, so nobody waits for anybody
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
