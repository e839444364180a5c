"""Environments through the other libraries' doors: vectors of seats, turn-based seeds, what they print of us."""

from __future__ import annotations

import copy
import gc
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import (  # type: ignore[attr-defined]
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test
from pettingzoo.utils.conversions import parallel_to_aec, turn_based_aec_to_parallel

import optima_envs
from optima_envs.adapters.single import Seats, SingleSeat

NAME = "optima/twohop-asym-v0"
MODES = ("sync", "async", "vector_entry_point", None)


def play(envs: Any, seed: int) -> list[Any]:
    """Resets and steps with fixed actions, over the end of episodes."""
    trace = [envs.reset(seed=seed)]
    for step in range(5):
        trace.append(envs.step(tuple(f"<A> turn {step} of {n} </A>" for n in range(envs.num_envs))))
    return trace


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [NAME, "optima/arith-debate-v0"])
def test_vectors_of_every_mode_play_what_single_seats_play(name: str, mode: str | None):
    envs = gymnasium.make_vec(name, num_envs=3, vectorization_mode=mode, max_turns=4)
    try:
        (first, infos), *steps = play(envs, 7)
    finally:
        envs.close()
    assert len(first["question"]) == 3
    assert infos["speaking"].all()
    ended = np.stack([terminated | truncated for _, _, terminated, truncated, _ in steps])
    assert ended.any()
    for number in range(3):
        seat = SingleSeat(name, max_turns=4)
        observation, _ = seat.reset(seed=7 + number)
        assert observation["question"] == first["question"][number]
        assert observation["dialogue"] == first["dialogue"][number]
        for step, (seen, rewards, terminated, truncated, _) in enumerate(steps):
            observation, reward, over, cut, _ = seat.step(f"<A> turn {step} of {number} </A>")
            assert seen["dialogue"][number] == observation["dialogue"]
            assert (rewards[number], terminated[number], truncated[number]) == (reward, over, cut)
            if over or cut:
                break


def test_all_modes_agree_to_the_last_key():
    traces = []
    for mode in MODES:
        envs = gymnasium.make_vec(NAME, num_envs=2, vectorization_mode=mode, max_turns=2)
        traces.append(repr(play(envs, 3)))
        envs.close()
    assert len(set(traces)) == 1


def test_the_vectors_are_those_of_gymnasium():
    kinds = [SyncVectorEnv, AsyncVectorEnv, Seats, Seats]
    for mode, kind in zip(MODES, kinds, strict=True):
        envs = gymnasium.make_vec(NAME, num_envs=1, vectorization_mode=mode)
        assert type(envs) is kind
        assert isinstance(envs.metadata["autoreset_mode"], AutoresetMode)
        envs.close()
    plain = gymnasium.make_vec(NAME, 2, "async", vector_kwargs={"shared_memory": False})
    assert "question" in plain.reset(seed=1)[0]
    plain.close()


@pytest.mark.parametrize("count", [0, -1, "2", True, 1.5])
def test_a_wrong_number_of_seats_is_named(count: Any):
    with pytest.raises(ValueError, match="num_envs must be an int of at least 1"):
        Seats(count, dialogue=NAME)


def test_observations_of_processes_lie_in_a_folder_that_goes_with_its_maker():
    before = set(Path(tempfile.gettempdir()).glob("optima-*"))
    space: Any = SingleSeat(NAME).observation_space
    memory = create_shared_memory(space, n=2)
    batch: Any = read_from_shared_memory(space, memory, n=2)
    with pytest.raises(RuntimeError, match="reset"):
        batch["question"]
    seats = [SingleSeat(NAME), SingleSeat(NAME)]
    seen = [seat.reset(seed=n)[0] for n, seat in enumerate(seats)]
    seen[1]["dialogue"] = (("Alice", 'lone \ud800 "quoted" \u2028'),)
    for n in (0, 1):
        write_to_shared_memory(space, n, seen[n], memory)
    assert list(batch) == list(space.spaces)
    assert len(batch) == len(space.spaces)
    assert batch["question"] == (seen[0]["question"], seen[1]["question"])
    frozen = copy.deepcopy(batch)
    assert isinstance(frozen, dict)
    assert frozen["dialogue"][1] == seen[1]["dialogue"]
    (folder,) = set(Path(tempfile.gettempdir()).glob("optima-*")) - before
    assert all(json.loads(file.read_text())["turn"] == 0 for file in folder.iterdir())
    del batch, memory
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize("kwargs", [{}, {"order": "simultaneous"}, {"agents": 3}], ids=str)
@pytest.mark.parametrize("name", ["optima/twohop-asym-v0", "arith-debate"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pettingzoos_own_tests_of_both_forms(name: str, kwargs: dict[str, Any]):
    turn_based = partial(optima_envs.make_aec, name, **kwargs)
    parallel = partial(optima_envs.make, name, **kwargs)
    seed_test(turn_based, num_cycles=20)
    api_test(turn_based(), num_cycles=20)
    parallel_seed_test(parallel, num_cycles=20)
    parallel_api_test(parallel(), num_cycles=20)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pettingzoos_conversions_go_both_ways():
    api_test(parallel_to_aec(optima_envs.make(NAME)), num_cycles=20)
    parallel_api_test(turn_based_aec_to_parallel(optima_envs.make_aec(NAME)), num_cycles=20)


def test_nothing_an_environment_returns_depends_on_the_clock():
    env = optima_envs.make(NAME, max_turns=2)
    ends = []
    for _ in range(2):
        env.reset(seed=5)
        env.step({"Alice": "a"})
        ends.append(env.step({"Bob": "b"}))
    assert ends[0] == ends[1]
    assert ends[0][-1]["Bob"]["episode"] == {"r": 0.0, "l": 2}
    assert env.last is not None
    assert env.last.seconds > 0


def test_reprs_say_what_it_is():
    env = optima_envs.make(NAME, token_budget=9)
    bare = "<DialogueEnv optima/twohop-asym-v0 test: Alice, Bob>"
    assert repr(env) == f"<EpisodeRecord<TokenBudget<OrderEnforcing{bare}>>>"
    assert repr(optima_envs.make_aec(NAME)) == f"<DialogueAEC<EpisodeRecord<OrderEnforcing{bare}>>>"


@pytest.mark.parametrize("wrapper", [optima_envs.EpisodeRecord, optima_envs.OrderEnforcing, optima_envs.DialogueAEC])
def test_what_is_no_dialogue_is_refused_by_name(wrapper: Any):
    with pytest.raises(TypeError, match=f"{wrapper.__name__} goes around a DialogueEnv, not str"):
        wrapper("optima/twohop-asym-v0")


@pytest.mark.parametrize("index", ["0", 1.0, None])
def test_an_index_that_is_no_int_is_named(index: Any):
    env = optima_envs.make(NAME)
    with pytest.raises(TypeError, match=r"options\['index'\] must be an int"):
        env.reset(options={"index": index})


def test_a_turn_as_long_as_any_is_in_the_space():
    env = optima_envs.make(NAME, max_turns=2)
    env.reset(seed=0)
    observations, *_ = env.step({"Alice": "x" * (optima_envs.MAX_UTTERANCE + 5)})
    assert all(observation in env.observation_space(agent) for agent, observation in observations.items())
    assert len(observations["Bob"]["dialogue"][0][1]) == optima_envs.MAX_UTTERANCE
