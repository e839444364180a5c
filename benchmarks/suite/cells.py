"""Cells: one method on one environment with one model and one seed; a suite's plan is the list of its cells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optima_envs.records import Instance
from optima_train.config.loading import ConfigError

from ..methods.baseline import BASELINES, Baseline
from .models import told
from .settings import EnvChoice, MethodChoice, Suite
from .sources import digest as source_digest

if TYPE_CHECKING:
    from optima_agents import Sampling
    from optima_envs.scenario import Scenario


@dataclass(frozen=True, eq=False)
class Arena:
    """An environment as all methods of a suite meet it: its scenario and the instances to play."""

    choice: EnvChoice
    scenario: Scenario
    instances: tuple[Instance, ...]

    @property
    def label(self) -> str:
        return self.choice.called

    @cached_property
    def digest(self) -> str:
        """Of what is asked: ids, questions, golds and private texts."""
        asked = [[inst.id, inst.question, list(inst.answers), dict(inst.private)] for inst in self.instances]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode("ascii")).hexdigest()[:16]

    @cached_property
    def family(self) -> str:
        """The game's family, such as ``exchange`` or ``debate``."""
        rules = self.scenario.rules
        return rules.view(self.instances[0], (), rules.agents[0]).family


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One method, environment, model and seed. ``label`` is the row in tables, unique within its environment;
    ``method`` is None for episodes that another project played."""

    label: str
    block: str
    method: MethodChoice | None
    arena: Arena
    model: str
    seed: int
    samples: int = 1

    @property
    def path(self) -> str:
        """Its folder in the suite's directory, and its name in messages."""
        method = self.method.called if self.method else self.label
        return "/".join(part.replace(" ", "-") for part in (method, self.arena.label, self.model, f"seed{self.seed}"))

    def folder(self, out: Path) -> Path:
        return out / "cells" / self.path


@dataclass(frozen=True)
class Plan:
    """What a suite will run.

    ``outside`` holds the logs of cells that another project played, by their path; ``skipped`` are methods that are
    not for an environment: (label, environment, why).
    """

    suite: Suite
    arenas: tuple[Arena, ...]
    cells: tuple[Cell, ...]
    outside: Mapping[str, str]
    skipped: tuple[tuple[str, str, str], ...]

    @cached_property
    def _told(self) -> dict[str, str | None]:
        return {}

    def told(self, label: str) -> str | None:
        """The sentence that a model was taught to play under; its run's settings are read once."""
        if label not in self._told:
            self._told[label] = next((told(model) for model in self.suite.models if model.label == label), None)
        return self._told[label]

    def sampling(self, method: MethodChoice) -> Sampling:
        """The decoding of a method: the suite's, but for what the method says itself."""
        from optima_agents import Sampling

        own = method.sampling.model_dump(exclude_none=True)
        return Sampling(**(self.suite.sampling.model_dump() | own), logprobs=False)


def baseline(method: MethodChoice) -> Baseline:
    """The method's baseline, its options checked. Raises UnknownName with the nearest names, ConfigError."""
    found = BASELINES[method.name]
    try:
        found.settings(method.options)
    except (TypeError, ValueError) as err:
        raise ConfigError(f"methods.{method.called}.options: {err}") from None
    return found


def settings(plan: Plan, cell: Cell) -> dict[str, Any]:
    """All that a cell's episodes depend on: a directory of other settings is not gone on with. ``data`` is a digest of
    the questions and golds, ``source`` one of the method's code."""
    method = cell.method
    model = next((m for m in plan.suite.models if m.label == cell.model), None)
    return {
        "told": plan.told(cell.model),
        "method": method.name if method else cell.label,
        "options": baseline(method).settings(method.options) if method else {},
        "sampling": _plain(plan.sampling(method)) if method else {},
        "samples": cell.samples,
        "env": cell.arena.choice.model_dump(mode="json", exclude={"label", "instances"}),
        "version": cell.arena.scenario.id,
        "instances": len(cell.arena.instances),
        "model": model.model_dump(mode="json", exclude={"label", "envs"}) if model else cell.model,
        "seed": cell.seed,
        "data": cell.arena.digest,
        "source": source_digest(baseline(method).run) if method else None,
    }


def _plain(sampling: Sampling) -> dict[str, Any]:
    return {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens}
