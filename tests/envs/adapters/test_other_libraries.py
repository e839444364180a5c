"""The turn-based view, a Gymnasium seat, and the registers of PettingZoo and Gymnasium."""

from __future__ import annotations

import subprocess
import sys
import warnings

import gymnasium
import pettingzoo
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from support.worlds import Tiny, tiny

import optima_envs
from optima_envs.adapters.aec import DialogueAEC
from optima_envs.adapters.single import SingleSeat, recite


@pytest.fixture(autouse=True)
def registered():
    """As after any first use of optima_envs; which imports came first, nobody knows in a suite of tests."""
    optima_envs.mirror()


def test_the_turn_based_view_asks_only_speakers():
    env = DialogueAEC(tiny(max_turns=3))
    env.reset(seed=0)
    order = []
    for agent in env.agent_iter():
        observation, _, terminated, truncated, _ = env.last()
        order.append(agent)
        env.step(None if terminated or truncated else f"turn of {agent}")
        if not terminated and not truncated:
            assert observation is not None
            assert observation["speaking"] == 1
    assert order == ["Alice", "Bob", "Alice", "Alice", "Bob"], "three turns, then both leave"


def test_a_gymnasium_seat_against_a_function():
    env = SingleSeat("twohop-asym", seat="Bob", max_turns=6)
    observation, info = env.reset(seed=3)
    assert info["speaking"]
    ((speaker, text),) = observation["dialogue"]
    assert speaker == "Alice"
    assert text == env.env.view("Alice").private
    gold = env.env.instance.answers[0]  # type: ignore[union-attr]
    _, reward, terminated, truncated, info = env.step(f"<A>{gold}</A>")
    assert (reward, terminated, truncated, info["correct"]) == (1.0, True, False, True)
    with pytest.raises(ValueError, match="seat 'Zed'"):
        SingleSeat("twohop-asym", seat="Zed")
    with pytest.raises(ValueError, match="partners must be for Bob"):
        SingleSeat("twohop-asym", partners={"Carol": recite})


@pytest.mark.parametrize("seat", ["Alice", "Bob"])
@pytest.mark.parametrize("name", ["optima/twohop-asym-v0", "optima/arith-debate-v0"])
def test_gymnasium_makes_and_accepts_it(name, seat):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gymnasium_check(gymnasium.make(name, seat=seat, render_mode="ansi").unwrapped)


def test_the_other_libraries_registers_have_our_environments():
    assert repr(pettingzoo.make("parallel", "optima/twohop-asym").unwrapped).startswith("<DialogueEnv optima/twohop-a")
    assert isinstance(pettingzoo.make("aec", "optima/arith-debate", max_turns=4), DialogueAEC)
    optima_envs.register("tests/mirrored-v0", task=Tiny)
    assert "tests/mirrored-v0" in repr(pettingzoo.make("parallel", "tests/mirrored", size=2).unwrapped)
    assert gymnasium.make("tests/mirrored-v0").reset(seed=0)[0]["question"].startswith("question")


@pytest.mark.parametrize(
    "start",
    [
        "import gymnasium, pettingzoo, optima_envs",
        "import pettingzoo, optima_envs, gymnasium",  # PettingZoo imports Gymnasium
        "import optima_envs, pettingzoo, gymnasium; optima_envs.mirror(); optima_envs.mirror()",
        "import optima_envs, pettingzoo, gymnasium; optima_envs.make('twohop-asym')",
        "import gymnasium, optima_envs, pettingzoo; optima_envs.make_aec",
    ],
)
def test_the_registers_know_us_after_any_of(start):
    code = (
        f"{start}\n"
        "print(type(pettingzoo.make('parallel', 'optima/arith-debate')).__name__)\n"
        "print(type(gymnasium.make('optima/arith-debate-v0').unwrapped).__name__)"
    )
    out = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["EpisodeRecord", "SingleSeat"]


def test_importing_installs_no_import_hook():
    code = "import sys; before = list(sys.meta_path); import optima_envs; print(before == sys.meta_path)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True"]


def test_gymnasium_imports_us_by_name():
    code = "import gymnasium; print(type(gymnasium.make('optima_envs:optima/arith-debate-v0').unwrapped).__name__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["SingleSeat"]
