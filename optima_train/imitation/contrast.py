"""Contrast: whole dialogues on one instance, the better against the worse (ETO, arXiv 2403.02502).

Each agent gives one pair: its prompt is what both dialogues begin with, chosen and rejected are all that follows from
its view, with a mask on its own tokens. Partners' and the world's are read and never scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optima_envs.records import ENVIRONMENT

from ..run.progress import ProgressReporter
from ..run.records import ContrastRow, RankedRow, read_records, write_records
from ..run.stage import StageError, StageKind, StageResult
from ..stages.groups import GroupedLog
from .collect import SOURCE
from .mix import tokeniser_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optima_envs.records import Episode

    from ..config.settings import ContrastConfig
    from ..run.records import TrainingRow
    from ..run.stage import StageContext
    from ..trajectories.rows import Tokeniser

FAILED, TIES, UNFINISHED = "failed", "no better one", "unfinished"
BROKEN, SAME, NO_EXPERT = "more than one row of an agent", "nothing of its own differs", "no dialogue of the expert"
BEST = "best"


@dataclass(frozen=True, slots=True)
class Worth:
    """A dialogue and what it is compared by."""

    episode: Episode
    value: float


class Contrast:
    """Reads the log of ``generate``, its rewards, and with ``contrast.experts`` the first iteration's ``collect``;
    writes ``pairs.jsonl``. No pairs at all are a valid, empty result with a reason."""

    name = "pairs"
    kind: StageKind = "inference"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        config = ctx.config.contrast
        log, dropped = GroupedLog(ctx.input("generate").episodes), Counter[str]()
        values = {
            (row.instance, row.sample, row.seed): row for row in read_records(ctx.input("rank").rewards, RankedRow)
        }
        shown = {} if config.experts == BEST else _shown(ctx, config.experts)
        tokeniser, pairs = tokeniser_of(ctx), 0

        def rows() -> Iterator[ContrastRow]:
            nonlocal pairs
            progress = ProgressReporter(ctx.report, ctx.step.path, len(log), "groups")
            for tree, group in enumerate(log):
                explored: list[Worth] = []
                for episode in group.episodes:
                    ranked = values.get((group.instance, episode.key.sample, episode.key.seed))
                    if ranked is None or ranked.reward is None:
                        dropped[FAILED] += 1
                    else:
                        explored.append(Worth(episode, ranked.reward if config.by == "reward" else episode.score))
                for better, worse in contrasted(explored, shown.get(group.instance), config, dropped):
                    for row in pairs_of(better, worse, tree, config, tokeniser, dropped):
                        pairs += 1
                        yield row
                progress.count()

        write_records(ctx.files.pairs, rows())
        numbers = {"groups": len(log), "pairs": pairs, "dropped": dict(dropped)}
        reason = ", ".join(f"{count} {why}" for why, count in dropped.most_common()) or "no dialogues"
        return StageResult(numbers if pairs else {**numbers, "reason": reason})


def contrasted(
    explored: Sequence[Worth], shown: Episode | None, config: ContrastConfig, dropped: Counter[str]
) -> list[tuple[Worth, Worth]]:
    """(better, worse) of the dialogues on one instance; those that give none are counted by reason."""
    if not explored:
        return []
    ordered = sorted(explored, key=lambda one: (one.value, -one.episode.key.sample))
    if config.experts == BEST:
        reference, others = ordered[-1], ordered[:-1]
    elif shown is None:
        dropped[NO_EXPERT] += 1
        return []
    else:
        reference, others = Worth(shown, shown.score), ordered
    found: list[tuple[Worth, Worth]] = []
    for other in others if config.per == "all" else others[:1]:
        better, worse = (reference, other) if reference.value >= other.value else (other, reference)
        if better.value > worse.value and better.value - worse.value >= config.min_gap:
            found.append((better, worse))
        else:
            dropped[TIES] += 1
    return found


def pairs_of(
    better: Worth, worse: Worth, tree: int, config: ContrastConfig, tokeniser: Tokeniser, dropped: Counter[str]
) -> Iterator[ContrastRow]:
    """A pair for each agent that spoke in both dialogues; the worse one is cut at ``extra_turns`` more turns."""
    cut = replace(worse.episode, turns=worse.episode.turns[: len(better.episode.turns) + config.extra_turns])
    if any(not one.turns or one.turns[-1].agent == ENVIRONMENT for one in (better.episode, cut)):
        dropped[UNFINISHED] += 1
        return
    good, bad = _by_agent(better.episode, tokeniser), _by_agent(cut, tokeniser)
    for agent in sorted(good.keys() & bad.keys()):
        if len(good[agent]) > 1 or len(bad[agent]) > 1:
            dropped[BROKEN] += 1
            continue
        chosen, rejected = good[agent][0], bad[agent][0]
        start = common(chosen, rejected)
        if chosen.input_ids[start:] == rejected.input_ids[start:]:
            dropped[SAME] += 1
            continue
        yield ContrastRow(
            instance=better.episode.instance.id,
            tree=tree,
            node=worse.episode.key.sample,
            agent=agent,
            depth=0,
            prompt_ids=chosen.input_ids[:start],
            chosen_ids=chosen.input_ids[start:],
            rejected_ids=rejected.input_ids[start:],
            chosen=_said(better.episode, agent),
            rejected=_said(cut, agent),
            chosen_value=better.value,
            rejected_value=worse.value,
            chosen_mask=chosen.completion_mask[start:],
            rejected_mask=rejected.completion_mask[start:],
        )


def common(one: TrainingRow, other: TrainingRow) -> int:
    """How many tokens two rows begin with alike before either agent's first own token."""
    end = min(row.completion_mask.index(1) for row in (one, other))
    return next((k for k in range(end) if one.input_ids[k] != other.input_ids[k]), end)


def _by_agent(episode: Episode, tokeniser: Tokeniser) -> dict[str, list[TrainingRow]]:
    found: dict[str, list[TrainingRow]] = {}
    for row in tokeniser.rows(episode):
        found.setdefault(row.agent, []).append(row)
    return found


def _said(episode: Episode, agent: str) -> str:
    return "\n".join(turn.text for turn in episode.turns if turn.agent == agent)


def _shown(ctx: StageContext, source: str) -> dict[str, Episode]:
    """The expert's dialogue on each instance, the first one of each. Raises StageError."""
    from optima_agents.store import EpisodeLog

    log = ctx.run.of_iteration(0, "collect").episodes
    if not log.is_file():
        raise StageError(f"{ctx.step.path}: contrast.experts={source}: no dialogues were collected")
    shown: dict[str, Episode] = {}
    for item in EpisodeLog.iterate(log):
        if item.info.get(SOURCE) == source and item.error is None:
            shown.setdefault(item.instance.id, item)
    return shown
