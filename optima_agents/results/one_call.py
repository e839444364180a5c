"""Rollouts and evaluations in one call: an environment, a policy, how many; episodes or a score come back."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from optima_envs.records import Episode, EpisodeKey

from ..backends.base import Sampling
from ..rollout import Job, Rollouts
from ..team import close_team
from ..workers.dialogues import Dialogues, afar
from ..workers.opening import open_workers
from ..workers.worker import Setup, Site
from .episodes import Episodes, frame
from .summary import Summary, summarise

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

    from ..store import EpisodeLog

T = TypeVar("T")
PATIENCE = 8  # so many dialogues may fail in the policy at the start, one after another, before a rollout gives up
GREEDY = Sampling(0.0)


def as_scenario(env: object, given: Mapping[str, Any]) -> Scenario:
    """The scenario of an id and its arguments, of a made environment, or one that is ready. Raises TypeError."""
    from optima_envs import Scenario, scenario

    if isinstance(env, str):
        return scenario(env, **given)
    ready = env if isinstance(env, Scenario) else getattr(getattr(env, "unwrapped", None), "scenario", None)
    if not isinstance(ready, Scenario):
        raise TypeError(
            f"env is an id such as 'twohop-asym', a Scenario or a made environment, not {type(env).__name__}"
        )
    if given:
        raise TypeError(f"a ready environment takes no further arguments: {', '.join(given)}")
    return ready


async def arollout(env: str | Scenario | object, policies: object, *, episodes: int, **kwargs: Any) -> Episodes:
    """Roll out ``samples`` (1) episodes of each of the instances ``start`` (0) ``.. start + episodes - 1``.

    ``env`` is an id (arguments that are not named here go to ``optima_envs.scenario``), a Scenario, or an environment
    that ``optima_envs.make`` made (its wrappers play no part here). What ``policies`` may be, and ``concurrency``,
    ``episode_timeout``, ``retries``, ``log``, ``retry_failed``, ``keep_ids`` and ``sampling``, say ``Rollouts`` and
    ``seating``; engines opened by name are closed at the end. ``seed`` is the run's, ``progress`` is called with each
    episode as it finishes. ``workers``, such as ``"ray:local"``, play in this process's place, ``concurrency`` each;
    ``env`` and ``policies`` are then best given by name, since what they are is opened there.

    ``log`` may be a path, opened for the call. Returns them in job order; with a ``log``, logged ones of an earlier
    call included, and none of them held in memory. Warns when some failed. Raises PolicyError when the policy fails in
    all of the first eight.
    """
    with _log(kwargs.pop("log", None)) as log:
        played, failed = await play(env, policies, episodes=episodes, log=log, **kwargs)
    if failed:
        warnings.warn(failed, RuntimeWarning, stacklevel=2)
    return played


@contextmanager
def _log(given: EpisodeLog | str | os.PathLike[str] | None) -> Iterator[EpisodeLog | None]:
    """A log that is open already as it is; that of a path, opened for the call."""
    if not isinstance(given, (str, os.PathLike)):
        yield given
        return
    from ..store import EpisodeLog

    with EpisodeLog(given) as log:
        yield log


def rollout(env: str | Scenario | object, policies: object, *, episodes: int, **kwargs: Any) -> Episodes:
    """``arollout`` for synchronous callers; inside a running event loop (a notebook) it runs in its own thread."""
    with _log(kwargs.pop("log", None)) as log:
        played, failed = waited(lambda: play(env, policies, episodes=episodes, log=log, **kwargs))
    if failed:
        warnings.warn(failed, RuntimeWarning, stacklevel=2)
    return played


async def play(
    env: str | Scenario | object,
    policies: object,
    *,
    episodes: int,
    samples: int = 1,
    seed: int = 0,
    start: int = 0,
    concurrency: int = 64,
    episode_timeout: float = 600.0,
    retries: int = 0,
    log: EpisodeLog | None = None,
    retry_failed: bool = False,
    keep_ids: bool = True,
    sampling: Sampling | None = None,
    progress: Callable[[Episode], None] | None = None,
    keep: int | None = None,
    workers: str | None = None,
    there: Callable[[Site], Dialogues] | None = None,
    **scenario_kwargs: Any,
) -> tuple[Episodes, str]:
    """What ``arollout`` gives, and which failed: ``2 of 10 failed: the first one's reason``, empty for none.

    ``keep``: without a log, give back so many of the first ones only, so that memory does not grow with all of them.
    ``there``: what each of the ``workers`` opens, where that cannot be told by ``env`` and ``policies``.
    """
    scenario = as_scenario(env, scenario_kwargs)
    logged: dict[str, Any] = {"log": log, "retry_failed": retry_failed, "patience": PATIENCE}
    playing: dict[str, Any] = {"concurrency": concurrency, "episode_timeout": episode_timeout, "retries": retries}
    playing |= {"keep_ids": keep_ids, "sampling": sampling}
    wanted = _Wanted(episodes, samples, seed, start, keep, progress)
    if workers is not None:
        pool = open_workers(workers)
        make = there or partial(seated, env, scenario_kwargs, policies, playing)
        try:
            async with pool.crew(Setup(make)) as crew:
                return await _follow(afar(scenario, crew, **logged), wanted)
        finally:
            await pool.aclose()
    runner = Rollouts(scenario, policies, **playing, **logged)
    try:
        return await _follow(runner, wanted)
    finally:
        if runner.seating is not None:
            await close_team(runner.seating.opened.values())


def seated(
    env: object, given: Mapping[str, Any], policies: object, playing: Mapping[str, Any], site: Site
) -> Dialogues:
    """In a worker: dialogues of ``env`` with ``policies`` in the seats."""
    rollouts = Rollouts(as_scenario(env, given), policies, **playing)
    seating = rollouts.seating
    return Dialogues(rollouts, None if seating is None else lambda: close_team(seating.opened.values()))


@dataclass(frozen=True)
class _Wanted:
    episodes: int
    samples: int
    seed: int
    start: int
    keep: int | None
    progress: Callable[[Episode], None] | None


async def _follow(runner: Rollouts, wanted: _Wanted) -> tuple[Episodes, str]:
    """Play what is wanted by ``runner``, and give it back in order."""
    keep, log, progress = wanted.keep, runner.log, wanted.progress
    order: list[EpisodeKey] = []
    done: dict[EpisodeKey, Episode] = {}
    first = ""

    def jobs() -> Iterator[Job]:
        for index in range(wanted.start, min(wanted.start + wanted.episodes, len(runner.scenario.task))):
            for sample in range(wanted.samples):
                job = Job(index, sample, wanted.seed)
                order.append(runner.named(job)[0])
                yield job

    async with aclosing(runner.stream(jobs())) as stream:  # type: ignore[type-var]
        async for episode in stream:
            if log is None and (keep is None or episode.key in order[:keep]):
                done[episode.key] = episode
            if episode.error is not None and not first:
                first = f"{episode.error.kind}: {episode.error.message}"
            if progress is not None:
                progress(episode)
    failed = f"{runner.meter.failed} of {runner.meter.episodes} failed: {first}" if first else ""
    if log is None:
        return Episodes(done[key] for key in order[:keep]), failed
    return Episodes((runner.places[key] for key in order), log.path), failed


def waited(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What a coroutine function comes to, for synchronous callers, with or without a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="rollout") as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


@dataclass(frozen=True)
class Results:
    """What a team reached: ``score`` and ``tokens`` with their 95% intervals, ``summary`` with every number (see
    ``Summary``), and the ``episodes``."""

    env: str
    episodes: Episodes
    summary: Summary = field(repr=False)

    @property
    def score(self) -> float:
        return self.summary.score

    @property
    def score_ci(self) -> tuple[float, float]:
        return self.summary.score_ci

    @property
    def tokens(self) -> float:
        """Sampled tokens per dialogue."""
        return self.summary.tokens

    @property
    def tokens_ci(self) -> tuple[float, float]:
        return self.summary.tokens_ci

    def __repr__(self) -> str:
        (low, high), (least, most), found = self.score_ci, self.tokens_ci, self.summary
        text = f"{self.env}: score {self.score:.3f} [{low:.3f}, {high:.3f}], "
        text += f"{self.tokens:.1f} tokens [{least:.1f}, {most:.1f}], {found.n} instances"
        text += f" in {found.episodes} episodes" if found.episodes != found.n else ""
        return f"<{text}{', ' + found.failed() if found.failures else ''}>"

    def to_pandas(self) -> Any:
        """A pandas DataFrame of one row with all numbers, to be put below others; ``episodes.to_pandas()`` has a row
        per episode. Raises ImportError without pandas."""
        numbers = asdict(self.summary) | {"env": self.env}
        numbers.pop("by_instance")
        return frame([numbers], ["env", *(name for name in numbers if name != "env")])


def evaluate(
    env: object,
    policies: object,
    *,
    episodes: int = 300,
    seed: int = 0,
    sampling: Sampling = GREEDY,
    **kwargs: Any,
) -> Results:
    """Play ``episodes`` instances of the environment's evaluation split once each (``samples=`` for more), and sum up.

    Arguments are those of ``arollout``; a backend named in a seat, such as ``"hf:tiny"``, decodes greedily unless
    ``sampling`` says otherwise. ``seed`` is that of the episodes and of the bootstrap. Raises ValueError when there is
    nothing to play, and as ``arollout``.
    """
    played, _ = waited(lambda: play(env, policies, episodes=episodes, seed=seed, sampling=sampling, **kwargs))
    return Results(played[0].env if played else "", played, summarise(played, seed=seed))
