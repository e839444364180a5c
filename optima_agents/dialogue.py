"""One episode, from its first turn to its record; every way it can fail becomes an ``ErrorInfo``."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from operator import index
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from optima_envs.games.replies import replied
from optima_envs.records import (
    MAX_UTTERANCE,
    Episode,
    EpisodeKey,
    ErrorInfo,
    Finish,
    Instance,
    Outcome,
    Turn,
    Usage,
    View,
)
from optima_envs.text import utf8

from .backends.base import BackendError, ContextOverflow
from .guard import EnvError, env, guarded, together
from .policy import Act, Policy

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

FINISHES = get_args(Finish)
Ended = tuple[Outcome, float, bool]  # how it ended, score, correct


def turn_seed(key: EpisodeKey, turn: int, agent: str) -> int:
    """The 31-bit seed of one turn: a hash of run seed, instance, sample, turn number and agent."""
    text = f"{key.seed}\x1f{key.instance}\x1f{key.sample}\x1f{turn}\x1f{agent}"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") & 0x7FFFFFFF


class Player:
    """Plays one episode; a kind of player says in ``run`` how. ``play`` guards it and makes the record.

    ``inst`` may be the exception its loading raised; the episode then fails as ``env``. ``blame`` is the kind of
    failure that is neither the environment's nor the backend's.
    """

    blame = "policy"
    serial = False  # whether it must not run beside others that are serial

    def __init__(
        self, scenario: Scenario, key: EpisodeKey, inst: Instance | Exception, info: Mapping[str, Any]
    ) -> None:
        self.scenario = scenario
        self.key = key
        self.info = dict(info)
        self._broken = inst if isinstance(inst, Exception) else None
        self.inst = inst if isinstance(inst, Instance) else Instance(key.instance, "", ())

    async def run(self) -> Ended:
        """Play to the end. Raises what failed."""
        raise NotImplementedError

    def spoken(self) -> tuple[Turn, ...]:
        """All turns so far, those of a round that is not over among them."""
        raise NotImplementedError

    def facts(self) -> Mapping[str, Any]:
        """What ``Episode.info`` says when the episode is over."""
        return self.info

    def progress(self) -> int:
        """A count that grows while anything moves; without growth for long enough the episode is given up."""
        return len(self.spoken())

    async def play(self, timeout: float) -> Episode:
        """The finished episode, failed ones included; it fails after ``timeout`` seconds without ``progress``.

        Raises EngineDead, OSError for what this machine ran out of (see ``guarded``), and CancelledError when
        cancelled.
        """
        started = time.perf_counter()
        ended = await guarded(self._run(), timeout, progress=self.progress, blame=self.blame)
        return self.record(ended, time.perf_counter() - started)

    async def _run(self) -> Ended:
        self.ready()
        return await self.run()

    def ready(self) -> None:
        """Raises EnvError when the instance could not be loaded."""
        if self._broken is not None:
            raise EnvError(self._broken)

    async def judged(self, outcome: Outcome) -> Ended:
        """``outcome`` with its score. Raises EnvError."""
        if getattr(self.scenario.metric, "instant", False):
            return outcome, *env(self._judge, outcome)
        # it may wait, for a maths worker say, and the other episodes must go on meanwhile
        return outcome, *await asyncio.to_thread(env, self._judge, outcome)

    def _judge(self, outcome: Outcome) -> tuple[float, bool]:
        score, correct = self.scenario.judge(self.inst, self.spoken(), outcome)
        if not score and (reason := self.scenario.reason(self.inst, outcome)):
            self.info["score_reason"] = reason  # it could not be judged, which is not the same as wrong
        return score, correct

    def record(self, ended: Ended | ErrorInfo, seconds: float) -> Episode:
        """The episode as it ended, or as it failed."""
        error = ended if isinstance(ended, ErrorInfo) else None
        outcome, score, correct = (Outcome("error"), 0.0, False) if isinstance(ended, ErrorInfo) else ended
        return Episode(
            self.key,
            self.scenario.id,
            self.inst,
            self.spoken(),
            outcome,
            score,
            correct,
            error=error,
            seconds=seconds,
            info=dict(self.facts()),
        )


class Dialogue(Player):
    """The environment's own dialogue, a policy in every seat: ``team``, or the exception that its making raised.

    ``turns`` are those of finished rounds and the world's replies. ``retries`` is how often a turn is asked for again
    after a BackendError.
    """

    def __init__(
        self,
        scenario: Scenario,
        key: EpisodeKey,
        inst: Instance | Exception,
        info: Mapping[str, Any],
        *,
        team: Mapping[str, Policy] | Exception = MappingProxyType({}),
        retries: int = 0,
        keep_ids: bool = True,
    ) -> None:
        super().__init__(scenario, key, inst, info)
        self.team = team
        self.retries = retries
        self.keep_ids = keep_ids
        self.turns: tuple[Turn, ...] = ()
        self._round: dict[int, Turn] = {}  # who has spoken in the round under way, by place
        policies = () if isinstance(team, Exception) else tuple(team.values())
        self.serial = any(getattr(policy, "serial", False) for policy in policies)
        self._counters = tuple(counters(policies))

    async def run(self) -> Ended:
        if isinstance(self.team, Exception):
            raise self.team
        while (ended := await self.ended()) is None:
            await self.round(self.team)
            await asyncio.sleep(0)  # a policy that waits for nothing must not keep the timeout, or others, from running
        return ended

    def spoken(self) -> tuple[Turn, ...]:
        return self.turns + tuple(turn for _, turn in sorted(self._round.items()))

    def facts(self) -> Mapping[str, Any]:
        """``info``, with what was wrong with actions by name, where the rules can tell and anything was."""
        tell = getattr(self.scenario.rules, "faults", None)
        if tell is None or not self.turns:
            return self.info
        try:
            found = {str(name): int(count) for name, count in tell(self.inst, self.turns).items()}
        except Exception:  # rules that failed anywhere are known to by the episode's error
            return self.info
        return {**self.info, "faults": found} if found else self.info

    def progress(self) -> int:
        return len(self.turns) + len(self._round) + sum(count() for count in self._counters)

    async def round(self, policies: Mapping[str, Policy]) -> None:
        """Let all who are due speak, and the world reply to them. Raises what failed; what was said stays."""
        self.turns += await self.speak(policies)
        self.hear()

    def hear(self) -> None:
        """Add the world's reply to ``turns``, if it has one. Raises EnvError."""
        self.turns = env(replied, self.scenario.rules, self.inst, self.turns)

    async def speak(self, policies: Mapping[str, Policy]) -> tuple[Turn, ...]:
        """The next turn, or those of all who speak at once; ``turns`` stays as it is. Raises what failed."""
        speakers = env(self.scenario.rules.speakers, self.inst, self.turns)
        if len(speakers) == 1:
            return (await self._turn(policies[speakers[0]], speakers[0]),)
        # a partner's words stay in the record when another one fails
        await together([self._in_round(place, policies[agent], agent) for place, agent in enumerate(speakers)])
        said, self._round = tuple(turn for _, turn in sorted(self._round.items())), {}
        return said

    async def _in_round(self, place: int, policy: Policy, agent: str) -> None:
        self._round[place] = await self._turn(policy, agent)

    def outcome(self) -> Outcome | None:
        """How the dialogue ended; None while it is not over. Raises EnvError."""
        return env(self.scenario.outcome, self.inst, self.turns)

    async def ended(self) -> Ended | None:
        """(outcome, score, correct) once the dialogue is over. Raises EnvError."""
        outcome = self.outcome()
        return None if outcome is None else await self.judged(outcome)

    async def _turn(self, policy: Policy, agent: str) -> Turn:
        view = replace(env(self.scenario.rules.view, self.inst, self.turns, agent), episode=str(self.key))
        seed = turn_seed(self.key, len(self.turns), agent)
        return checked(await self._act(policy, view, seed), keep_ids=self.keep_ids).turn(agent)

    async def _act(self, policy: Policy, view: View, seed: int) -> Act:
        for _ in range(self.retries):
            try:
                return await policy.act(view, seed=seed)
            except ContextOverflow:
                raise
            except BackendError:
                continue
        return await policy.act(view, seed=seed)


