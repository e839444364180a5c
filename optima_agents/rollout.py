"""Rollouts: one asyncio task per episode under a semaphore; finished episodes stream out in completion order.

Memory is bounded by the concurrency, whatever the number of jobs. A failed episode is data: it carries an
``ErrorInfo`` and the turns made so far. Only a dead engine ends the stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optima_envs.records import Episode, EpisodeKey, Instance

from .dialogue import Dialogue
from .policy import Policy, seats

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

    from .store import EpisodeLog

Team = Policy | Mapping[str, Policy]


@dataclass(frozen=True, slots=True)
class Job:
    """One episode to roll out: the instance at ``index`` of the task, its ``sample`` number, the run's ``seed``.

    ``info`` is plain JSON copied into ``Episode.info`` (for example the format hint in use).
    """

    index: int
    sample: int = 0
    seed: int = 0
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Meter:
    """Live counts of one stream; ``rate("tokens")`` is per second since the first job started."""

    episodes: int = 0
    failed: int = 0
    skipped: int = 0
    turns: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    started: float | None = None

    def count(self, episode: Episode) -> None:
        self.episodes += 1
        self.failed += episode.error is not None
        self.turns += len(episode.turns)
        self.tokens += episode.tokens
        for turn in episode.turns:
            if turn.usage is not None:
                self.prompt_tokens += turn.usage.prompt_tokens
                self.cached_tokens += turn.usage.cached_tokens

    def rate(self, name: str) -> float:
        """The count ``name`` per second (0 before the start)."""
        if self.started is None:
            return 0.0
        return getattr(self, name) / max(time.perf_counter() - self.started, 1e-9)


class Rollouts:
    """Plays jobs of one scenario with one team.

    ``policies`` is one policy for every seat, a mapping agent -> policy, or a function job -> either.
    ``episode_timeout`` is in seconds, from an episode's first turn. ``retries`` is how often one turn is asked for
    again after a ``BackendError`` (never after a context overflow). With ``log``, every finished episode is
    appended before it is yielded, and keys already in the log are skipped. ``keep_ids=False`` drops token ids and
    logprobs from the records.
    """

    def __init__(
        self,
        scenario: Scenario,
        policies: Team | Callable[[Job], Team],
        *,
        concurrency: int = 64,
        episode_timeout: float = 600.0,
        retries: int = 0,
        log: EpisodeLog | None = None,
        keep_ids: bool = True,
    ) -> None:
        if concurrency < 1 or episode_timeout <= 0 or retries < 0:
            raise ValueError("concurrency >= 1, episode_timeout > 0 and retries >= 0 are needed")
        self.scenario = scenario
        self.concurrency = concurrency
        self.episode_timeout = episode_timeout
        self.retries = retries
        self.log = log
        self.keep_ids = keep_ids
        self.meter = Meter()
        self._team = _team_of(policies, scenario.rules.agents)
        self._latest: tuple[int, Instance] | None = None

    async def stream(self, jobs: Iterable[Job]) -> AsyncIterator[Episode]:
        """Episodes in completion order. Raises EngineDead at once when a backend's engine is gone.

        Closing or cancelling the stream cancels the episodes in flight; what is finished is in the log.
        """
        self.meter.started = time.perf_counter()
        ready: asyncio.Queue[Episode | BaseException | None] = asyncio.Queue(maxsize=self.concurrency)
        running: set[asyncio.Task[None]] = set()
        feeder = asyncio.create_task(self._feed(jobs, ready, running))
        try:
            while (item := await ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            feeder.cancel()
            for task in running:
                task.cancel()
            await asyncio.gather(feeder, *running, return_exceptions=True)

    async def _feed(self, jobs: Iterable[Job], ready: asyncio.Queue, running: set[asyncio.Task[None]]) -> None:
        """Pull jobs only as slots free up; then wait for the last ones and send the end mark."""
        slots = asyncio.Semaphore(self.concurrency)
        seen = self.log.keys() if self.log else None
        try:
            for job in jobs:
                inst = self._instance(job)
                key = EpisodeKey(inst.id if isinstance(inst, Instance) else f"index-{job.index}", job.sample, job.seed)
                if seen is not None:
                    if key in seen:
                        self.meter.skipped += 1
                        continue
                    seen.add(key)
                await slots.acquire()
                task = asyncio.create_task(self._run(job, key, inst, ready, slots))
                running.add(task)
                task.add_done_callback(running.discard)
            while running:
                await asyncio.wait(set(running))
            await ready.put(None)
        except Exception as err:  # a broken jobs iterable must reach the reader, not vanish with this task
            await ready.put(err)

    def _instance(self, job: Job) -> Instance | Exception:
        """The job's instance; samples of one instance come one after another, so the latest is kept."""
        if self._latest is None or self._latest[0] != job.index:
            try:
                self._latest = job.index, self.scenario.task[job.index]
            except Exception as err:
                return err
        return self._latest[1]

    async def _run(
        self, job: Job, key: EpisodeKey, inst: Instance | Exception, ready: asyncio.Queue, slots: asyncio.Semaphore
    ) -> None:
        try:
            game = Dialogue(self.scenario, key, inst, job.info, retries=self.retries, keep_ids=self.keep_ids)
            episode = await game.play(lambda: self._team(job), self.episode_timeout)
            if self.log is not None:
                episode = self.log.append(episode)
            self.meter.count(episode)
            await ready.put(episode)
        except Exception as err:  # a dead engine, a log that cannot be written: going on would lose episodes
            await ready.put(err)
        finally:
            slots.release()


