"""Every environment that loads without a download passes PettingZoo's tests and ours; and ours catch bad ones."""

from __future__ import annotations

import time
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from pettingzoo import AECEnv
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test
from support.acting import record
from support.faulty_envs import (
    RULES,
    STRICT,
    Babbling,
    Blind,
    Clock,
    Dicing,
    Endless,
    Given,
    Gossip,
    Impure,
    Leaky,
    Moody,
    Namesake,
    Remembering,
    Silent,
    Strangers,
    Stuck,
    faulty,
    instances,
)
from support.worlds import DATA, FILES, TOOL_FILES, TOOL_WORLDS, WORLDS, Tiny

import optima_envs
from optima_envs.adapters.aec import DialogueAEC
from optima_envs.adapters.making import make_aec as aec
from optima_envs.adapters.parallel import DialogueEnv
from optima_envs.checks.canary import NonConformanceError, check_canaries
from optima_envs.checks.check import CHECKS
from optima_envs.checks.parts import check_rules
from optima_envs.games.asymmetric import AsymmetricQA
from optima_envs.games.tool_use import ToolUse
from optima_envs.records import Instance
from optima_envs.scenario import Listed, Scenario
from optima_envs.scoring.metrics import METRICS

VARIANTS = (
    {},
    {"order": "simultaneous"},
    {"agents": 3},
    {"token_budget": 30, "reward": {"task": 1, "tokens": 0.6, "format": 0.1}},
    {"render_mode": "ansi"},
)


@pytest.mark.parametrize("kwargs", VARIANTS, ids=str)
@pytest.mark.parametrize("name", WORLDS)
def test_worlds_conform(name, kwargs):
    assert tuple(optima_envs.check_env(name, **kwargs)) == CHECKS


@pytest.mark.parametrize("kwargs", [{}, {"max_turns": 3, "token_budget": 30}, {"render_mode": "ansi"}], ids=str)
@pytest.mark.parametrize("name", TOOL_WORLDS)
def test_worlds_that_reply_conform(name, kwargs):
    assert tuple(optima_envs.check_env(name, **kwargs)) == CHECKS


def test_tables_conform():
    rows = [record("counting", ["4"]), record("UPDATE", ["UPDATE `harbour log` SET Crates = 1"])]
    for settings in ({}, {"attempts": 2}, {"lenient": True}):
        assert tuple(optima_envs.check_env("dbbench-sql-checked", data=rows, **settings)) == CHECKS


@pytest.mark.parametrize("name", [*FILES, *TOOL_FILES])
def test_datasets_conform(name):
    path = DATA / (FILES | TOOL_FILES)[name]
    if not path.exists():
        pytest.skip(f"no real records at {path}")
    scene = optima_envs.scenario(name, data=str(path), skip_bad_rows=True)
    assert tuple(optima_envs.check_env(partial(DialogueEnv, scene), episodes=1)) == CHECKS


def test_all_built_in_environments_are_covered():
    built_in = {
        name.split("/")[1].removesuffix("-v0") for name in optima_envs.list_envs() if name.startswith("optima/")
    }
    assert built_in == {*WORLDS, *FILES, *TOOL_WORLDS, *TOOL_FILES}


@pytest.mark.parametrize("kwargs", VARIANTS[:3], ids=str)
@pytest.mark.parametrize("name", WORLDS)
def test_pettingzoo_and_its_turn_based_view(name, kwargs, capsys):
    pettingzoo_passes(name, kwargs, capsys)


@pytest.mark.parametrize("name", [*TOOL_WORLDS, *TOOL_FILES])
def test_pettingzoo_where_the_world_replies(name, capsys):
    path = DATA / TOOL_FILES.get(name, "")
    if not path.exists():
        pytest.skip(f"no real records at {path}")
    pettingzoo_passes(name, {"data": str(path)} if name in TOOL_FILES else {}, capsys)


