"""Selection: the best dialogue of each instance, those over the threshold, the top share; every drop has a reason.

Paper Alg. 2: for each instance (FireAct: for each of its formats) the dialogue of the highest reward; keep those with
R >= theta; of these the best 70%.
The reference code takes the 70% of all instances first and applies the threshold then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..run.records import DroppedRow, RankedRow, SelectedRow, read_records, write_records
from ..run.stage import StageError, StageKind, StageResult

if TYPE_CHECKING:
    from ..config.settings import SelectConfig
    from ..run.stage import StageContext

PLAIN = "plain"
FAILED, BELOW, OUTSIDE = "all dialogues failed", "below the threshold", "outside the top share"


@dataclass(frozen=True, slots=True)
class Selection:
    """``kept`` in falling order of reward; ``dropped`` and ``kept`` together are all instances."""

    kept: tuple[SelectedRow, ...]
    dropped: tuple[DroppedRow, ...]


def select(
    dialogues: Iterable[RankedRow], config: SelectConfig, format_of: Callable[[RankedRow], str] = lambda row: ""
) -> Selection:
    """Choose among ranked dialogues, the best of each instance and format (by default there is one).

    Ties go to the earlier sample, then to the instance id: no chance is involved.
    """
    best: dict[tuple[str, str], SelectedRow | None] = {}
    for row in sorted(dialogues, key=lambda d: (d.instance, d.sample, d.seed)):
        group = row.instance, format_of(row)
        leader = best.setdefault(group, None)
        if row.reward is not None and (leader is None or leader.reward < row.reward):
            best[group] = SelectedRow(instance=row.instance, sample=row.sample, seed=row.seed, reward=row.reward)
    dropped = [_dropped(name, FAILED, None) for (name, _), leader in best.items() if leader is None]
    leaders = sorted((d for d in best.values() if d is not None), key=lambda d: (-d.reward, d.instance, d.sample))
    steps = [_over_threshold, _top_share]
    for step in steps if config.order == "threshold-first" else reversed(steps):
        leaders, out = step(leaders, config)
        dropped += out
    return Selection(tuple(leaders), tuple(dropped))


def _over_threshold(leaders: Sequence[SelectedRow], config: SelectConfig) -> tuple[list[SelectedRow], list[DroppedRow]]:
    kept = [d for d in leaders if d.reward >= config.threshold]
    return kept, [_dropped(d.instance, BELOW, d.reward) for d in leaders[len(kept) :]]


def _top_share(leaders: Sequence[SelectedRow], config: SelectConfig) -> tuple[list[SelectedRow], list[DroppedRow]]:
    # at least one stays, so that a tiny run is not emptied by rounding
    count = max(1, int(len(leaders) * config.top_share))
    return list(leaders[:count]), [_dropped(d.instance, OUTSIDE, d.reward) for d in leaders[count:]]


def _dropped(instance: str, reason: str, reward: float | None) -> DroppedRow:
    return DroppedRow(instance=instance, reason=reason, reward=reward)


class Select:
    """Reads ``rank/rewards.jsonl``; writes ``selected.jsonl`` and ``dropped.jsonl``."""

    name = "select"
    reads = ("select",)
    kind: StageKind = "inference"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        ranked = list(read_records(ctx.input("rank").rewards, RankedRow))
        formats = _formats(ctx) if ctx.config.select.per == "format" else {}
        chosen = select(ranked, ctx.config.select, lambda row: formats.get((row.instance, row.sample, row.seed), ""))
        counts = {reason: sum(d.reason == reason for d in chosen.dropped) for reason in (FAILED, BELOW, OUTSIDE)}
        if not chosen.kept:
            raise StageError(_empty(ctx, ranked, counts))
        write_records(ctx.files.selected, chosen.kept)
        write_records(ctx.files.dropped, chosen.dropped)
        rewards = [d.reward for d in chosen.kept]
        kept = Counter(formats[d.instance, d.sample, d.seed] for d in chosen.kept) if formats else {}
        return StageResult(
            {
                **({"formats": dict(kept)} if kept else {}),
                "kept": len(chosen.kept),
                "dropped": len(chosen.dropped),
                "dropped_by_reason": counts,
                "reward": sum(rewards) / len(rewards),
                "least_reward": min(rewards),
            }
        )


def _formats(ctx: StageContext) -> dict[tuple[str, int, int], str]:
    """The format of every dialogue."""
    from optima_agents import EpisodeLog

    return {
        (episode.key.instance, episode.key.sample, episode.key.seed): str(episode.info.get("format", PLAIN))
        for episode in EpisodeLog.iterate(ctx.input("generate").episodes)
    }


def _empty(ctx: StageContext, ranked: Sequence[RankedRow], counts: dict[str, int]) -> str:
    best = max((d.reward for d in ranked if d.reward is not None), default=float("-inf"))
    why = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
    failures = Counter(d.failed for d in ranked if d.failed).most_common(1)
    most = f"; {failures[0][1]} of {len(ranked)} dialogues failed by {failures[0][0][:300]}" if failures else ""
    return (
        f"{ctx.step.path}: nothing selected ({why or 'no dialogues'}; the best reward is {best:.3f}, "
        f"select.threshold is {ctx.config.select.threshold:g}{most}); lower the threshold or sample more"
    )
