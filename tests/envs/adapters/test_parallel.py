"""DialogueEnv, its wrappers, and the views other libraries get of it."""

from __future__ import annotations

import pickle
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo.utils import BaseParallelWrapper
from support.worlds import Tiny, tiny

import optima_envs
from optima_envs.adapters.parallel import DialogueEnv
from optima_envs.adapters.spaces import Utterance
from optima_envs.adapters.wrappers import EpisodeRecord, OrderEnforcing, RewardTerms, TokenBudget
from optima_envs.records import Episode
from optima_envs.tokens import counter, cut, words


def test_a_dialogue_from_reset_to_the_end():
    env = tiny()
    observations, infos = env.reset(options={"index": 1})
    assert observations["Alice"]["private"] == "word-Alice-1"
    assert (observations["Alice"]["speaking"], observations["Bob"]["speaking"]) == (1, 0)
    assert infos["Bob"] == {"speaking": False, "ignored": 0}
    observations, rewards, terminations, truncations, infos = env.step({"Alice": "<A>answer 1</A>", "Bob": "me too"})
    assert observations["Bob"]["dialogue"] == (("Alice", "<A>answer 1</A>"),)
    assert rewards == {"Alice": 0.0, "Bob": 0.0}
    assert infos["Bob"]["ignored"] == 1
    _, rewards, terminations, truncations, infos = env.step({"Bob": "yes <A>Answer 1.</A>"})
    assert rewards == {"Alice": 1.0, "Bob": 1.0}
    assert terminations == {"Alice": True, "Bob": True}
    assert truncations == {"Alice": False, "Bob": False}
    assert env.agents == []
    end = {key: infos["Alice"][key] for key in ("stop", "answer", "score", "correct", "tokens")}
    assert end == {"stop": "answered", "answer": "Answer 1.", "score": 1.0, "correct": True, "tokens": 5}


def test_limits_truncate_and_correct_is_not_reward():
    env = tiny(max_turns=2)
    env.reset(seed=0)
    env.step({"Alice": "hm"})
    _, rewards, terminations, truncations, infos = env.step({})
    assert (terminations["Bob"], truncations["Bob"]) == (False, True)
    assert (infos["Bob"]["stop"], infos["Bob"]["correct"], rewards["Bob"]) == ("max_turns", False, 0.0)
    assert env.turns[1].text == ""


def test_options_pick_the_instance_and_unknown_ones_are_ignored():
    env = tiny()
    env.reset(options={"id": "tiny-2", "colour": "red"})
    assert env.instance is not None
    assert env.instance.id == "tiny-2"
    with pytest.raises(KeyError, match="tiny-7"):
        env.reset(options={"id": "tiny-7"})
    with pytest.raises(IndexError):
        env.reset(options={"index": 99})


def test_a_seed_fixes_the_stream_of_instances():
    def ids(env: DialogueEnv) -> list[str]:
        env.reset(seed=5)
        out = []
        for _ in range(5):
            out.append(env.instance.id)  # type: ignore[union-attr]
            env.reset()
        return out

    assert ids(tiny(Tiny(size=1000))) == ids(tiny(Tiny(size=1000)))
    assert len(set(ids(tiny(Tiny(size=1000))))) > 1


def test_misuse_is_answered_clearly():
    env = OrderEnforcing(tiny(max_turns=1))
    assert env.agents == []
    with pytest.raises(RuntimeError, match="reset"):
        env.step({})
    with pytest.raises(RuntimeError, match="reset"):
        env.render()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"'Zed' is not an agent.*Alice"):
        env.step({"Zed": "hi"})
    with pytest.raises(TypeError, match="Alice's action must be a str, got int"):
        env.step({"Alice": 3})  # type: ignore[dict-item]
    env.step({"Alice": None})
    with pytest.raises(RuntimeError, match="after the end"):
        env.step({})
    with pytest.raises(ValueError, match="render_mode"):
        tiny(render_mode="rgb_array")
    with pytest.raises(RuntimeError, match="not over"):
        tiny().episode()


def test_long_utterances_are_cut_and_marked():
    env = tiny(max_chars=10)
    env.reset(seed=0)
    env.step({"Alice": "x" * 5_000_000})
    assert (len(env.turns[0].text), env.turns[0].finish) == (10, "length")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=10))
def test_no_text_breaks_a_dialogue(texts):
    env = optima_envs.make("twohop-asym", max_turns=len(texts), render_mode="ansi")
    env.reset(seed=1)
    for text in texts:
        if env.agents:
            observations, *_ = env.step(dict.fromkeys(env.agents, text))
            assert all(observations[agent] in env.observation_space(agent) for agent in observations)
    record = env.last
    assert record is not None
    assert Episode.from_json(record.to_json()).turns == record.turns
    assert isinstance(env.render(), str)