def _team_of(policies: Team | Callable[[Job], Team], agents: tuple[str, ...]) -> Callable[[Job], dict[str, Policy]]:
    if isinstance(policies, (Mapping, Policy)):
        fixed = seats(policies, agents)
        return lambda job: fixed
    if not callable(policies):
        raise TypeError(f"policies must be a policy, a mapping or a function of a job, not {type(policies).__name__}")
    return lambda job: seats(policies(job), agents)


async def arollout(
    env: str | Scenario,
    policies: Team | Callable[[Job], Team],
    *,
    episodes: int,
    samples: int = 1,
    seed: int = 0,
    start: int = 0,
    concurrency: int = 64,
    episode_timeout: float = 600.0,
    retries: int = 0,
    log: EpisodeLog | None = None,
    progress: Callable[[Episode], None] | None = None,
    **scenario_kwargs: Any,
) -> list[Episode]:
    """Roll out ``samples`` episodes of each of the instances ``start .. start + episodes - 1``.

    Returns them in job order, logged ones of an earlier call included. ``env`` is an id (``scenario_kwargs`` go to
    ``optima_envs.scenario``) or a Scenario. ``progress`` is called with each episode as it finishes.
    """
    if isinstance(env, str):
        from optima_envs import scenario

        env = scenario(env, **scenario_kwargs)
    elif scenario_kwargs:
        raise TypeError(f"a ready Scenario takes no further arguments: {', '.join(scenario_kwargs)}")
    runner = Rollouts(env, policies, concurrency=concurrency, episode_timeout=episode_timeout, retries=retries, log=log)
    last = min(start + episodes, len(env.task))
    jobs = [Job(index, sample, seed) for index in range(start, last) for sample in range(samples)]
    done: dict[EpisodeKey, Episode] = {}
    async with aclosing(runner.stream(jobs)) as stream:  # type: ignore[type-var]
        async for episode in stream:
            done[episode.key] = episode
            if progress is not None:
                progress(episode)
    if log is not None and runner.meter.skipped:
        done = {episode.key: episode for episode in log.read(log.path)} | done
    order = [EpisodeKey(env.task[job.index].id, job.sample, job.seed) for job in jobs]
    return [done[key] for key in order if key in done]


def rollout(env: str | Scenario, policies: Team | Callable[[Job], Team], **kwargs: Any) -> list[Episode]:
    """``arollout`` for synchronous callers; inside a running event loop (a notebook) it runs in its own thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(arollout(env, policies, **kwargs))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="rollout") as pool:
        return pool.submit(lambda: asyncio.run(arollout(env, policies, **kwargs))).result()
