"""TeamRolloutWorker: dialogues of a team for TRL's asynchronous GRPO trainer, behind its ``rollout_worker`` socket.

The trainer updates while dialogues go on, and pushes its weights to the servers that the policies ask; a dialogue
becomes a sample for each of its agents, or for each turn where turns differ in advantage (TRL's samples have one
each, and its packing forwards what they share once). A sample carries the version its dialogue began with, the oldest.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from optima_envs.records import EpisodeKey

from ..run.records import PolicyRow
from ..run.stage import StageError
from ..stages.groups import Group
from .credit.dialogues import credit, credited
from .credit.estimators import on_trees
from .credit.policy_rows import policy_rows

if TYPE_CHECKING:
    from optima_agents.policy import Policy
    from optima_agents.rollout import Rollouts
    from optima_envs.records import Episode, View
    from optima_envs.rewards import Reward
    from optima_envs.scenario import Scenario

    from ..config.online_settings import GrpoConfig

FULL_S = 0.05


class TeamRolloutWorker:
    """Plays ``samples`` dialogues on each of ``indices``, over and over, ``groups_at_once`` instances at a time.

    ``policies``: one for all seats, or by agent; an ``LLMPolicy`` must sample at temperature 1 and top_p 1. ``config``:
    estimator and rewards of the agents' own. ``reward``: the team's. Starts with ``start``, in a thread of its own.
    Raises ValueError for settings that would bias what is learned.
    """

    def __init__(
        self,
        scenario: Scenario,
        policies: Policy | Mapping[str, Policy],
        reward: Reward,
        config: GrpoConfig,
        *,
        indices: Iterable[int],
        samples: int = 8,
        seed: int = 0,
        groups_at_once: int = 8,
        most_waiting: int = 1024,
    ) -> None:
        from optima_agents import Rollouts

        if on_trees(config.estimator):
            raise ValueError(f"the estimator {config.estimator} needs trees, which this worker does not grow")
        for policy in policies.values() if isinstance(policies, Mapping) else [policies]:
            sampling = getattr(policy, "sampling", None)
            if sampling is not None and (sampling.temperature, sampling.top_p, sampling.logprobs) != (1.0, 1.0, True):
                raise ValueError(f"policies must sample at temperature 1, top_p 1, with logprobs, not {sampling}")
        self.rollout_buffer: queue.Queue[Any] = queue.Queue(most_waiting)
        self.metrics_queue: queue.Queue[dict[str, Any]] = queue.Queue()
        self._rollouts: Rollouts = Rollouts(scenario, policies, concurrency=groups_at_once * samples)
        self._scenario, self._reward, self._config = scenario, reward, config
        self._indices, self._samples, self._seed, self._at_once = list(indices), samples, seed, groups_at_once
        self._memory: Mapping[str, float] = {}
        self._version, self._groups = 0, 0
        self._stop, self._alive = threading.Event(), time.monotonic()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin to play. Called once."""
        self._alive = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="team-rollouts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give up what is under way and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def update_model_version(self, model_version: int) -> None:
        """Dialogues that begin from now on are of this version."""
        self._version = model_version

    def check_health(self, stale_after_s: float) -> None:
        """Raises StageError when the thread died, or made no sample for that long while there was room for some."""
        if self._failure is not None:
            raise StageError(f"rollouts ended: {type(self._failure).__name__}: {self._failure}") from self._failure
        idle = time.monotonic() - self._alive
        if idle > stale_after_s and not self.rollout_buffer.full():
            raise StageError(f"rollouts made nothing for {idle:.0f} s")

    def _run(self) -> None:
        try:
            asyncio.run(self._play())
        except Exception as err:
            self._failure = err

    async def _play(self) -> None:
        """Keep ``groups_at_once`` groups under way until told to stop."""
        numbers = itertools.count()

        async def player() -> None:
            for number in numbers:
                await self._group(number)

        players = asyncio.gather(*(player() for _ in range(self._at_once)))
        while not self._stop.is_set() and not players.done():
            await asyncio.wait([players], timeout=FULL_S)
        if players.done():
            players.result()
        players.cancel()
        await asyncio.gather(players, return_exceptions=True)

    async def _group(self, number: int) -> None:
        """Play the ``number``-th group, and hand on its samples."""
        from optima_agents import Job

        version, began = self._version, time.monotonic()
        epoch, place = divmod(number, len(self._indices))
        jobs = [Job(self._indices[place], sample, self._seed + epoch) for sample in range(self._samples)]
        episodes = [episode async for episode in self._rollouts.stream(jobs)]
        episodes.sort(key=lambda episode: episode.key.sample)
        group = Group(episodes[0].instance.id, tuple(episodes))
        ranked = await self._reward(group.episodes)
        pairs = list(zip(episodes, ranked, strict=True))
        rewards = {e.key: row.total if row.error is None else None for e, row in pairs}
        found = credit([group], rewards, self._config, self._memory)
        self._memory = found.memory
        dropped: Counter[str] = Counter()
        for episode, advantages in credited([group], found):
            for row in policy_rows(episode, self._scenario.rules, _no_prompt, None, advantages, dropped):
                if row.logprobs is None:
                    dropped["no log-probabilities"] += len(row.turns)
                    continue
                for part in by_advantage(row):
                    await self._hand_on(self._sample(episode, part, rewards, version, number))
        self._alive = time.monotonic()
        seconds = self._alive - began
        told = {"rollout/tokens": (sum(e.tokens for e in episodes), len(episodes)), "rollout/group_s": seconds}
        told |= {"rollout/failed_total": float(found.failed.total()), "rollout/dropped_total": float(dropped.total())}
        told["rollout/groups_without_spread_total"] = float(found.without_spread)
        self.metrics_queue.put(told)

    def _sample(
        self,
        episode: Episode,
        row: PolicyRow,
        rewards: Mapping[EpisodeKey, float | None],
        version: int,
        number: int,
    ) -> Any:
        import numpy as np
        from trl.experimental.async_grpo.async_rollout_worker import RolloutSample

        from optima_agents.prompts import messages

        view = self._scenario.rules.view(episode.instance, episode.turns, row.agent)
        said = [dict(message) for message in messages(view)]
        first = next((k for k, message in enumerate(said) if message["role"] == "assistant"), len(said))
        logprobs = np.zeros(len(row.input_ids), dtype=np.float32)
        mask = np.asarray(row.completion_mask, dtype=np.int64)
        logprobs[mask == 1] = row.logprobs
        return RolloutSample(
            prompt=said[:first],
            completion=said[first:],
            input_ids=np.asarray(row.input_ids, dtype=np.int64),
            completion_mask=mask,
            old_log_probs=logprobs,
            advantage=float(row.advantages[0]),
            model_version=version,
            group_id=number,
            metrics={"reward": float(rewards[episode.key] or 0.0), "score": episode.score},
            enqueued_at=time.time(),
        )

    async def _hand_on(self, sample: Any) -> None:
        """Wait for room in the buffer, without holding up the other dialogues."""
        while not self._stop.is_set():
            try:
                self.rollout_buffer.put_nowait(sample)
                return
            except queue.Full:
                self._alive = time.monotonic()
                await asyncio.sleep(FULL_S)


def by_advantage(row: PolicyRow) -> Iterator[PolicyRow]:
    """The row itself where its turns have one advantage, else a row for each turn, up to its last token."""
    if len(set(row.advantages)) == 1:
        yield row
        return
    places = [place for place, trained in enumerate(row.completion_mask) if trained]
    begin = 0
    for number, length, advantage in zip(row.turns, row.lengths, row.advantages, strict=True):
        own = places[begin : begin + length]
        yield PolicyRow(
            instance=row.instance,
            sample=row.sample,
            agent=row.agent,
            turns=[number],
            lengths=[length],
            advantages=[advantage],
            input_ids=row.input_ids[: own[-1] + 1],
            completion_mask=[int(own[0] <= place <= own[-1]) for place in range(own[-1] + 1)],
            logprobs=None if row.logprobs is None else row.logprobs[begin : begin + length],
        )
        begin += length


def _no_prompt(view: View) -> list[int]:
    raise ValueError("a policy gave sampled ids without the prompt they were sampled on")
