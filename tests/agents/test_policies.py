"""Policies and backends by name, the person's seat, and what importing costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import optima_agents
from optima_agents import LLMPolicy, Sampling, make_backend, make_policy, rollout
from optima_agents.human import HumanPolicy
from optima_agents.scripted import Scripted
from optima_envs import extras, scenario
from optima_envs.registry import UnknownName


def test_names_make_policies():
    assert isinstance(make_policy("fake:hello", sampling=Sampling(0.0), hint="be brief"), LLMPolicy)
    assert rollout("twohop-asym", make_policy("fake:<A> 3 </A>"), episodes=1)[0].turns[0].text == "<A> 3 </A>"
    assert rollout("twohop-asym", make_policy("scripted:hm"), episodes=1)[0].turns[0].text == "hm"
    assert rollout("twohop-asym", make_policy("random"), episodes=1)[0].error is None
    assert isinstance(make_policy("human"), HumanPolicy)


def test_an_unknown_name_is_answered_with_policies_and_backends():
    with pytest.raises(UnknownName, match="unknown policy 'randm'; did you mean random"):
        make_policy("randm")
    with pytest.raises(UnknownName, match="unknown policy 'fakee'; did you mean fake"):
        make_policy("fakee:x")
    with pytest.raises(UnknownName, match=r"known: .*fake.*human.*vllm"):
        make_policy("zzz")
    with pytest.raises(UnknownName, match="unknown backend 'fak'; did you mean fake"):
        make_backend("fak:x")


def test_a_wrong_keyword_is_refused_with_those_a_factory_takes(monkeypatch):
    # a missing extra would be named first
    monkeypatch.setattr(extras, "find_spec", lambda name: extras.__spec__)
    with pytest.raises(TypeError, match=r"backend fake .* latncy; did you mean latency\? \(accepted: latency"):
        make_backend("fake", latncy=1.0)
    with pytest.raises(TypeError, match=r"backend hf has no argument dtyp; did you mean dtype\?"):
        make_policy("hf:tiny", dtyp="float32")
    with pytest.raises(TypeError, match=r"policy random has no argument seed \(accepted: none\)"):
        make_policy("random", seed=3)


def test_every_exported_name_exists():
    assert all(getattr(optima_agents, name) is not None for name in optima_agents.__all__)
    assert callable(optima_agents.rollout)
    with pytest.raises(AttributeError):
        optima_agents.nothing  # noqa: B018


def test_importing_brings_in_nothing_heavy():
    code = (
        "import sys, optima_agents as a; a.LLMPolicy; a.make_policy('random'); a.EpisodeLog; a.CachedBackend;"
        "heavy = {'torch', 'transformers', 'datasets', 'vllm', 'aiohttp'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scripted_lines_go_by_agent_and_turn():
    game = scenario("twohop-asym", max_turns=4)
    episode = rollout(game, Scripted({"Alice": ["a1", "a2"], "Bob": ["b1"]}), episodes=1)[0]
    assert [t.text for t in episode.turns] == ["a1", "b1", "a2", "b1"]
    assert rollout(game, Scripted([]), episodes=1)[0].turns[0].text == ""


def test_a_person_sees_the_seat_once_then_only_news():
    game = scenario("twohop-asym", max_turns=4)
    shown: list[str] = []
    lines = iter(["first words", "second words"])

    def read(prompt):
        line = next(lines)
        if line == "second words":
            raise EOFError
        return line

    person = HumanPolicy(read, shown.append)
    inst = game.task[0]
    for _ in range(2):
        lines = iter(["first words", "second words"])
        shown.clear()
        episode = rollout(game, {"Alice": person, "Bob": Scripted(["bob speaks"])}, episodes=1)[0]
        assert [t.text for t in episode.turns] == ["first words", "bob speaks", "", "bob speaks"]
        assert inst.question in shown[0]
        assert inst.private["Alice"] in shown[0]
        assert inst.private["Bob"] not in "".join(shown)
        assert "Bob: bob speaks" in shown[1]
        assert inst.question not in shown[1]


def test_an_error_while_reading_fails_the_episode():
    def read(prompt):
        raise OSError("terminal gone")

    (episode,) = rollout("twohop-asym", HumanPolicy(read, lambda text: None), episodes=1)
    assert "terminal gone" in str(episode.error)
