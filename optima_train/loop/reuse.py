"""Reuse: take over committed stages of another run that would only be computed again, byte for byte.

Methods differ late: iDPO and the hybrid begin with iSFT's iteration 0, ablations with the same untrained team. A stage
is taken over only if every stage before it was made alike too, all settings it can read are equal, and the machine and
its libraries are the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..config.loading import ConfigError, flatten, load
from ..config.settings import TrainConfig
from ..methods import plan
from ..run.files import publish, read_json
from ..run.layout import RunDirectory, StageDirectory
from ..run.markers import committed
from ..run.records import Marker, write_marker
from ..run.stage import Stage, StageError, Step

ALWAYS = ("model", "backend", "device", "dtype", "engine", "env", "seed", "condition", "plugins")
"""What every stage may read. A stage's class says in ``reads`` what it reads besides; what earlier stages read has been
compared before."""


def reuse_stages(steps: Sequence[Step], config: TrainConfig, directory: Path, source: Path) -> list[str]:
    """Copy what ``source`` has of the first steps of a run into ``directory``; returns the paths of the steps copied.

    A source that is no run, or that another version of the libraries made, gives nothing. Each step appears whole or
    not at all, so a kill in between costs nothing but time.
    """
    try:
        theirs = load(RunDirectory(source).resolved)
        files = RunDirectory(source), RunDirectory(directory)
        same = read_json(files[0].environment) == read_json(files[1].environment) and _alike(*files)
    except (OSError, ValueError):  # ConfigError is a ValueError
        return []
    copied = []
    for step in _shared_steps(steps, config, theirs) if same else ():
        if committed(step, directory) is not None:
            continue
        try:
            marker = committed(step, source)
        except StageError:  # files missing or changed: the source is not to be trusted from here on
            break
        if marker is None:
            break
        _copy(source / step.path, directory / step.path, marker.model_copy(update={"copied_from": str(source)}))
        copied.append(step.path)
    return copied


def _alike(theirs: RunDirectory, ours: RunDirectory) -> bool:
    """Whether local data and models under the same settings are the same."""
    then, now = (read_json(run.inputs) if run.inputs.is_file() else {} for run in (theirs, ours))
    return all(now[key] == value for key, value in then.items() if key in now)


def _shared_steps(steps: Sequence[Step], ours: TrainConfig, theirs: TrainConfig) -> Iterator[Step]:
    """The leading steps that both runs do in the same way; all of them where the settings are equal."""
    if ours == theirs:
        yield from steps
        return
    try:
        others = plan(theirs)
    except (ConfigError, LookupError, ImportError):
        return
    for mine, other in zip(steps, others, strict=False):
        reads = _reads(mine.stage)
        if mine.path != other.path or reads is None or not _alike_made(mine.stage, other.stage):
            return
        if _read(ours, (*ALWAYS, *reads)) != _read(theirs, (*ALWAYS, *reads)):
            return
        yield mine


def _alike_made(mine: Stage, other: Stage) -> bool:
    """Whether two stages are of one class and were given the same."""
    return type(mine) is type(other) and vars(mine) == vars(other)


def _reads(stage: Stage) -> Sequence[str] | None:
    """What a stage's own class says that it reads; None for one that does not say, whatever it is derived from."""
    return vars(type(stage)).get("reads")


def _read(config: TrainConfig, keys: Sequence[str]) -> dict[str, Any]:
    """The settings under ``keys``, flat."""
    return {key: value for key, value in flatten(config).items() if f"{key}.".startswith(tuple(f"{k}." for k in keys))}


def _copy(source: Path, target: Path, marker: Marker) -> None:
    temporary = target.with_name(f".{target.name}.copy")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(source, temporary)
    write_marker(StageDirectory(temporary).marker, marker)
    publish(temporary, target)
