"""Stages: the units of work of an iteration, what each is given and what it reports."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..config.settings import TrainConfig
from .engines import Engines, ModelRef
from .layout import RunDirectory, StageDirectory, iteration_folder
from .progress import Progress

if TYPE_CHECKING:
    from optima_envs import Scenario

StageKind = Literal["inference", "training"]


class StageError(RuntimeError):
    """A stage cannot go on; the message is one line and names the way out."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage reports: plain finite numbers and counts, and the model it made, if any."""

    numbers: Mapping[str, Any] = field(default_factory=dict)
    model: ModelRef | None = None


class Stage(Protocol):
    """One unit of work.

    ``kind`` says which stages may share a process: neighbours of one kind do, so that an engine is loaded once.
    ``resumes`` is True for a stage that continues what an interrupted attempt left; else it starts afresh. A class may
    say in ``reads`` which sections of the settings it reads (``("generate",)``): only such a stage is taken over from a
    run with other settings. A derived class says so itself.
    """

    name: str
    kind: StageKind
    resumes: bool

    def run(self, ctx: StageContext) -> StageResult:
        """Read earlier stages through ``ctx``, write into ``ctx.out``. Raises StageError."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """A stage at its place in the run; iteration -1 is the untrained team."""

    iteration: int
    stage: Stage

    @property
    def folder(self) -> str:
        """The iteration's directory in the run directory."""
        return iteration_folder(self.iteration)

    @property
    def path(self) -> str:
        """The stage's directory in the run directory, and its name in messages."""
        return f"{self.folder}/{self.stage.name}"


@dataclass(frozen=True, slots=True)
class Seat:
    """Agents that share weights of their own."""

    name: str
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StageContext:
    """Everything one execution of a stage needs.

    ``policy`` is the model the team plays with now, ``initial`` the one the run began with (the paper's M_base).
    ``seat``: the training of these agents alone, from their ``policy``, on their rows; None: of the whole team.
    """

    config: TrainConfig
    run_dir: Path
    step: Step
    policy: ModelRef
    initial: ModelRef
    engines: Engines
    report: Callable[[Progress], None]
    seat: Seat | None = None

    @property
    def out(self) -> Path:
        """The directory this stage writes into."""
        return self.files.path

    @property
    def files(self) -> StageDirectory:
        """The files of that directory by name."""
        return self.files_of(self.step)

    def files_of(self, step: Step) -> StageDirectory:
        """The files of the same stage, for the same seat, at another step."""
        whole = self.run.stage(step.path)
        return whole if self.seat is None else whole.own(self.seat.name)

    def learns(self, agent: str) -> bool:
        """Whether what ``agent`` said is trained on here."""
        return self.seat is None or agent in self.seat.agents

    @property
    def run(self) -> RunDirectory:
        """The files of the run by name."""
        return RunDirectory(self.run_dir)

    @property
    def iteration(self) -> int:
        return self.step.iteration

    def input(self, stage: str) -> StageDirectory:
        """The directory of an earlier stage of the same iteration."""
        found = self.run.of_iteration(self.iteration, stage)
        if not found.path.is_dir():
            raise StageError(
                f"{self.step.path} needs the output of stage {stage!r}, which this method does not run first"
            )
        return found

    def scenario(self, part: Literal["train", "test"]) -> Scenario:
        """The environment on its ``train`` or ``test`` instances."""
        return self.config.env.scenario(part)

    def seed(self, purpose: str) -> int:
        """A 31-bit seed for one purpose in this iteration, from the run's seed."""
        return derive(self.config.seed, purpose, self.iteration)


def derive(*parts: object) -> int:
    """A 31-bit seed hashed from ``parts``; the same on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") & 0x7FFFFFFF
