"""Session: one instance under one baseline. It makes every call, so tokens and calls are counted alike for all."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from optima_agents import Act, Request, Sampling
from optima_agents.backends.base import Backend, Message, Tokens
from optima_agents.dialogue import Dialogue, Ended, Player, checked, counters, turn_seed
from optima_agents.guard import together
from optima_agents.llm import Prompt
from optima_agents.prompts import CHECKING, messages
from optima_envs.records import ENVIRONMENT, EpisodeKey, Instance, Outcome, Said, Stop, Turn, View
from optima_envs.scoring.answer_format import format_named
from optima_envs.scoring.parsing import extract
from optima_envs.tokens import words

if TYPE_CHECKING:
    from optima_envs.games.rules import Rules
    from optima_envs.scenario import Scenario

T = TypeVar("T")
NOTHING_PRIVATE = ("debate",)  # families in which every agent sees all there is
ATTEMPTS = 1_000  # attempts have sample numbers of their own; more than these of one episode share those of the next


class Method(Protocol):
    """What a session asks of its baseline; see ``baseline.Baseline``."""

    @property
    def name(self) -> str: ...
    @property
    def block(self) -> str: ...
    @property
    def run(self) -> Callable[[Any], Awaitable[str | None]]: ...

    def settings(self, options: Mapping[str, Any] | None = None) -> dict[str, Any]: ...

    def block_in(self, family: str, options: Mapping[str, Any] | None = None, *, told: bool = False) -> str: ...


@runtime_checkable
class Seated(Protocol):
    """A backend that speaks with other weights for each agent."""

    def seat(self, agent: str) -> tuple[Backend, str | None]:
        """The engine for ``agent``, and the name of an adapter there."""
        ...


def tells(rules: Rules) -> bool:
    """Whether a dialogue under these rules tells its agents that an answer is wrong: that of several attempts does."""
    return getattr(rules, "attempts", 1) > 1


class Session(Player):
    """One instance under one method.

    ``options`` are the method's options over its defaults; ``told`` is the sentence that the model was taught to play
    under, which stands in every prompt but a checker's (see ``condition`` in recipes); ``turns`` are all calls so far,
    in the order in which they were begun; what is put into ``info`` (plain JSON) is kept with the episode.
    """

    blame = "method"

    def __init__(
        self,
        method: Method,
        scenario: Scenario,
        inst: Instance | Exception,
        key: EpisodeKey,
        backend: Backend,
        sampling: Sampling,
        options: Mapping[str, Any] | None = None,
        told: str | None = None,
    ) -> None:
        super().__init__(scenario, key, inst, {"method": method.name})
        self.method, self.backend, self.sampling, self.told = method, backend, sampling, told
        self.options = method.settings(options)
        self._given = options
        self._calls: list[Turn | None] = []
        self._said = 0
        self._unparsed = 0
        self._stop: Stop | None = None
        self._counters = tuple(counters([backend]))

    async def run(self) -> Ended:
        return await self.finished(await self.method.run(self))

    async def finished(self, answer: str | None) -> Ended:
        """How the episode ends with that answer (None: there is none). Raises TypeError for what is no answer."""
        if not isinstance(answer, (str, type(None))):
            raise TypeError(f"baseline {self.method.name} returned {type(answer).__name__}, not text or None")
        stop: Stop = self._stop or ("max_turns" if answer is None else "answered")
        return await self.judged(Outcome(stop, answer))

    def spoken(self) -> tuple[Turn, ...]:
        return self.turns

    def facts(self) -> Mapping[str, Any]:
        try:
            block = self.block
        except Exception:  # an instance that cannot be shown to anybody
            block = self.method.block
        calls = len(self._calls) - self._said
        return {**self.info, "block": block, "calls": calls, "unparsed": self._unparsed}

    def progress(self) -> int:
        return len(self.turns) + sum(count() for count in self._counters)

    @cached_property
    def family(self) -> str:
        """The game's family, such as ``exchange`` or ``debate``."""
        return self.view().family

    @cached_property
    def block(self) -> str:
        """What the method may use here; see ``Baseline``."""
        return self.method.block_in(self.family, self._given, told=tells(self.scenario.rules))

    @property
    def agents(self) -> tuple[str, ...]:
        return self.scenario.rules.agents

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Finished calls."""
        return tuple(turn for turn in self._calls if turn is not None)

    @property
    def tokens(self) -> int:
        """Completion tokens of all finished calls."""
        return sum(turn.tokens for turn in self.turns)

    @property
    def answer_form(self) -> str:
        """How an answer is written in this environment, to be put into instructions."""
        return format_named(self.view().answer_format).ask()

    async def ask(self, agent: str, prompt: Sequence[Message], *, seed: int | None = None, **sampling: Any) -> Turn:
        """One completion of ``prompt`` under ``agent``'s name; ``sampling`` overrides fields such as temperature.

        Calls may run at the same time (``together``); seeds go by the order in which they were begun.
        """
        number = len(self._calls)
        self._calls.append(None)
        wanted = replace(self.sampling, **sampling)
        seed = turn_seed(self.key, number, agent) if seed is None else seed
        # a team with weights of their own speaks with those of the agent
        engine, adapter = self.backend.seat(agent) if isinstance(self.backend, Seated) else (self.backend, None)
        done = await engine.complete(Request(tuple(prompt), sampling=wanted, seed=seed, adapter=adapter))
        turn = self._calls[number] = checked(done, keep_ids=False).turn(agent)
        return turn

    def say(self, agent: str, text: str) -> Turn:
        """A message that no model wrote: no call, but its tokens count (the model's own; words without a tokenizer)."""
        count = len(self.backend.encode(text)) if isinstance(self.backend, Tokens) else words(text)
        turn = Turn(agent, text, count)
        self._calls.append(turn)
        self._said += 1
        return turn

    def _heard(self, reply: Turn) -> None:
        self._calls.append(reply)
        self._said += 1

    async def together(self, coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Results of calls that run at the same time; all of them end before the first failure, in order, is raised."""
        return await together(coroutines)

    async def attempts(self, first: int, count: int, play: Callable[[Session], Coroutine[Any, Any, T]]) -> list[T]:
        """``play`` on attempts ``first .. first + count - 1`` at the same time, each a session with seeds of its own:
        attempt i of sample 0 draws what sample i of the method played once would draw. All calls are kept, attempt
        by attempt."""
        keys = [replace(self.key, sample=self.key.sample * ATTEMPTS + first + i) for i in range(count)]
        parts = [self._part(key) for key in keys]
        try:
            return await self.together([play(part) for part in parts])
        finally:
            for part in parts:
                self._calls += part._calls
                self._said += part._said
                self._unparsed += part._unparsed

    def _part(self, key: EpisodeKey) -> Session:
        part = copy.copy(self)
        part.key, part.info = key, {}
        part._calls, part._said, part._unparsed = [], 0, 0
        return part

    def view(
        self, agent: str | None = None, *, role: str = "solo", private: str | None = None, said: Sequence[Said] = ()
    ) -> View:
        """What an agent in ``role`` sees: by default the first agent, with its own private text."""
        agent = agent or self.agents[0]
        view = self.scenario.rules.view(self.inst, (), agent)
        return replace(
            view, role=role, private=view.private if private is None else private, dialogue=tuple(said), turn=len(said)
        )

    def prompt(self, agent: str | None = None, hint: str | None = None, **view: Any) -> tuple[Message, ...]:
        """The chat prompt of ``view(agent, **view)``; ``hint`` is one more instruction."""
        seen = self.view(agent, **view)
        return messages(seen, self.hint_for(seen, hint))

    def hint_for(self, view: View, hint: str | None) -> str | None:
        """``hint`` and the sentence that the model was taught to play under; None where there is neither."""
        told = None if view.role in CHECKING else self.told
        return " ".join(text for text in (hint, told) if text) or None

    def whole_context(self) -> str:
        """All agents' private texts. Raises RuntimeError in a method that is not marked as reading them."""
        if self.block == "fair" and self.family not in NOTHING_PRIVATE:
            raise RuntimeError(f"baseline {self.method.name} reads every agent's facts; mark it block='oracle'")
        return "\n".join(text for text in self.inst.private.values() if text)

    async def solved(self, answer: str | None) -> bool:
        """Whether the answer is right. Raises RuntimeError in a method that is not marked as using feedback."""
        if self.block != "feedback":
            raise RuntimeError(f"baseline {self.method.name} asks for the score; mark it block='feedback'")
        return (await self.judged(Outcome("answered", answer)))[2]

    def answer_in(self, turn: Turn | str) -> str | None:
        """The answer stated in a text, by the environment's own parser; a text without one is counted."""
        text = turn if isinstance(turn, str) else turn.text
        return self.parsed(extract(text, self.view().answer_format))

    def parsed(self, found: T | None) -> T | None:
        """What a parser found in a reply, as it is; None is counted as a reply that could not be read."""
        self._unparsed += found is None
        return found

    async def dialogue(self, prompt: Prompt = messages, hint: str | None = None, **sampling: Any) -> str | None:
        """The environment's own dialogue under its rules; returns the final answer. Turn for turn what a rollout of
        the same key, prompt and sampling gives, the world's replies among them. Raises RuntimeError where it tells
        whether an answer is right and the method is not marked as using feedback."""
        if tells(self.scenario.rules) and self.block != "feedback":
            raise RuntimeError(f"baseline {self.method.name} is told whether its answer is right; mark it plays=True")
        talk = Dialogue(self.scenario, self.key, self.inst, {}, keep_ids=False)
        team = dict.fromkeys(self.agents, _Seat(self, prompt, hint, sampling))
        while (outcome := talk.outcome()) is None:
            await talk.round(team)
            if talk.turns[-1].agent == ENVIRONMENT:
                self._heard(talk.turns[-1])
        self._stop = outcome.stop
        return self.parsed(outcome.answer)


class _Seat:
    """A seat of the environment's own dialogue whose words are calls of a session."""

    def __init__(self, session: Session, prompt: Prompt, hint: str | None, sampling: Mapping[str, Any]) -> None:
        self._session, self._prompt, self._hint, self._sampling = session, prompt, hint, sampling

    async def act(self, view: View, *, seed: int) -> Act:
        wanted = dict(self._sampling)
        if view.tokens_left is not None:  # no more than what is left of the dialogue's budget
            limit = wanted.get("max_tokens", self._session.sampling.max_tokens)
            wanted["max_tokens"] = max(1, min(limit, view.tokens_left))
        turn = await self._session.ask(
            view.agent, self._prompt(view, self._session.hint_for(view, self._hint)), seed=seed, **wanted
        )
        return Act(turn.text, turn.tokens, finish=turn.finish, usage=turn.usage)
