"""Selection: the best dialogue of each instance, those over the threshold, the top share; every drop has a reason.

Paper Alg. 2: for each instance the dialogue of the highest reward; keep those with R >= theta; of these the best 70%.
The reference code takes the 70% of all instances first and applies the threshold then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..run.files import read_lines, write_lines
from ..run.stage import StageError, StageKind, StageResult

if TYPE_CHECKING:
    from ..config.settings import SelectConfig
    from ..run.stage import StageContext

FAILED, BELOW, OUTSIDE = "all dialogues failed", "below the threshold", "outside the top share"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranked dialogue: its key's parts and its reward, None when it failed."""

    instance: str
    sample: int
    seed: int
    reward: float | None


@dataclass(frozen=True, slots=True)
class Dropped:
    """An instance left out: why, and its best reward."""

    instance: str
    reason: str
    reward: float | None


@dataclass(frozen=True, slots=True)
class Selection:
    """``kept`` in falling order of reward; ``dropped`` and ``kept`` together are all instances."""

    kept: tuple[Ranked, ...]
    dropped: tuple[Dropped, ...]


def select(dialogues: Iterable[Ranked], config: SelectConfig) -> Selection:
    """Choose among ranked dialogues. Ties go to the earlier sample, then to the instance id: no chance is involved."""
    best: dict[str, Ranked | None] = {}
    for dialogue in sorted(dialogues, key=lambda d: (d.instance, d.sample, d.seed)):
        leader = best.setdefault(dialogue.instance, None)
        if dialogue.reward is not None and (leader is None or _reward(leader) < dialogue.reward):
            best[dialogue.instance] = dialogue
    dropped = [Dropped(name, FAILED, None) for name, leader in best.items() if leader is None]
    leaders = sorted((d for d in best.values() if d is not None), key=lambda d: (-_reward(d), d.instance))
    steps = [_over_threshold, _top_share]
    for step in steps if config.order == "threshold-first" else reversed(steps):
        leaders, out = step(leaders, config)
        dropped += out
    return Selection(tuple(leaders), tuple(dropped))


def _over_threshold(leaders: Sequence[Ranked], config: SelectConfig) -> tuple[list[Ranked], list[Dropped]]:
    kept = [d for d in leaders if _reward(d) >= config.threshold]
    return kept, [Dropped(d.instance, BELOW, d.reward) for d in leaders[len(kept) :]]


def _top_share(leaders: Sequence[Ranked], config: SelectConfig) -> tuple[list[Ranked], list[Dropped]]:
    # at least one stays, so that a tiny run is not emptied by rounding
    count = max(1, int(len(leaders) * config.top_share))
    return list(leaders[:count]), [Dropped(d.instance, OUTSIDE, d.reward) for d in leaders[count:]]


def _reward(dialogue: Ranked) -> float:
    return float("-inf") if dialogue.reward is None else dialogue.reward


class Select:
    """Reads ``rank/rewards.jsonl``; writes ``selected.jsonl`` and ``dropped.jsonl``."""

    name = "select"
    kind: StageKind = "inference"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        rows = read_lines(ctx.input("rank").rewards)
        ranked = [Ranked(row["instance"], row["sample"], row["seed"], row["reward"]) for row in rows]
        chosen = select(ranked, ctx.config.select)
        counts = {reason: sum(d.reason == reason for d in chosen.dropped) for reason in (FAILED, BELOW, OUTSIDE)}
        if not chosen.kept:
            raise StageError(_empty(ctx, ranked, counts))
        write_lines(ctx.files.selected, (_row(d) for d in chosen.kept))
        write_lines(ctx.files.dropped, (_row(d) for d in chosen.dropped))
        rewards = [_reward(d) for d in chosen.kept]
        return StageResult(
            {
                "kept": len(chosen.kept),
                "dropped": len(chosen.dropped),
                "dropped_by_reason": counts,
                "reward": sum(rewards) / len(rewards),
                "least_reward": min(rewards),
            }
        )


def _empty(ctx: StageContext, ranked: Sequence[Ranked], counts: dict[str, int]) -> str:
    best = max((_reward(d) for d in ranked), default=float("-inf"))
    why = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
    return (
        f"{ctx.step.path}: nothing selected ({why or 'no dialogues'}; the best reward is {best:.3f}, "
        f"select.threshold is {ctx.config.select.threshold:g}); lower the threshold or sample more"
    )


def _row(item: Ranked | Dropped) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__}
