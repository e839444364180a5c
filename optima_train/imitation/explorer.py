"""Explorer: one tool on one world, tried again and again (STE, arXiv 2403.04746).

A trial is a task that the model imagines, its dialogue with the world, and the model's judgement. Trials of an episode
share their conversation (short memory). Of all earlier trials a line each is in the request for the next task (long
memory), and in no conversation that is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome

from ..run.stage import derive
from ..trajectories.exploring import MAX_LINE, MAX_SAID, MAX_TASK, REFLECT, TRIAL, imagine, one_line, verdict

if TYPE_CHECKING:
    from optima_agents.backends.base import Backend, Sampling
    from optima_agents.prompts import Messages
    from optima_envs.records import View
    from optima_envs.scenario import Scenario

    from ..config.settings import ImagineConfig


@dataclass(frozen=True)
class Voice:
    """A model, under the name of its adapter where it has one."""

    backend: Backend
    adapter: str | None = None

    async def say(self, messages: Sequence[dict[str, str]], sampling: Sampling, seed: int) -> str:
        """Raises BackendError."""
        from optima_agents.backends.base import Request

        request = Request(tuple(messages), sampling=sampling, seed=seed, adapter=self.adapter)
        return (await self.backend.complete(request)).text


@dataclass(frozen=True)
class Explorer:
    """``scenario`` is the environment with the limits of a trial, ``background`` the instance whose world is explored,
    ``tool`` its name and ``form`` how it is called."""

    scenario: Scenario
    background: Instance
    tool: str
    form: str
    config: ImagineConfig
    seed: int
    voice: Voice
    judge: Voice

    async def explore(self, before: Sequence[Episode]) -> AsyncIterator[Episode]:
        """The trials that are not among ``before``, which are the first ones, in their order. Raises EngineDead."""
        done = list(before)
        for number in range(len(done), self.config.episodes * self.config.trials):
            at = number - number % self.config.trials
            trial = await self._trial(number, done[at:], remembered(done, self.config.long_memory))
            done.append(trial)
            yield trial

    async def _trial(self, number: int, episode: Sequence[Episode], known: Sequence[str]) -> Episode:
        from optima_agents.backends.base import BackendError

        key = EpisodeKey(f"{self.background.id}/{self.tool}/{number}", 0, self.seed)
        place = {"tool": self.tool, "world": self.background.id, "number": number}
        inst = Instance(key.instance, "", (), self.background.private, self.background.meta)
        try:
            shared = self._conversation(episode)
            asked = [*shared, {"role": "user", "content": self._request(known)}]
            said = await self.voice.say(asked, self._sampling(), derive(self.seed, str(key), "task"))
            inst = replace(inst, question=one_line(said, MAX_TASK))
            if not inst.question:
                return self._record(key, inst, place, ErrorInfo("policy", "no task was imagined"))
            shared += [{"role": "user", "content": self._request()}, {"role": "assistant", "content": inst.question}]
            solved = await self._solve(inst, shared)
            if solved.error is not None:
                return replace(solved, info={TRIAL: place})
            asked = [*shared, *self._own(solved), {"role": "user", "content": REFLECT}]
            said = await self.judge.say(asked, self._sampling(0.0), derive(self.seed, str(key), "judge"))
        except BackendError as err:
            return self._record(key, inst, place, ErrorInfo("backend", f"{type(err).__name__}: {err}"[:MAX_SAID]))
        told = {**place, "said": one_line(said, MAX_SAID), "solved": verdict(said)}
        turns = tuple(replace(turn, prompt_ids=None) for turn in solved.turns)  # they hold what is learned without
        return replace(solved, turns=turns, info={**solved.info, TRIAL: told, "unscored": True})

    async def _solve(self, inst: Instance, shared: Messages | list[dict[str, str]]) -> Episode:
        from optima_agents.llm import LLMPolicy
        from optima_agents.prompts import messages
        from optima_agents.serving.drive import drive

        def prompt(view: View, hint: str | None) -> Messages:
            return (*shared, *messages(view, hint)[1:])

        policy = LLMPolicy(self.voice.backend, self._sampling(), prompt=prompt, adapter=self.voice.adapter)
        team = dict.fromkeys(self.scenario.rules.agents, policy)
        return await drive(self.scenario, inst, team, seed=self.seed, timeout=self.config.episode_timeout)

    def _conversation(self, episode: Sequence[Episode]) -> list[dict[str, str]]:
        """What the model is told, and the trials of this episode so far; of those that failed nothing is left."""
        from optima_agents.prompts import messages

        rules, agent = self.scenario.rules, self.scenario.rules.agents[0]
        shared = [messages(rules.view(self.background, (), agent))[0]]
        for trial in episode:
            if trial.error is None:
                shared += [
                    {"role": "user", "content": self._request()},
                    {"role": "assistant", "content": trial.instance.question},
                    *self._own(trial),
                    {"role": "user", "content": REFLECT},
                    {"role": "assistant", "content": trial.info[TRIAL]["said"]},
                ]
        return shared

    def _request(self, known: Sequence[str] = ()) -> str:
        return imagine(self.form, one_line(self.background.question, MAX_SAID), known)

    def _own(self, trial: Episode) -> Messages:
        """The trial's task and dialogue as chat."""
        from optima_agents.prompts import messages

        rules = self.scenario.rules
        return messages(rules.view(trial.instance, trial.turns, rules.agents[0]))[1:]

    def _sampling(self, temperature: float | None = None) -> Sampling:
        from optima_agents import Sampling

        config = self.config
        heat = config.temperature if temperature is None else temperature
        return Sampling(heat, config.top_p, config.max_tokens, logprobs=False)

    def _record(self, key: EpisodeKey, inst: Instance, place: dict[str, Any], error: ErrorInfo) -> Episode:
        info = {TRIAL: place, "unscored": True}
        return Episode(key, self.scenario.id, inst, (), Outcome("error"), error=error, info=info)


def remembered(trials: Sequence[Episode], most: int) -> list[str]:
    """The long memory: of the latest ``most`` trials a line each."""
    told = {True: "solved", False: "not solved", None: "unclear"}
    lines = [
        f"{one_line(trial.instance.question, MAX_LINE)} ({told[trial.info[TRIAL].get('solved')]})"
        for trial in trials
        if trial.instance.question
    ]
    return lines[-most:] if most else []
