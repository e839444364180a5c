"""Live: rounds of dialogues and updates in turn, in one process, over the very model that is trained."""

from __future__ import annotations

from collections import Counter
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from optima_envs.records import EpisodeKey

from ..run.files import write_json, write_lines
from ..run.progress import silent
from ..run.stage import StageKind, StageResult, Step, derive
from ..stages.generate import formats, training_jobs, training_policy
from ..stages.groups import GroupedLog
from ..stages.playing import Cast, play
from ..stages.rank import build_reward, rank_all
from .advantages import remembered
from .credit.dialogues import credit, credited
from .credit.policy_rows import RowTally, policy_rows
from .learning import learn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optima_envs.records import View

    from ..run.records import PolicyRow, RankedRow
    from ..run.stage import StageContext
    from .live_engine import LiveEngine
    from .trainer.team_grpo import TeamGRPO


class Live:
    """``grpo.rounds`` rounds, each of ``generate.instances`` x ``generate.samples`` dialogues; writes them all below
    ``round*/``, a line for each round into ``rounds.jsonl``, and the model.

    An interrupted attempt starts afresh: what it had learned was nowhere but in memory.
    """

    name = "train"
    reads = ("generate", "reward", "grpo", "train")
    section = "grpo"
    kind: StageKind = "training"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        config, scenario = ctx.config, ctx.scenario("train")
        rows = min(config.generate.instances, len(scenario.task)) * config.generate.samples
        rounds: list[Rounds] = []

        def source(trainer: TeamGRPO) -> Callable[[], Sequence[PolicyRow]]:
            from .live_engine import LiveEngine

            engine = LiveEngine(trainer.model, trainer.processing_class, batch=config.generate.concurrency)
            rounds.append(Rounds(ctx, trainer, engine, remembered(ctx, self)))
            return rounds[0]

        try:
            result, _ = learn(ctx, self, rows * len(scenario.rules.agents), config.grpo.rounds, source)
        finally:
            for one in rounds:
                one.close()
        write_lines(ctx.files.rounds, rounds[0].told)
        write_json(ctx.files.memory, rounds[0].memory)
        return replace(result, numbers={**rounds[0].numbers(), **result.numbers})


class Rounds:
    """The source of rows: each call plays a round with the model as it is."""

    def __init__(self, ctx: StageContext, trainer: TeamGRPO, engine: LiveEngine, memory: dict[str, float]) -> None:
        self.told: list[dict[str, Any]] = []
        self.memory = memory
        self._ctx, self._trainer, self._engine = ctx, trainer, engine
        self._scenario = ctx.scenario("train")
        self._reward = build_reward(ctx)

    def __call__(self) -> list[PolicyRow]:
        ctx, number = self._ctx, len(self.told)
        here = replace(ctx, step=_named(ctx.step, f"{ctx.step.stage.name}/round{number:03d}"), report=silent)
        self._engine.playing()
        played = self._play(here, ctx.iteration * ctx.config.grpo.rounds + number)
        self._engine.training()
        log = GroupedLog(here.files.episodes)
        ranked = [row for group in ctx.engines.wait(rank_all(self._reward, list(log))) for row in group]
        rewards = {EpisodeKey(row.instance, row.sample, row.seed): row.reward for row in ranked}
        found = credit(log, rewards, ctx.config.grpo, self.memory)
        self.memory = dict(found.memory)
        tally, rows = RowTally(), []
        for episode, advantages in credited(log, found):
            limit = ctx.config.train.max_length
            made = policy_rows(episode, self._scenario.rules, self._render, limit, advantages, tally.dropped)
            tally.count(made)
            rows += made
        told = {"round": number, "step": self._trainer.state.global_step, **played, **means(ranked)}
        self.told.append({**told, **found.numbers(), **tally.numbers()})
        return rows

    def _play(self, here: StageContext, number: int) -> dict[str, Any]:
        """Play the ``number``-th round of the run."""
        from optima_agents import LLMPolicy

        config = here.config
        pool = formats(config, here.iteration, getattr(self._scenario.rules, "family", ""))
        seed = derive(config.seed, "live", number)
        jobs = training_jobs(config, number, len(self._scenario.task), seed, pool)
        seat = training_policy(partial(LLMPolicy, self._engine), config, 1.0, pool)
        tally = play(here, Cast(self._scenario, seat, config.generate), jobs)
        told = {"dialogue_tokens": tally.per_dialogue()["tokens"], "sampled_tokens": tally.tokens}
        return {"failures": tally.failures, **told, "cut_turns": tally.cut}

    def _render(self, view: View) -> list[int]:
        from optima_agents.prompts import messages

        return self._engine.render(messages(view))

    def numbers(self) -> dict[str, Any]:
        """Sums of the rounds' counts, and reward and tokens of the first and the last."""
        counted = ("dialogues", "failures", "groups", "groups_without_spread", "rows")
        counted += ("trained_tokens", "sampled_tokens")
        first, last = self.told[0], self.told[-1]
        return {
            "rounds": len(self.told),
            **{name: sum(row[name] for row in self.told) for name in counted},
            "reward": last.get("reward", 0.0),
            "first_reward": first.get("reward", 0.0),
            "dialogue_tokens": last["dialogue_tokens"],
            "first_dialogue_tokens": first["dialogue_tokens"],
        }

    def close(self) -> None:
        self._ctx.engines.wait(self._engine.aclose())


def means(ranked: Sequence[RankedRow]) -> dict[str, float]:
    """Mean reward and terms of the dialogues that have one."""
    sums: Counter[str] = Counter()
    sound = [row for row in ranked if row.reward is not None]
    for row in sound:
        sums.update({**row.terms, "reward": row.reward})
    return {name: value / len(sound) for name, value in sums.items()}


def _named(step: Step, name: str) -> Step:
    """The step under another name, and so with another directory."""
    stage = copy(step.stage)
    stage.name = name
    return Step(step.iteration, stage)
