"""What a run directory says in public: state.json, metrics.jsonl and results.json, all derived from the markers.

They are rewritten whole after every commit, so a kill between a commit and its row can neither lose nor double one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..analysis.metrics import of_stages
from ..config.settings import TrainConfig
from ..run.engines import ModelRef
from ..run.files import read_json, write_json, write_lines
from ..run.layout import UNTRAINED, RunDirectory
from ..run.records import Marker
from ..run.stage import Step

Markers = Mapping[str, Marker]
# numbers that a row takes from the stages that made its training data, by stage
DATA_NUMBERS = of_stages()


@dataclass(frozen=True, slots=True)
class LoopState:
    """Where a run stands: the next step (None: finished), the current model, one result row per model evaluated."""

    next_step: str | None
    policy: ModelRef
    results: tuple[dict[str, Any], ...]

    @property
    def finished(self) -> bool:
        return self.next_step is None


def result_rows(config: TrainConfig, steps: Sequence[Step], markers: Markers) -> list[dict[str, Any]]:
    """A row per evaluated model: ``untrained`` first, ``iteration K``, and ``final`` for the last iteration's model."""
    rows = []
    for step in steps:
        marker = markers.get(step.path)
        if step.stage.name != "evaluate" or marker is None:
            continue
        label = f"iteration {step.iteration}"
        if step.iteration < 0 or step.iteration == config.iterations - 1:
            label = UNTRAINED if step.iteration < 0 else "final"
        extra = {}
        for stage, names in DATA_NUMBERS.items():
            earlier = markers.get(f"{step.folder}/{stage}")
            if earlier is not None:
                extra |= {name: earlier.numbers[name] for name in names if name in earlier.numbers}
        rows.append({"label": label, "iteration": step.iteration, "seed": config.seed, **marker.numbers, **extra})
    return rows


def publish_state(
    run: RunDirectory, config: TrainConfig, steps: Sequence[Step], markers: Markers, policy: ModelRef
) -> LoopState:
    """Rewrite the public files and return the state they hold."""
    pending = next((step.path for step in steps if step.path not in markers), None)
    state = LoopState(pending, policy, tuple(result_rows(config, steps, markers)))
    rows = json.loads(json.dumps(state.results))
    if not run.results.is_file() or read_json(run.results) != rows:
        run.report.unlink(missing_ok=True)  # it shows other results; whoever concludes the run writes it again
        write_json(run.results, rows)
    write_lines(run.metrics, (_metrics(markers[step.path]) for step in steps if step.path in markers))
    done = {"next_step": state.next_step, "policy": policy.to_json(), "done": len(markers), "steps": len(steps)}
    write_json(run.state, done)
    return state


def _metrics(marker: Marker) -> dict[str, Any]:
    head = {name: getattr(marker, name) for name in ("time", "iteration", "stage", "seconds")}
    return {**marker.numbers, **head}
