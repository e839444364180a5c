"""What a stage may use: the config, earlier stages' directories, loaded engines, one event loop, progress."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..config.settings import TrainConfig
from .progress import Progress
from .stage import ModelRef, StageError, Step

if TYPE_CHECKING:
    from optima_agents.backends.base import Backend
    from optima_envs.scenario import Scenario

T = TypeVar("T")


class Engines:
    """Backends by model, opened once per process, and the one event loop that all stages of a process share."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._open: dict[ModelRef, Backend] = {}
        self._runner = asyncio.Runner()

    def backend(self, ref: ModelRef) -> Backend:
        """The engine for ``ref``; loading may take minutes."""
        if ref not in self._open:
            self._open[ref] = open_engine(self._config, ref)
        return self._open[ref]

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self._runner.run(work)

    def keep_only(self, *refs: ModelRef) -> None:
        """Close engines no longer wanted, so that memory holds at most the models of one stage."""
        for ref in [ref for ref in self._open if ref not in refs]:
            self.wait(self._open.pop(ref).aclose())

    def close(self) -> None:
        self.keep_only()
        self._runner.close()


def open_engine(config: TrainConfig, ref: ModelRef, **options: Any) -> Backend:
    """The engine for a model of a run; ``options`` of the backend go over the run's own."""
    from optima_agents.making import BACKENDS, open_backend
    from optima_envs.keywords import Keywords

    # where and how precisely to compute concerns only backends that compute here
    declared = Keywords.of(BACKENDS[config.backend]).names
    wanted = {"device": config.device, "dtype": config.dtype}
    own = {name: value for name, value in wanted.items() if value is not None and name in declared}
    own |= {"adapter": ref.adapter} if ref.adapter else {}
    return open_backend(config.backend, ref.model, **(own | options))


@dataclass(frozen=True, slots=True)
class StageContext:
    """Everything one execution of a stage needs.

    ``policy`` is the model the team plays with now, ``initial`` the one the run began with (the paper's M_base).
    """

    config: TrainConfig
    run_dir: Path
    step: Step
    policy: ModelRef
    initial: ModelRef
    engines: Engines
    report: Callable[[Progress], None]

    @property
    def out(self) -> Path:
        """The directory this stage writes into."""
        return self.run_dir / self.step.path

    @property
    def iteration(self) -> int:
        return self.step.iteration

    def input(self, stage: str) -> Path:
        """The directory of an earlier stage of the same iteration."""
        path = self.run_dir / self.step.folder / stage
        if not path.is_dir():
            raise StageError(
                f"{self.step.path} needs the output of stage {stage!r}, which this method does not run first"
            )
        return path

    def scenario(self, part: str) -> Scenario:
        """The environment on its ``train`` or ``test`` instances."""
        import optima_envs

        env = self.config.env
        source = env.train if part == "train" else env.test
        limits = {"max_turns": env.max_turns, "token_budget": env.token_budget}
        return optima_envs.scenario(env.id, split=source.split, data=source.data, **limits, **env.args)

    def seed(self, purpose: str) -> int:
        """A 31-bit seed for one purpose in this iteration, from the run's seed."""
        return derive(self.config.seed, purpose, self.iteration)


def derive(*parts: object) -> int:
    """A 31-bit seed hashed from ``parts``; the same on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") & 0x7FFFFFFF
