"""Running steps in this process: which model plays at a step, and what a committed run says about it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..config.loading import load
from ..config.settings import TrainConfig
from ..methods import plan
from ..run.engines import Engines, ModelRef
from ..run.layout import RunDirectory
from ..run.markers import committed, execute
from ..run.plugins import import_plugins
from ..run.progress import Progress
from ..run.records import Marker
from ..run.stage import StageContext, Step


def open_run(run_dir: Path) -> TrainConfig:
    """The config a run directory was made with, its plugins imported. Raises ConfigError."""
    config = load(RunDirectory(run_dir).resolved)
    import_plugins(config.plugins, config.plugin_folders)
    return config


def initial_model(config: TrainConfig) -> ModelRef:
    """M_base: what the run starts from and what readability is measured with."""
    return ModelRef(config.model)


def model_before(steps: list[Step], markers: Mapping[str, Marker], index: int, initial: ModelRef) -> ModelRef:
    """The model the team plays with when step ``index`` begins: the last one committed, else the initial one."""
    for step in reversed(steps[:index]):
        marker = markers.get(step.path)
        if marker is not None and marker.model is not None:
            made = ModelRef.from_json(marker.model.model_dump())
            # a name a stage gave is a folder it wrote, or the untouched initial model
            return made.placed(lambda name: name if name == initial.model else f"{step.path}/{name}")  # noqa: B023
    return initial


def located(ref: ModelRef, run_dir: Path) -> ModelRef:
    """Run-relative folders as paths that can be opened from anywhere."""
    return ref.placed(lambda name: str(run_dir / name) if (run_dir / name).is_dir() else name)


def free_memory() -> None:
    """Give back what models of a stage that is over still hold: trainers refer to themselves in circles, so weights,
    gradients and Adam's moments would stay beside the next engine until some collection happened to run."""
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


class Runner:
    """Executes steps of a run one by one, keeping engines open in between."""

    def __init__(self, config: TrainConfig, run_dir: Path, report: Callable[[Progress], None]) -> None:
        self._config, self._run_dir, self._report = config, run_dir, report
        self._steps = plan(config)
        self._engines = Engines(config)

    def execute(self, path: str) -> Marker:
        """Run and commit the step of that path; returns its marker."""
        index = next(i for i, step in enumerate(self._steps) if step.path == path)
        step = self._steps[index]
        markers = {s.path: marker for s in self._steps[:index] if (marker := committed(s, self._run_dir))}
        initial = initial_model(self._config)
        policy = located(model_before(self._steps, markers, index, initial), self._run_dir)
        training = step.stage.kind == "training"
        if training:
            self._engines.keep_only()
            free_memory()
        ctx = StageContext(self._config, self._run_dir, step, policy, initial, self._engines, self._report)
        marker = execute(step, ctx)
        if training:
            free_memory()
        return marker

    def close(self) -> None:
        self._engines.close()
