"""Engines: the models a stage plays or scores with, opened once per process, and the process's one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ..config.settings import TrainConfig

if TYPE_CHECKING:
    from optima_agents.backends.base import Backend

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model: a name or folder, and a folder of LoRA weights on top of it. Run-relative inside DONE.json."""

    model: str
    adapter: str | None = None


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
