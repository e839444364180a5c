"""Rollouts: one asyncio task per episode under a semaphore; finished episodes stream out in completion order.

Memory is bounded by the concurrency (and a few bytes per instance), whatever the number of jobs. A failed episode is
data: it carries an ``ErrorInfo`` and the turns made so far. Only a dead engine, a full disk and the like end all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance

from .backends.base import Sampling
from .dialogue import Dialogue, Player
from .seating import Seating
from .store import asked

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

    from .store import EpisodeLog


class PolicyError(RuntimeError):
    """Every dialogue fails in the policy: it is broken, and going on would only make more of the same."""


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
        self.turns += len(episode.spoken)
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

    ``policies`` is what may sit in the seats (see ``seating``): one policy for every seat, a mapping agent -> policy,
    or a function job -> either. In its place ``player`` may make, of a job, its key and its instance, what plays it.

    ``episode_timeout`` is in seconds without progress: no turn ended, and no engine that tells of its progress made
    any. ``retries`` is how often one turn is asked for again after a ``BackendError`` (never after a context overflow).
    With ``log``, every finished episode is appended before it is yielded, and keys already in the log are skipped,
    except those whose backend failed, or with ``retry_failed`` all that failed: these leave the log and are played
    again. ``keep_ids=False`` drops token ids and logprobs from the records. ``patience``: raise PolicyError when that
    many episodes failed in the policy before any other ended. ``sampling`` is that of backends named in a seat. A
    policy with a true ``serial``, such as a person, plays one dialogue at a time.
    """

    def __init__(
        self,
        scenario: Scenario,
        policies: object = None,
        *,
        player: Callable[[Job, EpisodeKey, Instance | Exception], Player] | None = None,
        concurrency: int = 64,
        episode_timeout: float = 600.0,
        retries: int = 0,
        log: EpisodeLog | None = None,
        keep_ids: bool = True,
        retry_failed: bool = False,
        patience: int | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        if concurrency < 1 or episode_timeout <= 0 or retries < 0:
            raise ValueError("concurrency >= 1, episode_timeout > 0 and retries >= 0 are needed")
        self.scenario = scenario
        self.concurrency = concurrency
        self.episode_timeout = episode_timeout
        self.retries = retries
        self.log = log
        self.keep_ids = keep_ids
        self.retry_failed = retry_failed
        self.patience = patience
        self.meter = Meter()
        self.places: dict[EpisodeKey, int] = {}  # with a log: the byte at which the line of an episode begins
        self.seating = Seating(policies, scenario.rules.agents, sampling) if player is None else None
        self._player = player or self._dialogue
        self._latest: tuple[int, Instance | Exception] | None = None
        self._owners: dict[str, int] = {}  # the first index of every instance id
        self._asked: dict[str, int] = {}  # what the log says that an instance asks
        self._serial = asyncio.Lock()

    async def stream(self, jobs: Iterable[Job]) -> AsyncGenerator[Episode]:
        """Episodes in completion order. Raises EngineDead at once when a backend's engine is gone, OSError when a disk
        is full or the log cannot be written, and ValueError for a log that holds something else.

        Closing or cancelling the stream cancels the episodes in flight; what is finished is in the log.
        """
        self.meter.started = time.perf_counter()
        ready: asyncio.Queue[Episode | BaseException | None] = asyncio.Queue(maxsize=self.concurrency)
        running: set[asyncio.Task[None]] = set()
        failed = 0
        feeder = asyncio.create_task(self._feed(jobs, ready, running))
        try:
            while (item := await ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
                policy_failed = item.error is not None and item.error.kind == "policy"
                failed = failed + 1 if policy_failed and failed >= 0 else -1
                if failed == self.patience and item.error is not None:
                    raise PolicyError(f"the first {failed} dialogues all failed in the policy: {item.error.message}")
        finally:
            feeder.cancel()
            for task in running:
                task.cancel()
            await asyncio.gather(feeder, *running, return_exceptions=True)

    async def _feed(self, jobs: Iterable[Job], ready: asyncio.Queue, running: set[asyncio.Task[None]]) -> None:
        """Pull jobs only as slots free up; then wait for the last ones and send the end mark."""
        slots = asyncio.Semaphore(self.concurrency)
        try:
            self._read_log()
            for job in jobs:
                if self.seating is not None:
                    self.seating.settle(job)
                key, inst = self.named(job)
                if self.log is not None:
                    if key in self.places:
                        self.meter.skipped += 1
                        continue
                    self.places[key] = -1  # under way
                await slots.acquire()
                task = asyncio.create_task(self._run(job, key, inst, ready, slots))
                running.add(task)
                task.add_done_callback(running.discard)
            while running:
                await asyncio.wait(set(running))
            await ready.put(None)
        except Exception as err:  # broken jobs, or a broken log, must reach the reader, not vanish with this task
            await ready.put(err)

    def _read_log(self) -> None:
        """Learn what is in the log; failures that are to be asked for again leave it. Raises ValueError."""
        self.places.clear()
        if self.log is None:
            return
        if any(self._again(entry.error) for entry in self.log.entries()):
            self.log.forget(lambda entry: self._again(entry.error))
        for entry in self.log.entries():
            if entry.env != self.scenario.id:
                raise ValueError(
                    f"{self.log.path} holds dialogues of {entry.env}, not {self.scenario.id}; name another file"
                )
            self.places[entry.key] = entry.line
            if entry.asked:
                self._asked[entry.key.instance] = entry.asked

    def _again(self, error: ErrorInfo | None) -> bool:
        """Whether a logged episode is played again: an overflowing prompt would not fit the next time either."""
        if error is None:
            return False
        return self.retry_failed or (error.kind == "backend" and not error.message.startswith("ContextOverflow"))

    def named(self, job: Job) -> tuple[EpisodeKey, Instance | Exception]:
        """The key of a job's episode and its instance. Raises ValueError when the log knows the instance as another
        question, or with other golds."""
        inst = self._instance(job)
        if isinstance(inst, Instance):
            owner = self._owners.setdefault(inst.id, job.index)
            if owner != job.index:
                inst = ValueError(f"the id {inst.id!r} is that of instance {owner} too; every instance needs its own")
        if not isinstance(inst, Instance):
            return EpisodeKey(f"index-{job.index}", job.sample, job.seed), inst
        if self.log is not None and self._asked.get(inst.id, now := asked(inst.question, inst.answers)) != now:
            raise ValueError(
                f"{self.log.path} has another question, or other golds, under {inst.id!r} than {self.scenario.id} has "
                "now: the data were changed; name another file"
            )
        return EpisodeKey(inst.id, job.sample, job.seed), inst

    def _instance(self, job: Job) -> Instance | Exception:
        """The job's instance; samples of one instance come one after another, so the latest is kept."""
        if self._latest is None or self._latest[0] != job.index:
            try:
                found: Any = self.scenario.task[job.index]
                if not isinstance(found, Instance) or not isinstance(found.id, str):
                    found = TypeError(f"the task gave {found!r:.80}, which is no Instance with a text as its id")
            except Exception as err:
                found = err
            self._latest = job.index, found
        return self._latest[1]

    def _dialogue(self, job: Job, key: EpisodeKey, inst: Instance | Exception) -> Player:
        """The environment's own dialogue, with the team of the job."""
        assert self.seating is not None  # noqa: S101 - for the type checker: there is another player then
        try:
            team = self.seating.of(job)
        except Exception as err:
            team = err
        return Dialogue(self.scenario, key, inst, job.info, team=team, retries=self.retries, keep_ids=self.keep_ids)

    async def play(self, job: Job) -> Episode:
        """One episode by itself: it goes into no log and no count. Raises as ``stream`` does."""
        if self.seating is not None:
            self.seating.settle(job)
        return await self._played(job, *self.named(job))

    async def _played(self, job: Job, key: EpisodeKey, inst: Instance | Exception) -> Episode:
        player = self._player(job, key, inst)
        async with self._serial if player.serial else nullcontext():
            return await player.play(self.episode_timeout)

    async def _run(
        self, job: Job, key: EpisodeKey, inst: Instance | Exception, ready: asyncio.Queue, slots: asyncio.Semaphore
    ) -> None:
        try:
            episode = await self._played(job, key, inst)
            if self.log is not None:
                episode, self.places[key] = self.log.put(episode)
            self.meter.count(episode)
            await ready.put(episode)
        except Exception as err:  # a dead engine, a log that cannot be written: going on would lose episodes
            await ready.put(err)
        finally:
            slots.release()
