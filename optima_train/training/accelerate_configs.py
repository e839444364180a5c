"""Training processes: the config files of ``accelerate launch``, and whether a batch divides among what they start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ..run.stage import StageError
from .trainer_args import accumulation

if TYPE_CHECKING:
    from ..config.settings import TrainConfig, TrainStageConfig

PACKAGED = Path(__file__).parents[1] / "recipes" / "accelerate"
PLAIN = "multi-gpu"


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
    """How many processes training takes: ``train.processes`` above 1, else what the accelerate file says, else one.

    Raises StageError for a file that is none, or that wants several machines.
    """
    if config.accelerate is None:
        return config.processes
    path = accelerate_config(config.accelerate)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        machines, count = int(data.get("num_machines", 1)), int(data.get("num_processes", 1))
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as err:
        raise StageError(f"train.accelerate: {path} is no config of accelerate: {' '.join(str(err).split())}") from None
    if machines > 1:
        raise StageError(f"train.accelerate: {path} is for {machines} machines; a run stays on one (num_machines: 1)")
    return config.processes if config.processes > 1 else count


def check_processes(config: TrainConfig, section: str) -> None:
    """Raises StageError when training by ``config.train`` or ``config.dpo`` (``section``) cannot be divided."""
    schedule = config.dpo if section == "dpo" else config.train
    accumulation(section, schedule.batch_size, schedule.micro_batch, training_processes(config.train))
