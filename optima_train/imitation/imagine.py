"""Imagine: the team sets itself tasks for the tools of an environment, tries them, and keeps what seems to have worked
(STE, arXiv 2403.04746). No answer is known and none is used."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optima_envs.records import ENVIRONMENT

from ..run.failpoints import failpoint
from ..run.progress import ProgressReporter
from ..run.stage import StageError, StageKind, StageResult
from ..stages.generate import block
from ..trajectories.exploring import TRIAL, tools_of, trials_of
from ..trajectories.transcript import Dropped
from .collect import SOURCE
from .explorer import Explorer, Voice
from .mix import OWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optima_envs.games.tool_use import ToolUse
    from optima_envs.records import Episode
    from optima_envs.scenario import Scenario

    from ..run.stage import StageContext

FAILED, UNFINISHED, UNCALLED, REJECTED = "failed", "unfinished", "no successful call", "judged unsolved"


class Imagine:
    """Writes ``trials.jsonl``, every trial as it ends, and of those that are learned from ``episodes.jsonl``, of the
    others ``dropped.jsonl``. An interrupted attempt is resumed after its last trial."""

    name = "imagine"
    kind: StageKind = "inference"
    resumes = True

    def run(self, ctx: StageContext) -> StageResult:
        from optima_agents.making import make_backend

        config = ctx.config.imagine
        ctx.engines.keep_only(ctx.policy)
        scenario, voice, judge = trials_of(ctx.config), self._voice(ctx), None
        if config.judge != "self":
            judge = Voice(make_backend(config.judge))
        explorers = [
            Explorer(scenario, inst, name, form, config, ctx.seed("imagine"), voice, judge or voice)
            for inst, name, form in self._tools(ctx, scenario)
        ]
        try:
            self._explore(ctx, explorers)
        finally:
            if judge is not None:
                ctx.engines.wait(judge.backend.aclose())
        return self._filter(ctx, len(explorers), scenario.rules)

    @staticmethod
    def _voice(ctx: StageContext) -> Voice:
        (agent,) = ctx.scenario("train").rules.agents
        return Voice(*ctx.engines.player(ctx.policy, agent))

    @staticmethod
    def _tools(ctx: StageContext, scenario: Scenario) -> Iterator[tuple[Any, str, str]]:
        """(instance, tool, how it is called) of every explorer."""
        wanted = ctx.config.imagine.tools
        for index in block(ctx.config, ctx.iteration, len(scenario.task), ctx.config.imagine.instances):
            inst = scenario.task[index]
            for name, form in tools_of(scenario.rules, inst.meta).items():
                if wanted == "all" or name in wanted:
                    yield inst, name, form

    def _explore(self, ctx: StageContext, explorers: list[Explorer]) -> None:
        """All trials, those of an explorer one after another. Raises StageError when every one failed."""
        import asyncio

        from optima_agents import EpisodeLog
        from optima_agents.guard import together

        config = ctx.config.imagine
        before: defaultdict[tuple[str, str], list[Episode]] = defaultdict(list)
        with EpisodeLog(ctx.files.trials) as log:
            for trial in EpisodeLog.iterate(ctx.files.trials):
                before[trial.info[TRIAL]["world"], trial.info[TRIAL]["tool"]].append(trial)
            total, known = len(explorers) * config.episodes * config.trials, sum(map(len, before.values()))
            progress = ProgressReporter(ctx.report, ctx.step.path, total, "trials", before=known)
            gate, ended = asyncio.Semaphore(config.concurrency), Counter[str]()

            async def explore(one: Explorer) -> None:
                async with gate, aclosing(one.explore(before[one.background.id, one.tool])) as trials:  # type: ignore[type-var]
                    async for trial in trials:
                        log.append(trial)
                        progress.count(trial.tokens)
                        ended["trials"] += 1
                        failpoint(ctx.step.path, ended["trials"])

            ctx.engines.wait(together((explore(one) for one in explorers), hurry=True))

    @staticmethod
    def _filter(ctx: StageContext, explorers: int, rules: Any) -> StageResult:
        """Keep what is learned from, in an order that does not depend on which explorer was quicker."""
        from optima_agents.store import EpisodeLog, LineLog

        for path in (ctx.files.episodes, ctx.files.dropped):  # of an attempt that was killed here
            path.unlink(missing_ok=True)
        reasons: Counter[str] = Counter()
        trials = sorted(EpisodeLog.read(ctx.files.trials), key=_place)
        tasks = {trial.instance.question for trial in trials}
        with EpisodeLog(ctx.files.episodes) as log, LineLog(ctx.files.dropped) as dropped:
            for row, trial in enumerate(trials):
                found = kept(trial, rules, ctx.config.imagine.calls)
                if isinstance(found, str):
                    reasons[found] += 1
                    dropped.write(Dropped("", row, trial.instance.id, found).to_json())
                else:
                    log.append(found)
        left = len(trials) - reasons.total()
        if not left:
            why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "no tool is explored"
            raise StageError(
                f"{ctx.step.path}: none of {len(trials)} trials is worth learning from ({why}); show the model tools "
                f"first (data, and imagine.first=1), or explore more"
            )
        unclear = sum(trial.info[TRIAL].get("solved") is None for trial in trials if trial.error is None)
        numbers = {"explorers": explorers, "trials": len(trials), "kept": left, "dropped": dict(reasons),
                   "different_tasks": len(tasks), "unclear_judgements": unclear}  # fmt: skip
        return StageResult(numbers)


def kept(trial: Episode, rules: ToolUse, calls: str) -> Episode | str:
    """What is learned of a trial, or why nothing is."""
    if trial.error is not None:
        return FAILED
    if trial.outcome.stop != "answered":
        return UNFINISHED
    at = last_success(trial, rules)
    if at is None:
        return UNCALLED
    if trial.info[TRIAL]["solved"] is False:
        return REJECTED
    own = replace(trial, info={**trial.info, SOURCE: OWN})
    return own if calls == "all" else replace(own, turns=(*trial.turns[at : at + 2], trial.turns[-1]))


def last_success(trial: Episode, rules: ToolUse) -> int | None:
    """The number of the last turn whose call was carried out and gave no error."""
    inst, turns = trial.instance, trial.turns
    for at in range(len(turns) - 1, 0, -1):
        if turns[at].agent == ENVIRONMENT:
            done = rules.state(inst, turns[: at + 1]).done
            if len(done) > len(rules.state(inst, turns[:at]).done) and not done[-1].observation.startswith("error"):
                return at - 1
    return None


def _place(trial: Episode) -> tuple[str, str, int]:
    told = trial.info[TRIAL]
    return told["world"], told["tool"], told["number"]
