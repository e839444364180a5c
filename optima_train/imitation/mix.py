"""Mix: collected trajectories become training rows, drawn from their sources in exact shares; rows of earlier
iterations are replayed on top."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.data_settings import shares
from ..run.files import read_lines, replacing
from ..run.progress import ProgressReporter
from ..run.stage import StageError, StageKind, StageResult
from ..trajectories.mixture import Draw, Lines, Mixture
from ..trajectories.rows import Tokeniser
from .collect import SOURCE

if TYPE_CHECKING:
    from optima_envs.games.rules import Rules

    from ..run.stage import StageContext

COLLECTED, EXPLORED = "collect", "imagine"
OWN = "own"
"""The name of the run's own selected dialogues among the sources."""


class Mix:
    """Reads the logs of the stages ``logs``; writes ``rows.jsonl``, and ``draws.jsonl``: for each row its source, its
    number there, the iteration it was new in, and how often it had been drawn.

    Own dialogues are in those logs too, or already rows where there is none but that of ``collect``."""

    name = "mix"
    kind: StageKind = "inference"
    resumes = False

    def __init__(self, *logs: str) -> None:
        self.logs = logs or (COLLECTED,)

    def run(self, ctx: StageContext) -> StageResult:
        config = ctx.config
        weights: dict[str, Any] = dict(shares(config.data, config.mix, ctx.iteration))
        if EXPLORED in self.logs or not weights:
            weights[OWN] = config.mix.own or 1
        with ExitStack() as stack:
            tokeniser = tokeniser_of(ctx)
            sources = {name: Lines(path) for name, path in _built(ctx, self.logs, list(weights), tokeniser).items()}
            if config.mix.own and self.logs == (COLLECTED,):
                weights[OWN] = config.mix.own
                sources[OWN] = Lines(ctx.input("rows").rows)
            for lines in sources.values():
                stack.callback(lines.close)
            if empty := [name for name, lines in sources.items() if not len(lines)]:
                why = ", ".join(f"{count} turns: {reason}" for reason, count in tokeniser.dropped.items())
                raise StageError(f"{ctx.step.path}: data.{empty[0]} gives no row to train on ({why or 'no turns'})")
            sizes = {name: len(lines) for name, lines in sources.items()}
            mixture = Mixture(sizes, weights, ctx.seed("mix"))
            total = config.mix.rows or sum(sizes.values())
            replayed = _replays(ctx)
            with replacing(ctx.files.rows) as rows, replacing(ctx.files.draws) as draws:
                counts: Counter[str] = Counter()
                for draw in mixture.draws(total):
                    _write(rows, draws, sources[draw.source][draw.row], draw, ctx.iteration)
                    counts[draw.source] += 1
                for line, draw, iteration in replayed:
                    _write(rows, draws, line, draw, iteration)
                    counts["replayed"] += 1
        for path in ctx.out.glob("*.source.jsonl"):
            path.unlink()
        repeats = mixture.repeats(total)
        return StageResult(
            {
                "rows": counts.total(),
                "replayed": counts["replayed"],
                "repeats": sum(repeats.values()),
                "sources": {
                    name: {
                        "rows": sizes[name],
                        "drawn": counts[name],
                        "share": counts[name] / total,
                        "repeats": repeats.get(name, 0),
                    }
                    for name in sizes
                },
                "dropped_turns": dict(tokeniser.dropped),
            }
        )


def _write(rows: Any, draws: Any, line: bytes, draw: Draw, iteration: int) -> None:
    rows.write(line.decode("utf-8"))
    told = {"source": draw.source, "row": draw.row, "iteration": iteration, "again": draw.again}
    draws.write(json.dumps(told) + "\n")


def tokeniser_of(ctx: StageContext) -> Tokeniser:
    """The tokenizer and template of the team's model, for dialogues of any origin."""
    from optima_envs.spec import full_id

    home = full_id(ctx.config.env.id)

    def rules(env: str) -> Rules | None:
        return ctx.scenario("train").rules if env == home else None

    return Tokeniser(ctx.policy.model, ctx.config.train.max_length, rules)


def _built(ctx: StageContext, logs: Sequence[str], names: list[str], tokeniser: Tokeniser) -> dict[str, Path]:
    """A file of rows for each source."""
    from optima_agents.store import EpisodeLog

    found = [ctx.input(log).episodes for log in logs]
    paths = {name: ctx.out / f"{name}.source.jsonl" for name in names}
    with ExitStack() as stack:
        files = {name: stack.enter_context(replacing(path)) for name, path in paths.items()}
        size = sum(1 for log in found for _ in read_lines(log))
        progress = ProgressReporter(ctx.report, ctx.step.path, size, "trajectories")
        for item in chain.from_iterable(map(EpisodeLog.iterate, found)):
            if item.error is None:  # one that JSON could not hold, counted when it was collected
                for row in tokeniser.rows(item):
                    files[str(item.info[SOURCE])].write(json.dumps(dict(row)) + "\n")
            progress.count()
    return paths


def _replays(ctx: StageContext) -> Iterator[tuple[bytes, Draw, int]]:
    """Of each earlier iteration's new rows the share that is trained on again, drawn by the seed."""
    share = ctx.config.mix.replay
    for iteration in range(ctx.iteration if share else 0):
        before = ctx.run.of_iteration(iteration, ctx.step.stage.name)
        drawn = list(read_lines(before.draws))
        new = [number for number, draw in enumerate(drawn) if draw["iteration"] == iteration]
        rng = random.Random(ctx.seed(f"replay {iteration}"))
        lines = Lines(before.rows)
        try:
            for number in sorted(rng.sample(new, int(len(new) * share + 0.5))):
                draw = drawn[number]
                yield lines[number], Draw(draw["source"], draw["row"], draw["again"] + 1), iteration
        finally:
            lines.close()
