"""One dialogue, from its first turn to its record; every way it can fail becomes an ``ErrorInfo``."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from operator import index
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Finish, Instance, Outcome, Turn, Usage
from optima_envs.utf8 import utf8

from .backends.base import BackendError, ContextOverflow, EngineDead
from .policy import Act, Policy

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

T = TypeVar("T")
# a reply beyond this is cut (finish "length", ids dropped): endless text must not fill memory or the log
MAX_CHARS = 65_536
FINISHES = get_args(Finish)


def turn_seed(key: EpisodeKey, turn: int, agent: str) -> int:
    """The 31-bit seed of one turn: a hash of run seed, instance, sample, turn number and agent."""
    text = f"{key.seed}\x1f{key.instance}\x1f{key.sample}\x1f{turn}\x1f{agent}"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") & 0x7FFFFFFF


class Dialogue:
    """Plays one episode. ``inst`` may be the exception its loading raised; the episode then fails as ``env``."""

    def __init__(
        self,
        scenario: Scenario,
        key: EpisodeKey,
        inst: Instance | Exception,
        info: Mapping[str, Any],
        *,
        retries: int,
        keep_ids: bool,
    ) -> None:
        self.scenario = scenario
        self.key = key
        self.info = dict(info)
        self.retries = retries
        self.keep_ids = keep_ids
        self.turns: tuple[Turn, ...] = ()
        self._broken = inst if isinstance(inst, Exception) else None
        self.inst = inst if isinstance(inst, Instance) else Instance(key.instance, "", ())

    async def play(self, team: Callable[[], Mapping[str, Policy]], timeout: float) -> Episode:
        """The finished episode, failed ones included. Raises EngineDead, and CancelledError when cancelled."""
        started = time.perf_counter()
        ended = await guarded(self._play(team), timeout)
        seconds = time.perf_counter() - started
        if isinstance(ended, ErrorInfo):
            return self._episode(Outcome("error"), seconds, error=ended)
        outcome, score, correct = ended
        return self._episode(outcome, seconds, score=score, correct=correct)

    async def _play(self, team: Callable[[], Mapping[str, Policy]]) -> tuple[Outcome, float, bool]:
        self.ready()
        policies = team()
        while (ended := await self.ended()) is None:
            self.turns += await self.speak(policies)
        return ended

    def ready(self) -> None:
        """Raises EnvError when the instance could not be loaded."""
        if self._broken is not None:
            raise EnvError(self._broken)

    async def speak(self, policies: Mapping[str, Policy]) -> tuple[Turn, ...]:
        """The next turn, or those of all who speak at once; ``turns`` stays as it is. Raises what failed."""
        speakers = _env(self.scenario.rules.speakers, self.inst, self.turns)
        if len(speakers) == 1:
            return (await self._turn(policies[speakers[0]], speakers[0]),)
        return tuple(await _together([self._turn(policies[agent], agent) for agent in speakers]))

    async def ended(self) -> tuple[Outcome, float, bool] | None:
        """(outcome, score, correct) once the dialogue is over. Raises EnvError."""
        outcome = _env(self.scenario.rules.outcome, self.inst, self.turns)
        if outcome is None:
            return None
        judge = self.scenario.judge, self.inst, self.turns, outcome
        if getattr(self.scenario.metric, "instant", False):
            return outcome, *_env(*judge)
        # it may wait, for a maths worker say, and the other dialogues must go on meanwhile
        return outcome, *await asyncio.to_thread(_env, *judge)

    async def _turn(self, policy: Policy, agent: str) -> Turn:
        view = _env(self.scenario.rules.view, self.inst, self.turns, agent)
        seed = turn_seed(self.key, len(self.turns), agent)
        for attempt in range(self.retries + 1):
            try:
                act = await policy.act(view, seed=seed)
                break
            except ContextOverflow:
                raise
            except BackendError:
                if attempt == self.retries:
                    raise
        return self._checked(act).turn(agent)

    def _checked(self, act: Act) -> Act:
        if not isinstance(act, Act) or not isinstance(act.text, str):
            raise TypeError(f"a policy must return an Act with text, not {type(act).__name__}")
        if act.tokens is not None and (type(act.tokens) is not int or act.tokens < 0):
            raise TypeError(f"a policy must count tokens as an int from 0 up, not as {type(act.tokens).__name__}")
        if act.usage is not None and not isinstance(act.usage, Usage):
            raise TypeError(f"a policy must tell its usage as a Usage, not as {type(act.usage).__name__}")
        if not isinstance(act.thinking, str):
            raise TypeError(f"a policy must give its thinking as text, not as {type(act.thinking).__name__}")
        if act.logprobs is not None and not all(map(math.isfinite, act.logprobs)):
            raise ValueError("a policy returned logprobs that are not finite")
        if act.finish not in FINISHES:
            raise ValueError(
                f"a policy must finish with one of {', '.join(FINISHES)}, not with {str(act.finish)[:80]!r}"
            )
        if (text := utf8(act.text)) != act.text:
            act = replace(act, text=text)  # else the partner, whose tokenizer takes no lone surrogate, would fail
        if act.thinking and (thinking := utf8(act.thinking)[:MAX_CHARS]) != act.thinking:
            act = replace(act, thinking=thinking)
        if len(act.text) > MAX_CHARS:
            tokens = len(act.text.split()) if act.tokens is None else act.tokens
            return Act(act.text[:MAX_CHARS], tokens, finish="length", usage=act.usage, thinking=act.thinking)
        if not self.keep_ids:
            return replace(act, prompt_ids=None, ids=None, logprobs=None)
        ids = act.prompt_ids, act.ids
        if any(some and set(map(type, some)) != {int} for some in ids):  # numpy's, for which JSON has no place
            prompt, own = (some if some is None else tuple(map(index, some)) for some in ids)
            return replace(act, prompt_ids=prompt, ids=own)
        return act

    def _episode(self, outcome: Outcome, seconds: float, **result: Any) -> Episode:
        return Episode(
            self.key, self.scenario.id, self.inst, self.turns, outcome, seconds=seconds, info=self.info, **result
        )


async def guarded(work: Awaitable[T], timeout: float) -> T | ErrorInfo:
    """What ``work`` gives within ``timeout`` seconds, or why it gave nothing. Raises EngineDead alone."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await work
    except TimeoutError as err:
        late = limit.expired()  # a TimeoutError of the policy's own is not ours
        return ErrorInfo("timeout", f"no end after {timeout:g} s") if late else _failure(err)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # nobody cancelled this episode, only what it waited for; let through, it would end in no log and no count
        return ErrorInfo("policy", "CancelledError: what the policy waited for was cancelled")
    except EngineDead:
        raise
    except Exception as err:
        return _failure(err)


class EnvError(Exception):
    """Rules, task or metric raised; kept apart from faults of policies and backends."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")


def _env(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as err:
        raise EnvError(err) from err


async def _together(turns: list[Any]) -> list[Turn]:
    """All speakers of one simultaneous round; the first failure, in speaking order, fails the round."""
    results = await asyncio.gather(*turns, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if isinstance(result, Turn)]


def _failure(err: Exception) -> ErrorInfo:
    if isinstance(err, EnvError):
        return ErrorInfo("env", str(err)[:2000])
    kind = "backend" if isinstance(err, BackendError) else "policy"
    return ErrorInfo(kind, f"{type(err).__name__}: {err}"[:2000])
