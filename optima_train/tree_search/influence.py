"""Influence: which pairs are kept, by what a short training on them did to the team (DITS, arXiv 2502.00955).

The loss of preference training says little about the score it leads to, so the score itself is measured: with each
group's adapter the team plays instances that are never trained on, and a group's influence is how much more reward
they bring than with the team as it was. Influences are brought to 0 to 1, a pair's chosen value is added, and the top
share of the pairs is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..run.engines import ModelRef
from ..run.failpoints import failpoint
from ..run.files import read_lines, write_lines
from ..run.progress import ProgressReporter, silent
from ..run.records import ContrastRow, read_records, write_records
from ..run.stage import StageKind, StageResult
from ..stages.generate import block, hinted_prompt
from ..stages.groups import Group, GroupedLog
from ..stages.playing import Cast, play
from .tryout import label

if TYPE_CHECKING:
    from pathlib import Path

    from optima_envs.rewards import Reward

    from ..config.settings import InfluenceConfig, TrainConfig
    from ..run.stage import StageContext

AT_ONCE = 8  # adapters that one engine loads
MEASURED = ("task", "tokens", "format")  # the terms of the reward that no second model computes


class Influence:
    """Reads ``pairs.jsonl`` and the adapters of ``tryout``; writes the kept rows into ``pairs.jsonl`` of its own, and
    a line for each group into ``groups.jsonl``. An interrupted attempt goes on with the dialogues it has not played.
    """

    name = "influence"
    kind: StageKind = "inference"
    resumes = True

    def run(self, ctx: StageContext) -> StageResult:
        config = ctx.config.pairs.influence
        assert config is not None  # noqa: S101 - the method puts this stage in only then
        rows = list(read_records(ctx.input("pairs").pairs, ContrastRow))
        groups = [row["rows"] for row in read_lines(ctx.input("tryout").groups)]
        if not groups:
            write_records(ctx.files.pairs, [])
            return StageResult({"groups": 0, "pairs": 0, "kept": 0})
        found = measure(ctx, config, len(groups))
        scaled = dict(zip(found, spread([found[number] for number in found]), strict=True))
        scores = {
            row: scaled[number] + config.value_weight * rows[row].chosen_value
            for number, members in enumerate(groups)
            for row in members
        }
        best = sorted(scores, key=lambda row: (-scores[row], row))[: max(1, round(config.keep * len(scores)))]
        write_records(ctx.files.pairs, (rows[row] for row in sorted(best)))
        write_lines(
            ctx.files.groups,
            (
                {"group": number, "influence": found[number], "rows": members, "kept": sorted({*members} & {*best})}
                for number, members in enumerate(groups)
            ),
        )
        values = list(found.values())
        return StageResult(
            {
                "groups": len(groups),
                "pairs": len(scores),
                "kept": len(best),
                "influence": fmean(values),
                "least_influence": min(values),
                "most_influence": max(values),
                "harmful_groups": sum(value < 0 for value in values),
            }
        )


def measure(ctx: StageContext, config: InfluenceConfig, count: int) -> dict[int, float]:
    """The influence of each group: the mean difference in reward on the validation instances, in units of reward."""
    from optima_envs.rewards import Reward

    weights = {name: weight for name, weight in ctx.config.reward.weights.items() if name in MEASURED and weight}
    reward = Reward(weights or {"task": 1.0})
    indices = validation_block(ctx.config, len(ctx.scenario("train").task))
    progress = ProgressReporter(ctx.report, ctx.step.path, count + 1, "groups")
    before = _play(ctx, ctx.policy, indices, ctx.files.tried("before"))
    progress.count()
    found: dict[int, float] = {}
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        team = _team(ctx, numbers)
        for number in numbers:
            path = ctx.files.tried(label(number))
            after = _play(ctx, team, indices, path, label(number))
            found[number] = ctx.engines.wait(difference(reward, before, after))
            progress.count()
            failpoint(ctx.step.path, number + 1)
    for name in ("before", *map(label, range(count))):
        ctx.files.tried(name).unlink()  # their influence is what was wanted of them
    return found


def _team(ctx: StageContext, numbers: Sequence[int]) -> ModelRef:
    """The current model with the adapters of these groups, opened as one engine."""
    tried = ctx.input("tryout")
    seats = tuple((label(n), ModelRef(ctx.policy.model, str(tried.own(label(n)).adapter))) for n in numbers)
    return ModelRef(ctx.policy.model, None, seats)


def _play(ctx: StageContext, ref: ModelRef, indices: Sequence[int], path: Path, name: str = "") -> dict[str, Group]:
    """Greedy dialogues on the validation instances, by instance; all agents speak with the weights called ``name``."""
    from optima_agents import Job, LLMPolicy, Sampling

    ctx.engines.keep_only(ref)
    backend, adapter = ctx.engines.player(ref, name)
    sampling = Sampling(0.0, 1.0, ctx.config.generate.max_tokens, logprobs=False)
    policy = LLMPolicy(backend, sampling, prompt=hinted_prompt, adapter=adapter)
    jobs = [Job(index, 0, ctx.config.seed) for index in indices]
    cast = Cast(ctx.scenario("train"), lambda job: policy, ctx.config.tree)
    play(replace(ctx, report=silent), cast, jobs, path)
    return {group.instance: group for group in GroupedLog(path)}


async def difference(reward: Reward, before: dict[str, Group], after: dict[str, Group]) -> float:
    """Mean of R(after) - R(before), each instance's two dialogues being a group of their own; one that cannot be
    rewarded counts 0."""
    pairs = [(before[name].episodes[0], after[name].episodes[0]) for name in before]
    found = await asyncio.gather(*(reward(pair) for pair in pairs))
    return fmean(new.total - old.total for old, new in found)


def spread(values: Sequence[float]) -> list[float]:
    """Brought to 0 to 1; all 0 where they are equal."""
    least, most = min(values), max(values)
    return [(value - least) / (most - least) if most > least else 0.0 for value in values]


def validation_block(config: TrainConfig, size: int) -> list[int]:
    """The instances that influence is measured on: of those that no iteration trains on, the last ones in the order in
    which iterations take theirs. Raises ValueError when there are too few."""
    wanted = config.pairs.influence.validation if config.pairs.influence else 0
    apart = max(min(config.tree.instances, size), min(config.generate.instances, size))
    if config.iterations * apart + wanted > size:
        raise ValueError(
            f"{config.iterations} iterations train on {config.iterations * apart} of {size} instances, which leaves no "
            f"{wanted} to measure influence on; lower pairs.influence.validation or iterations"
        )
    first = block(config, 0, size, 1)[0]
    return [(first - 1 - k) % size for k in range(wanted)]


def check_influence(config: TrainConfig, size: int, takes: Any) -> None:
    """Raises ValueError where influence cannot be measured; ``takes`` are the keywords of the backend."""
    if config.pairs.influence is None:
        return
    if config.method not in ("idpo", "isft-dpo", "eto"):
        raise ValueError(f"{config.method} has no pairs to choose among; use idpo, isft-dpo or eto")
    if config.train.sharing != "shared":
        raise ValueError("a group of pairs is tried on one model; set train.sharing to shared")
    if "adapters" not in takes:
        raise ValueError(f"the backend {config.backend} cannot load several adapters; use hf or vllm")
    validation_block(config, size)
