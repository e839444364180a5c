"""Live: rounds of dialogues and updates in turn, in one process, over the very model that is trained."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optima_envs.records import EpisodeKey

from ..run.files import write_json, write_lines
from ..run.progress import silent
from ..run.stage import Room, StageResult, Step, derive
from ..stages.generate import block
from ..stages.groups import GroupedLog
from ..stages.playing import EPISODES, play
from ..stages.rank import build_reward, rank_all
from .advantages import MEMORY, RowTally, credited, numbers, remembered
from .credit import credit
from .learning import learn
from .policy_rows import PolicyRow, policy_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optima_envs.records import View

    from ..run.stage import StageContext
    from .live_engine import LiveEngine
    from .trl_grpo import TeamGRPO

ROUNDS = "rounds.jsonl"


class Live:
    """``grpo.rounds`` rounds, each of ``generate.instances`` x ``generate.samples`` dialogues; writes them all below
    ``round*/``, a line for each round into ``rounds.jsonl``, and the model.

    An interrupted attempt starts afresh: what it had learned was nowhere but in memory.
    """

    name = "train"
    section = "grpo"
    room: Room = "training"
    keeps = False

    def run(self, ctx: StageContext) -> StageResult:
        config, scenario = ctx.config, ctx.scenario("train")
        rows = min(config.generate.instances, len(scenario.task)) * config.generate.samples
        rounds: list[Rounds] = []

        def source(trainer: TeamGRPO) -> Callable[[], Sequence[PolicyRow]]:
            from .live_engine import LiveEngine

            engine = LiveEngine(trainer.model, trainer.processing_class, batch=config.generate.concurrency)
            rounds.append(Rounds(ctx, trainer, engine, remembered(ctx, Step(ctx.iteration - 1, self).path)))
            return rounds[0]

        try:
            result, _ = learn(ctx, self, rows * len(scenario.rules.agents), config.grpo.rounds, source)
        finally:
            for one in rounds:
                one.close()
        write_lines(ctx.out / ROUNDS, rounds[0].told)
        write_json(ctx.out / MEMORY, rounds[0].memory)
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
        stage = replace_name(ctx.step, f"{ctx.step.stage.name}/round{number:03d}")
        here = replace(ctx, step=stage, report=silent)
        self._engine.playing()
        played = self._play(here, number)
        self._engine.training()
        log = GroupedLog(here.out / EPISODES)
        ranked = [row for group in ctx.engines.wait(rank_all(self._reward, list(log))) for row in group]
        rewards = {EpisodeKey(row["instance"], row["sample"], row["seed"]): row["reward"] for row in ranked}
        found = credit(log, rewards, ctx.config.grpo, self.memory)
        self.memory = dict(found.memory)
        tally, rows = RowTally(), []
        for episode, gains in credited(log, found):
            limit = ctx.config.train.max_length
            made = policy_rows(episode, self._scenario.rules, self._render, limit, gains, tally.dropped)
            tally.count(episode, made)
            rows += made
        sound = [row for row in ranked if row["reward"] is not None]
        means = Counter[str]()
        for row in sound:
            means.update({**row["terms"], "reward": row["reward"]})
        told = {name: value / len(sound) for name, value in means.items()}
        self.told.append(
            {"round": number, "step": self._trainer.state.global_step, **played, **told, **numbers(found)}
            | tally.numbers()
        )
        return rows

    def _play(self, here: StageContext, number: int) -> dict[str, Any]:
        from optima_agents import Job, LLMPolicy, Sampling

        config = here.config.generate
        place = here.iteration * here.config.grpo.rounds + number
        indices = block(here.config, place, len(self._scenario.task), config.instances)
        seed = derive(here.config.seed, "live", place)
        jobs = [Job(index, sample, seed) for index in indices for sample in range(config.samples)]
        policy = LLMPolicy(self._engine, Sampling(1.0, 1.0, config.max_tokens))
        tally = play(here, self._scenario, jobs, lambda job: policy, config)
        return {"failures": tally.failures, "dialogue_tokens": tally.per_dialogue()["tokens"], "cut_turns": tally.cut}

    def _render(self, view: View) -> list[int]:
        from optima_agents.prompts import messages

        return self._engine.render(messages(view))

    def numbers(self) -> dict[str, Any]:
        """Sums of the rounds' counts, and reward and tokens of the first and the last."""
        counted = ("dialogues", "failures", "groups", "groups_without_spread", "rows", "trained_tokens")
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


def replace_name(step: Step, name: str) -> Step:
    """The step of a stage known by another name: its directory is ``name``."""

    class Named(type(step.stage)):  # type: ignore[misc]
        pass

    Named.name = name
    return Step(step.iteration, Named())