def pettingzoo_passes(name, kwargs, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        parallel_api_test(optima_envs.make(name, **kwargs), num_cycles=100)
        parallel_seed_test(partial(optima_envs.make, name, **kwargs), num_cycles=100)
        api_test(aec(name, **kwargs), num_cycles=100)
    assert capsys.readouterr().out.count("Passed") == 2


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (faulty(RULES, task=instances(id="q2")), r"instances: instance 1 \('q2'\) has the id of instance 0"),
        (faulty(RULES, task=instances(id=" ")), "its id is empty"),
        (faulty(RULES, task=instances(private={"Zoe": "x"})), "private text for Zoe, who is none of Alice, Bob"),
        (faulty(RULES, task=instances(answers=())), "has no answers"),
        (faulty(RULES, task=instances(meta={"x": float("nan")})), "is not plain JSON"),
        (faulty(RULES, task=instances(meta={"x": object()})), "is not plain JSON"),
        (faulty(RULES, task=Given(["q"])), "is no Instance but str"),  # type: ignore[list-item]
        (faulty(RULES, task=instances(), metric=STRICT), "metric 'strict' finds its own gold 'a0' wrong"),
        (faulty(RULES, task=Moody()), "is another one when it is asked for again"),
        (faulty(Endless(max_turns=4)), "rules: the rules promise max_turns=4 and have not ended after 6"),
        (faulty(Strangers()), "the rules ask Zoe, who is no agent"),
        (faulty(Silent()), "nobody speaks after turn 0"),
        (faulty(Impure()), "answers differently when asked again"),
        (faulty(RULES, Clock), "two episodes"),
        (faulty(Leaky()), "private to"),
        (faulty(Blind()), "cannot see it"),
        (faulty(AsymmetricQA(), Gossip), "gold answer"),
        (faulty(AsymmetricQA(), Remembering), "two episodes|left in it"),
        (faulty(AsymmetricQA(), Dicing), "global random state"),
        (faulty(AsymmetricQA(), Stuck), "not in its space"),
    ],
)
def test_the_kit_catches(factory, message):
    with pytest.raises(NonConformanceError, match=message):
        optima_envs.check_env(factory)


def test_the_kit_catches_a_world_that_tells_what_nobody_asked():
    inst = Instance("q", "Which?", ("a",), meta={"passages": [["Title", "Text."]]})

    def env(rules):
        return lambda: DialogueEnv(Scenario("tests/babbling-v0", rules, Listed([inst], "babbling"), METRICS["f1"]))

    with pytest.raises(NonConformanceError, match=r"canary: .* holds instance\.meta"):
        optima_envs.check_env(env(Babbling()))
    assert tuple(optima_envs.check_env(env(ToolUse()))) == CHECKS


def test_the_kit_catches_an_agent_called_as_the_world():
    with pytest.raises(NonConformanceError, match="an agent is called 'environment'"):
        check_rules(Scenario("tests/name-v0", Namesake(), Tiny(), METRICS["f1"]), 0)  # type: ignore[arg-type]


def test_the_kit_passes_a_sound_third_party_env():
    assert tuple(optima_envs.check_env(faulty(AsymmetricQA()))) == CHECKS


def test_the_canary_test_wants_a_dialogue_env():
    class Other:
        possible_agents = ()
        unwrapped = None

    with pytest.raises(TypeError, match="DialogueEnv"):
        check_canaries(Other, 0)  # type: ignore[arg-type]


def test_the_kit_takes_the_turn_based_form():
    assert tuple(optima_envs.check_env(lambda: DialogueAEC(faulty(AsymmetricQA())()))) == CHECKS
    with pytest.raises(NonConformanceError, match="private to"):
        optima_envs.check_env(lambda: DialogueAEC(faulty(Leaky())()))


class Foreign(AECEnv[str, np.int64, int]):
    """A turn-based environment of somebody else's: one agent counts to three."""

    metadata: dict[str, Any] = {"name": "counting_v0", "render_modes": []}  # noqa: RUF012

    def __init__(self, noisy: bool = False) -> None:
        super().__init__()
        self.noisy, self.possible_agents, self.render_mode = noisy, ["one_0"], None
        self.spaces = {"one_0": Discrete(9)}

    def observation_space(self, agent: str) -> Discrete:  # type: ignore[override]
        return self.spaces[agent]

    def action_space(self, agent: str) -> Discrete:  # type: ignore[override]
        return self.spaces[agent]

    def reset(self, seed=None, options=None) -> None:
        self.agents, self.agent_selection, self.count = ["one_0"], "one_0", 0
        self.rewards = self._cumulative_rewards = {"one_0": 0.0}
        self.terminations, self.truncations = {"one_0": False}, {"one_0": False}
        self.infos = {"one_0": {"now": time.perf_counter()} if self.noisy else {}}

    def observe(self, agent: str) -> np.int64:
        return np.int64(self.count)

    def step(self, action: int | None) -> None:
        if self.terminations["one_0"]:
            self._was_dead_step(action)  # type: ignore[arg-type]
            return
        self.count += 1
        self.rewards = {"one_0": 0.0}
        self.terminations = {"one_0": self.count == 3}


def test_another_turn_based_environment_gets_pettingzoos_own_tests():
    assert optima_envs.check_env(Foreign) == ["aec"]
    with pytest.raises(NonConformanceError, match="aec: AssertionError: Incorrect info"):
        optima_envs.check_env(partial(Foreign, noisy=True))


@pytest.mark.parametrize("env", [None, 3, [Tiny()]])
def test_what_makes_no_environment_is_refused_by_name(env: Any):
    with pytest.raises(TypeError, match="check_env takes an id or a function that makes an environment"):
        optima_envs.check_env(env)
