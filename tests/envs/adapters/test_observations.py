"""Observations are the rules' views, whether these are asked for at every turn or only once a dialogue."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from support.worlds import Tiny

from optima_envs.adapters.parallel import DialogueEnv
from optima_envs.games.asymmetric import AsymmetricQA
from optima_envs.games.debate import SolverCritic
from optima_envs.games.rules import Rules, Turns
from optima_envs.records import Instance, Said, View
from optima_envs.scenario import Scenario
from optima_envs.scoring.metrics import METRICS

SHOWN = ("instructions", "question", "private", "dialogue", "turn", "turns_left")


def env_of(rules: Rules) -> DialogueEnv:
    return DialogueEnv(Scenario("tests/tiny-v0", rules, Tiny(), METRICS["f1"]))


def check(env: DialogueEnv, observations) -> None:
    for agent, seen in observations.items():
        view = env.view(agent)
        assert {key: seen[key] for key in SHOWN} == {key: getattr(view, key) for key in SHOWN}
        assert seen["tokens_left"] == (-1 if view.tokens_left is None else view.tokens_left)
        assert seen["speaking"] == int(agent in env.speakers)
        assert seen in env.observation_space(agent)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([AsymmetricQA, SolverCritic]),
    st.sampled_from(["alternating", "simultaneous"]),
    st.sampled_from([None, 3, 30]),
    st.sampled_from([("Alice", "Bob"), ("Alice", "Bob", "Carol")]),
    st.lists(st.sampled_from(["", "two words", "<A>answer 0</A>"]), min_size=8, max_size=8),
)
def test_every_observation_is_the_view_of_its_moment(game, order, budget, agents, texts):
    rules = game(agents=agents, max_turns=6, token_budget=budget, order=order)
    env, other = env_of(rules), env_of(rules)  # rules that two dialogues use in turn
    for index in range(2):  # the second dialogue must show nothing of the first
        check(env, env.reset(options={"index": index})[0])
        other.reset(options={"index": 2})
        for text in texts:
            if env.agents:
                check(env, env.step(dict.fromkeys(env.agents, text))[0])
            if other.agents:
                check(other, other.step(dict.fromkeys(other.agents, text * 2))[0])


@dataclass(frozen=True)
class Whispers(AsymmetricQA):
    """What begins with ``psst`` is heard by its speaker alone, and a private note changes with every turn."""

    def view(self, inst: Instance, turns: Turns, agent: str) -> View:
        view = super().view(inst, turns, agent)
        heard = tuple(said for said in view.dialogue if said.agent == agent or not said.text.startswith("psst"))
        return replace(view, dialogue=heard, private=f"{view.private} after {len(turns)}")


def test_a_game_with_views_of_its_own_is_asked_for_each():
    env = env_of(Whispers(max_turns=4))
    env.reset(options={"index": 0})
    for agent, text in (("Alice", "hello"), ("Bob", "psst, a secret"), ("Alice", "so?")):
        observations, *_ = env.step({agent: text})
        check(env, observations)
    assert observations["Alice"]["dialogue"] == (("Alice", "hello"), ("Alice", "so?"))
    assert observations["Bob"]["private"].endswith("after 3")
    assert "secret" not in repr(observations["Alice"])


def test_what_was_said_is_a_pair_with_names():
    said = Said("Alice", "hi")
    assert (said.agent, said.text) == said == ("Alice", "hi")
    assert pickle.loads(pickle.dumps(said)) == said  # noqa: S301 - our own bytes
    assert isinstance(said, Said)
