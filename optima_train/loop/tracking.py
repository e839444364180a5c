"""Trackers: metrics to tensorboard, trackio or wandb as well. None ever asks a question or stops a run."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..config.settings import TrainConfig
from ..run.layout import RunDirectory

logger = logging.getLogger(__name__)
Log = Callable[[Mapping[str, float], int], None]


class Tracker:
    """Sends numbers to the configured tracker; after the first failure it warns once and goes silent."""

    def __init__(self, config: TrainConfig, directory: Path) -> None:
        self._log: Log | None = None
        self._close: Callable[[], None] | None = None
        if config.tracker != "none":
            self._guarded(lambda: self._open(config, directory))

    def log(self, stage: str, iteration: int, numbers: Mapping[str, Any]) -> None:
        """Log the plain numbers under ``stage/name`` at step ``iteration + 1`` (0: the untrained team)."""
        log = self._log
        if log is not None:
            plain = {f"{stage}/{name}": float(v) for name, v in numbers.items() if isinstance(v, (int, float))}
            self._guarded(lambda: log(plain, iteration + 1))

    def close(self) -> None:
        if self._close is not None:
            self._guarded(self._close)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as err:  # a tracker is a convenience; the run and its own records go on without it
            logger.warning("tracker switched off: %s: %s", type(err).__name__, err)
            self._log = self._close = None

    def _open(self, config: TrainConfig, directory: Path) -> None:
        opener = {"tensorboard": _tensorboard, "trackio": _trackio, "wandb": _wandb}[config.tracker]
        self._log, self._close = opener(config, directory)


def _tensorboard(config: TrainConfig, directory: Path) -> tuple[Log, Callable[[], None]]:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(RunDirectory(directory).tensorboard))

    def log(numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return log, writer.close


def _trackio(config: TrainConfig, directory: Path) -> tuple[Log, Callable[[], None]]:
    import trackio

    trackio.init(project="optima", name=config.name, config=config.model_dump(mode="json"))
    return lambda numbers, step: trackio.log(dict(numbers), step=step), trackio.finish


def _wandb(config: TrainConfig, directory: Path) -> tuple[Log, Callable[[], None]]:
    import wandb

    mode = "online" if os.environ.get("WANDB_API_KEY") else "offline"  # without a key it would prompt for one
    run = wandb.init(project="optima", name=config.name, dir=str(directory), mode=mode, config=config.model_dump())
    return lambda numbers, step: run.log(dict(numbers), step=step), run.finish