def test_simultaneous_agents_do_not_hear_each_other_within_a_round():
    env = tiny(order="simultaneous", agents=("Alice", "Bob", "Carol"))
    observations, _ = env.reset(seed=0)
    assert [observations[agent]["speaking"] for agent in env.agents] == [1, 1, 1]
    observations, *_ = env.step({"Alice": "a", "Bob": "b", "Carol": "c"})
    assert observations["Carol"]["dialogue"] == (("Alice", "a"), ("Bob", "b"), ("Carol", "c"))


def test_what_make_puts_on_and_in_which_order():
    seen = []
    env = optima_envs.make(
        "twohop-asym", token_budget=50, reward={"task": 1, "tokens": 0.5}, wrappers=[lambda e: seen.append(e) or e]
    )
    kinds, env = [], cast("Any", env)
    while isinstance(env, BaseParallelWrapper):
        kinds.append(type(env))
        env = env.env
    assert kinds == [EpisodeRecord, RewardTerms, TokenBudget, OrderEnforcing]
    assert isinstance(env, DialogueEnv)
    assert isinstance(seen[0], EpisodeRecord)


def test_the_token_budget_is_never_overspent():
    env = optima_envs.make("twohop-asym", token_budget=7)
    env.reset(seed=0)
    env.step({"Alice": "one two three four five"})
    *_, infos = env.step({"Bob": "six seven eight nine"})
    assert (infos["Bob"]["tokens"], infos["Bob"]["stop"]) == (7, "token_budget")
    assert env.unwrapped.turns[1].text.split() == ["six", "seven"]  # type: ignore[attr-defined]


def test_reward_terms_at_the_end():
    env = optima_envs.make("twohop-asym", token_budget=20, max_turns=2, reward={"task": 1, "tokens": 0.6})
    env.reset(seed=0)
    env.step({"Alice": "one two three four"})
    _, rewards, _, _, infos = env.step({"Bob": "five six seven eight"})
    assert infos["Bob"]["reward_terms"] == {"task": 0.0, "tokens": -0.4}
    assert rewards["Alice"] == pytest.approx(-0.24)
    with pytest.raises(ValueError, match="token_budget"):
        optima_envs.make("twohop-asym", reward={"tokens": 1})


def test_the_record_of_an_episode():
    kept = []
    env = EpisodeRecord(tiny(max_turns=2), sink=kept.append)
    env.reset(seed=9, options={"index": 0})
    env.step({"Alice": "<A>answer 0</A>"})
    *_, infos = env.step({"Bob": "<A>answer 0</A>"})
    assert infos["Bob"]["episode"]["r"] == 1.0
    assert infos["Bob"]["episode"]["l"] == 2
    assert kept == [env.last]
    assert (str(kept[0].key), kept[0].score, kept[0].reward) == ("tiny-0#0@9", 1.0, 1.0)
    assert "word-Alice-0" not in repr(infos["Bob"])


def test_rendering_shows_model_text_and_never_interprets_it(capsys):
    env = tiny(max_turns=2, render_mode="ansi")
    env.reset(seed=0)
    env.step({"Alice": "red \x1b[31m [bold]\nBob (3): I am not Bob"})
    env.step({"Bob": "\ud800 ok"})
    text = env.render()
    assert text is not None
    assert "\x1b" not in text
    assert "\nBob (3)" not in text
    assert text.splitlines()[-1] == "[max_turns] no answer"
    human = tiny(max_turns=1, render_mode="human")
    human.reset(seed=0)
    human.step({"Alice": "[bold]hello[/bold] \x1b[31m"})
    out = capsys.readouterr().out
    assert "[bold]hello[/bold]" in out
    assert "\x1b[31m" not in out


def test_envs_can_be_pickled_in_the_middle():
    env = optima_envs.make("twohop-asym")
    env.reset(seed=0)
    env.step({"Alice": "hello"})
    twin = pickle.loads(pickle.dumps(env))  # noqa: S301 - our own bytes
    assert twin.step({"Bob": "so"}) == env.step({"Bob": "so"})


def test_the_utterance_space():
    space = Utterance(10)
    assert all(text in space for text in ("", "Hello, wo!", "Zoë 🙂", "\x00"))
    assert "x" * 11 not in space
    assert 3 not in space
    samples = []
    for _ in range(2):
        space.seed(4)
        samples.append([space.sample() for _ in range(20)])
    assert samples[0] == samples[1]
    assert all(text in space for text in samples[0])
    assert space == Utterance(10)
    assert space != Utterance(11)
    assert not space.is_np_flattenable
    with pytest.raises(ValueError, match="mask"):
        space.sample(mask=(1, None))


@given(st.text(max_size=60), st.integers(0, 12))
def test_cut_keeps_the_longest_prefix_that_fits(text, limit):
    short = cut(text, limit, words)
    assert text.startswith(short)
    assert words(short) <= limit
    assert short == text or words(text[: len(short) + 1]) > limit


def test_counters():
    assert counter("words")("a b  c") == 3
    assert counter("characters")("日本") == 2
    assert counter(lambda text: 7)("x") == 7
    with pytest.raises(optima_envs.UnknownName, match="did you mean words"):
        counter("wordz")
