"""A scenario as a PettingZoo environment: a thin adapter over pure rules.

| fact | value |
|---|---|
| API | PettingZoo ``ParallelEnv``; observations, rewards, ... are dicts with every agent as key |
| action | a ``str``; only the speakers' count, the others' are ignored and counted in ``infos[agent]["ignored"]`` |
| world's reply | where the rules have one, a turn of ``environment`` in ``dialogue``, in the same step |
| end | ``answered`` terminates; a turn or token limit truncates; all agents leave together |
| reward | every agent gets the score at the end, 0 before (``wrappers.RewardTerms`` changes that) |
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from pettingzoo import ParallelEnv  # pyright: ignore[reportMissingTypeStubs]

from ..games.replies import Responds, replied
from ..games.rules import said
from ..records import MAX_UTTERANCE, Episode, EpisodeKey, Finish, Instance, Outcome, Said, Turn, View
from ..scenario import Scenario
from ..tokens import Counter
from ..tokens import counter as counter_of
from .render import draw, show
from .spaces import UNBOUNDED, ObservationSpace, Utterance

Observation = dict[str, Any]
Infos = dict[str, dict[str, Any]]
Actions = dict[str, "str | None"]
Step = tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], Infos]
Env: TypeAlias = ParallelEnv[str, Observation, "str | None"]


class DialogueEnv(Env):
    """One dialogue at a time.

    Observation, a dict: ``instructions``, ``question``, ``private`` (this agent's context), ``dialogue`` (a tuple of
    (speaker, text) pairs), ``speaking`` (1: its action counts now), ``turn``, ``turns_left`` and ``tokens_left``
    (-1: no budget). Infos of the last step also hold ``stop``, ``answer``, ``score``, ``correct`` and ``tokens``.

    ``counter``: ``"words"``, another name in ``tokens.COUNTERS`` or a function. ``render_mode``: None, ``"ansi"``
    (``render`` returns text) or ``"human"`` (every step is printed). Utterances are cut at ``max_chars`` and their turn
    has ``finish="length"`` then. Raises ValueError for an unknown render mode.
    """

    metadata: dict[str, Any] = {"name": "optima_dialogue_v0", "render_modes": ["ansi", "human"]}  # noqa: RUF012

    def __init__(
        self,
        scenario: Scenario,
        *,
        counter: str | Counter = "words",
        render_mode: str | None = None,
        max_chars: int = MAX_UTTERANCE,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode {render_mode!r} is not one of {', '.join(self.metadata['render_modes'])}")
        if not len(scenario.task):
            raise ValueError(f"{scenario.id}: the task has no instances")
        self.scenario, self.rules, self.render_mode, self.max_chars = scenario, scenario.rules, render_mode, max_chars
        self.counter = counter_of(counter)
        agents = self.rules.agents
        self.possible_agents = list(agents)
        self.agents: list[str] = []
        budget = getattr(self.rules, "token_budget", None)
        heard = UNBOUNDED if isinstance(self.rules, Responds) else max_chars
        self._seen = {agent: ObservationSpace(self.rules.max_turns, budget, heard) for agent in agents}
        self._spoken = {agent: Utterance(max_chars) for agent in agents}
        self._steady = bool(getattr(self.rules, "steady_views", False))
        self._zeros, self._off = dict.fromkeys(agents, 0.0), dict.fromkeys(agents, False)
        self._settings: dict[str, tuple[str, str, str]] = {}
        self._said: tuple[Said, ...] = ()
        self._rng, self._seed = random.Random(), 0
        self.instance: Instance | None = None
        self.turns: tuple[Turn, ...] = ()
        self.outcome: Outcome | None = None
        self.speakers: tuple[str, ...] = ()

    def __repr__(self) -> str:
        split = getattr(self.scenario.task, "split", "")
        return f"<DialogueEnv {self.scenario.id} {split}: {', '.join(self.possible_agents)}>"

    @property
    def unwrapped(self) -> DialogueEnv:
        return self

    def observation_space(self, agent: str) -> ObservationSpace:
        return self._seen[agent]

    def action_space(self, agent: str) -> Utterance:
        return self._spoken[agent]

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Observation], Infos]:
        """Start a dialogue on an instance drawn with ``seed`` (None: the next draw of the running stream).

        ``options={"index": i}`` or ``{"id": "..."}`` picks the instance; other options are ignored. Raises IndexError
        or KeyError when there is no such instance, TypeError for an index that is no int.
        """
        if seed is not None:
            self._seed = seed
            self._rng = random.Random(seed)
        # drawn even when options pick the instance, so that the stream goes on the same either way
        index = self._rng.randrange(len(self.scenario.task))
        if options and ("index" in options or "id" in options):
            index = _index(options["index"]) if "index" in options else self.scenario.index_of(options["id"])
        self.instance = self.scenario.task[index]
        self.turns, self.outcome, self._said = (), None, ()
        self.agents = list(self.rules.agents)
        self._ignored = dict.fromkeys(self.agents, 0)
        self.speakers = self.rules.speakers(self.instance, ())
        if self.render_mode == "human":
            show(self.instance, ())
        return self._observe()

    def step(self, actions: Mapping[str, str | None]) -> Step:
        """Let the speakers speak. A missing speaker (or None) says nothing, which is an empty turn.

        Raises TypeError for an utterance that is no string, ValueError for a name that is no agent, RuntimeError when
        no dialogue is running or the rules do not keep to their ``max_turns``.
        """
        inst, speakers = self.instance, self.speakers
        if inst is None or not self.agents:
            raise RuntimeError("call reset() first: no dialogue is running")
        for agent, action in actions.items():
            if agent not in speakers:
                self._ignore(agent, action)
        before = len(self.turns)
        if len(speakers) == 1:
            spoken = (self._turn(speakers[0], actions.get(speakers[0])),)
        else:
            spoken = tuple([self._turn(agent, actions.get(agent)) for agent in speakers])
        self.turns = replied(self.rules, inst, self.turns + spoken)
        self.outcome = self.scenario.outcome(inst, self.turns)
        if self.render_mode == "human":
            show(inst, self.turns[before:], self.outcome)
        if self.outcome is None:
            self.speakers = self.rules.speakers(inst, self.turns)
            observations, infos = self._observe()
            return observations, self._zeros.copy(), self._off.copy(), self._off.copy(), infos
        return self._finish(inst, self.outcome)

    def _finish(self, inst: Instance, outcome: Outcome) -> Step:
        self.speakers = ()
        observations, infos = self._observe()
        score, correct = self._judged = self.scenario.judge(inst, self.turns, outcome)
        tokens = sum([turn.tokens for turn in self.turns])
        end = {"stop": outcome.stop, "answer": outcome.answer, "score": score, "correct": correct, "tokens": tokens}
        for info in infos.values():
            info.update(end)
        agents, self.agents = self.agents, []
        answered = outcome.stop == "answered"
        return (
            observations,
            dict.fromkeys(agents, score),
            dict.fromkeys(agents, answered),
            dict.fromkeys(agents, not answered),
            infos,
        )

    def view(self, agent: str) -> View:
        """What a policy in ``agent``'s seat is shown (see ``optima_agents``)."""
        if self.instance is None:
            raise RuntimeError("call reset() first: no dialogue is running")
        return replace(self.rules.view(self.instance, self.turns, agent), episode=str(self._key(self.instance)))

    def episode(
        self, *, reward: float = 0.0, terms: Mapping[str, float] | None = None, seconds: float = 0.0
    ) -> Episode:
        """The finished dialogue as a record, its key with the last seed given to ``reset``. RuntimeError if it runs."""
        if self.instance is None or self.outcome is None:
            raise RuntimeError("the dialogue is not over: no episode to record yet")
        score, correct = self._judged
        talk = (self._key(self.instance), self.scenario.id, self.instance, self.turns, self.outcome)
        return Episode(*talk, score, correct, reward, dict(terms or {}), None, seconds)

    def _key(self, inst: Instance) -> EpisodeKey:
        return EpisodeKey(inst.id, 0, self._seed)

    def render(self) -> str | None:
        """The dialogue so far as text in mode ``"ansi"``; None otherwise (``"human"`` prints while stepping)."""
        if self.render_mode != "ansi" or self.instance is None:
            return None
        return draw(self.instance, self.turns, self.outcome)

    def _observe(self) -> tuple[dict[str, Observation], Infos]:
        inst, turns, speakers, ignored = self.instance, self.turns, self.speakers, self._ignored
        rules: Any = self.rules
        steady, settings = self._steady, self._settings
        observations: dict[str, Observation] = {}
        infos: Infos = {}
        dialogue, turn, turns_left, left = (), 0, 0, None
        if steady:
            turn, turns_left, left = rules.progress(turns)
            dialogue = self._said = self._said + said(turns[len(self._said) :])
        for agent in self.agents:
            if not steady:
                view: View = rules.view(inst, turns, agent)
                settings[agent] = view.instructions, view.question, view.private
                dialogue, turn, turns_left, left = view.dialogue, view.turn, view.turns_left, view.tokens_left
            elif not turns:
                settings[agent] = rules.setting(inst, agent)
            instructions, question, private = settings[agent]
            speaking = agent in speakers
            observations[agent] = {
                "instructions": instructions,
                "question": question,
                "private": private,
                "dialogue": dialogue,
                "speaking": 1 if speaking else 0,
                "turn": turn,
                "turns_left": turns_left,
                "tokens_left": -1 if left is None else left,
            }
            infos[agent] = {"speaking": speaking, "ignored": ignored[agent]}
        return observations, infos

    def _ignore(self, agent: str, action: str | None) -> None:
        if agent not in self._ignored:
            raise ValueError(f"{agent!r} is not an agent of this dialogue: {', '.join(self._ignored)}")
        if action:
            self._ignored[agent] += 1

    def _turn(self, agent: str, action: str | None) -> Turn:
        text = "" if action is None else action
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a type checker
            raise TypeError(f"{agent}'s action must be a str, got {type(text).__name__}")
        finish: Finish = "stop"
        if len(text) > self.max_chars:
            text, finish = text[: self.max_chars], "length"
        return Turn(agent, text, self.counter(text), None, None, None, finish)


def _index(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"options['index'] must be an int, got {value!r:.80}")
    return value
