"""Models of a suite: how to open the engine behind a label, and where a training run keeps its models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from optima_train.config.loading import ConfigError
from optima_train.run.progress import Progress
from optima_train.trained import trained

from .settings import ModelChoice

if TYPE_CHECKING:
    from optima_agents import Backend
    from optima_train import TrainConfig


def run_directory(model: ModelChoice, out: Path) -> Path | None:
    """Where the training run behind a model is or will be; None for a model that a backend names.

    Models of equal training share one run, whichever of its iterations they are.
    """
    if model.train is not None:
        settings = "\n".join(model.train.overrides)
        mark = f"-{hashlib.blake2b(settings.encode(), digest_size=4).hexdigest()}" if settings else ""
        return out / "trained" / f"{Path(model.train.recipe).stem}{mark}"
    return None if model.run is None else Path(model.run)


def config_of(model: ModelChoice) -> TrainConfig | None:
    """The settings of a model to be trained. Raises ConfigError."""
    from optima_train.config.loading import load

    if model.train is None:
        return None
    try:
        return load(model.train.recipe, model.train.overrides)
    except ConfigError as err:
        raise ConfigError(f"models.{model.label}.train: {err}") from None


def told(model: ModelChoice) -> str | None:
    """The sentence that a model of a run was taught to play under (``condition``); None for one without."""
    from optima_train.cli.model_paths import sentence_of
    from optima_train.loop.runner import open_run

    if model.backend is not None:
        return sentence_of({"policy": model.backend, **model.options})
    config = config_of(model) or open_run(Path(str(model.run)))
    return None if config.condition is None else config.condition.told()


def home(model: ModelChoice) -> str | None:
    """The full id of the environment a model was or will be trained in; None for a model that a backend names."""
    from optima_envs.spec import full_id

    if model.backend is not None:
        return None
    config = config_of(model) or trained(Path(str(model.run)), model.iteration)[0]
    return full_id(config.env.id)


def check_model(model: ModelChoice) -> None:
    """Find what is wrong before anything runs. Raises ConfigError, or UnknownName for a backend nobody knows."""
    from optima_agents.making import BACKENDS
    from optima_train.loop.preflight import preflight

    if model.backend is not None:
        BACKENDS[model.backend.partition(":")[0]]
    elif model.run is not None:
        trained(Path(model.run), model.iteration)
    elif (config := config_of(model)) is not None:
        preflight(config)


def train(model: ModelChoice, out: Path, report: Callable[[Progress], None]) -> None:
    """Finish the training run of a model that needs one; stages that this suite, or one beside it, has already done in
    the very same way are taken over. Raises ConfigError and StageError."""
    from optima_train.loop.experiment import Experiment

    config, directory = config_of(model), run_directory(model, out)
    if config is not None and directory is not None:
        directory.parent.mkdir(parents=True, exist_ok=True)
        runs = out.resolve().parent.glob("*/trained/*")  # this suite's own among them
        others = sorted(path for path in runs if path != directory.resolve())
        Experiment(config, directory, others).run(progress=report)


def engine(model: ModelChoice, out: Path) -> Backend:
    """Open the engine; loading may take minutes. Raises what opening raises, and ConfigError for an unready run."""
    from optima_agents import make_backend
    from optima_train.run.engines import open_engine

    from .own_weights import OwnWeights

    directory = run_directory(model, out)
    if directory is None:
        return make_backend(str(model.backend), **model.options)
    config, ref = trained(directory, model.iteration)
    if ref.seats:
        return OwnWeights(config, ref, **model.options)
    return open_engine(config, ref, **model.options)
