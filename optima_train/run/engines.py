"""Engines: the models a stage plays or scores with, opened once per process, and the process's one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..config.settings import TrainConfig

if TYPE_CHECKING:
    from optima_agents.backends.base import Backend, Sampling
    from optima_agents.policy import Policy
    from optima_agents.workers.pool import Pool

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model: a name or folder, and a folder of LoRA weights on top of it. Run-relative inside DONE.json.

    ``seats`` are the models of agents with weights of their own (``train.sharing``), as (agent, model).
    """

    model: str
    adapter: str | None = None
    seats: tuple[tuple[str, ModelRef], ...] = ()

    def of(self, agent: str) -> ModelRef:
        """What ``agent`` plays with."""
        return dict(self.seats).get(agent) or replace(self, seats=())

    def placed(self, place: Callable[[str], str]) -> ModelRef:
        """The same with every name and folder replaced by ``place`` of it."""
        adapter = None if self.adapter is None else place(self.adapter)
        return ModelRef(place(self.model), adapter, tuple((name, own.placed(place)) for name, own in self.seats))

    def folders(self) -> tuple[str, ...]:
        """Its names that are folders here."""
        names: list[str] = []
        self.placed(lambda name: names.append(name) or name)
        return tuple(dict.fromkeys(name for name in names if Path(name).is_dir()))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; without seats, those two keys alone."""
        seats = {"seats": {agent: own.to_json() for agent, own in self.seats}} if self.seats else {}
        return {"model": self.model, "adapter": self.adapter, **seats}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelRef:
        """What ``to_json`` gave."""
        seats = tuple((agent, cls.from_json(own)) for agent, own in data.get("seats", {}).items())
        return cls(data["model"], data["adapter"], seats)


class Engines:
    """Backends by model, opened once per process, and the one event loop that all stages of a process share.

    ``options`` of the backend go over the run's own.
    """

    def __init__(self, config: TrainConfig, **options: Any) -> None:
        self._config, self._options = config, options
        self._open: dict[ModelRef, Backend] = {}
        self._workers: Pool | None = None
        self._runner = asyncio.Runner()

    def backend(self, ref: ModelRef) -> Backend:
        """The engine for ``ref`` (of a team with weights of their own: its first seat's); loading may take minutes."""
        return self.player(ref, ref.seats[0][0] if ref.seats else "")[0]

    def player(self, ref: ModelRef, agent: str) -> tuple[Backend, str | None]:
        """The engine that speaks for ``agent``, and the name under which it has loaded that agent's adapter.

        Seats that are adapters over one model share one engine, and so does whoever wants that model without any.
        """
        from optima_agents.team_file import adapter_name

        own = ref.of(agent)
        named = own.adapter is not None and bool(ref.seats)
        engine = ref if named else own
        if engine not in self._open and not named:
            bare = (open_ for open_ in self._open if open_.seats and own == ModelRef(open_.model))
            engine = next(bare, engine)
        if engine not in self._open:
            self._open[engine] = open_engine(self._config, engine, **self._options)
        return self._open[engine], adapter_name(str(own.adapter)) if named else None

    def team(
        self, ref: ModelRef, agents: Sequence[str], sampling: Sampling, **options: Any
    ) -> Policy | dict[str, Policy]:
        """Who plays: one LLMPolicy for all, or one for each of ``agents`` where some have weights of their own.

        Of a team that plays elsewhere than it was trained, where nobody bears the names of ``agents``, each speaks for
        the agent at its place.
        """
        from optima_agents.llm import LLMPolicy

        if not ref.seats:
            return LLMPolicy(self.backend(ref), sampling, **options)
        names = [name for name, _ in ref.seats]
        at_home = bool({*names} & {*agents})
        team: dict[str, Policy] = {}
        for place, agent in enumerate(agents):
            backend, adapter = self.player(ref, agent if at_home else names[place % len(names)])
            team[agent] = LLMPolicy(backend, sampling, adapter=adapter, **options)
        return team

    def workers(self) -> Pool | None:
        """Those that play dialogues in this process's place (``rollout.workers``), the same at every call; else None.
        Raises as ``open_workers``."""
        from optima_agents.workers.opening import open_workers

        name = self._config.rollout.workers
        if self._workers is None and name is not None:
            self._workers = open_workers(name)
        return self._workers

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self._runner.run(work)

    def keep_only(self, *refs: ModelRef) -> None:
        """Close engines no longer wanted, so that memory holds at most the models of one stage."""
        wanted = {*refs} | {own for ref in refs for _, own in ref.seats}
        for ref in [ref for ref in self._open if ref not in wanted]:
            self.wait(self._open.pop(ref).aclose())

    def close(self) -> None:
        self.keep_only()
        if self._workers is not None:
            self.wait(self._workers.aclose())
            self._workers = None
        self._runner.close()


# vLLM's names of options that other backends of ours have under their own
ALIKE = {"max_num_seqs": "max_batch"}


def engine_options(config: TrainConfig) -> dict[str, Any]:
    """``config.engine`` as keywords of the run's backend. Raises ValueError naming the options it does not have."""
    from optima_agents.making import BACKENDS
    from optima_envs.keywords import Keywords

    takes, given = Keywords.of(BACKENDS[config.backend]), config.engine.given()
    named = {key: key if key in takes else ALIKE.get(key, key) for key in given}
    unknown = sorted(key for key, own in named.items() if own not in takes)
    if unknown:
        known = [key for key in type(config.engine).model_fields if key in takes or ALIKE.get(key) in takes.names]
        keys = ", ".join(f"engine.{key}" for key in unknown)
        has = f"it has {', '.join(known)}" if known else "it has none of them"
        raise ValueError(f"{keys}: the backend {config.backend} has no such option ({has}); set to null, or use vllm")
    return {named[key]: value for key, value in given.items()}


def open_engine(config: TrainConfig, ref: ModelRef, **options: Any) -> Backend:
    """The engine for a model of a run; ``options`` of the backend go over the run's own."""
    from optima_agents.making import BACKENDS, open_backend
    from optima_agents.team_file import adapter_name
    from optima_envs.keywords import Keywords

    # where and how precisely to compute concerns only backends that compute here
    declared = Keywords.of(BACKENDS[config.backend]).names
    wanted = {"device": config.device, "dtype": config.dtype}
    own: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None and name in declared}
    own |= engine_options(config)
    own |= {"adapter": ref.adapter} if ref.adapter else {}
    adapters = {adapter_name(seat.adapter): seat.adapter for _, seat in ref.seats if seat.adapter}
    own |= {"adapters": adapters} if adapters else {}
    return open_backend(config.backend, ref.model, **(own | options))