def checked(act: Act | str, *, keep_ids: bool) -> Act:
    """What a policy said, fit for the record: endless text cut, lone surrogates replaced, ids plain numbers.

    A text alone is an act. Raises TypeError and ValueError for what would break the sums over episodes or a reader of
    the log.
    """
    if isinstance(act, str):
        act = Act(act)
    if not isinstance(act, Act) or not isinstance(act.text, str):
        raise TypeError(f"a policy must return a text or an Act with text, not {type(act).__name__}")
    if act.tokens is not None and (type(act.tokens) is not int or act.tokens < 0):
        raise TypeError(f"a policy must count tokens as an int from 0 up, not as {type(act.tokens).__name__}")
    if act.usage is not None and not isinstance(act.usage, Usage):
        raise TypeError(f"a policy must tell its usage as a Usage, not as {type(act.usage).__name__}")
    if not isinstance(act.thinking, str):
        raise TypeError(f"a policy must give its thinking as text, not as {type(act.thinking).__name__}")
    if act.logprobs is not None and not all(map(math.isfinite, act.logprobs)):
        raise ValueError("a policy returned logprobs that are not finite")
    if act.finish not in FINISHES:
        raise ValueError(f"a policy must finish with one of {', '.join(FINISHES)}, not with {str(act.finish)[:80]!r}")
    if (text := utf8(act.text)) != act.text:
        act = replace(act, text=text)  # else the partner, whose tokenizer takes no lone surrogate, would fail
    if act.thinking and (thinking := utf8(act.thinking)[:MAX_UTTERANCE]) != act.thinking:
        act = replace(act, thinking=thinking)
    if len(act.text) > MAX_UTTERANCE:
        tokens = len(act.text.split()) if act.tokens is None else act.tokens
        return Act(act.text[:MAX_UTTERANCE], tokens, finish="length", usage=act.usage, thinking=act.thinking)
    if not keep_ids:
        return replace(act, prompt_ids=None, ids=None, logprobs=None)
    ids = act.prompt_ids, act.ids
    if any(some and set(map(type, some)) != {int} for some in ids):  # numpy's, for which JSON has no place
        prompt, own = (some if some is None else tuple(map(index, some)) for some in ids)
        return replace(act, prompt_ids=prompt, ids=own)
    return act


def counters(parts: Iterable[object]) -> Iterator[Callable[[], int]]:
    """The ``progress`` counters of policies or backends, each once: their own, or that of the backend they ask."""
    seen: set[int] = set()
    for part in parts:
        found: object | None = part
        while found is not None and not callable(getattr(found, "progress", None)):
            found = getattr(found, "backend", None)
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            yield found.progress  # type: ignore[attr-defined]
