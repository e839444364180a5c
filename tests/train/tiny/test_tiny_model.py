"""The committed model is what its card says: it reads well when a format hint calls that up, and fails by habit."""

from __future__ import annotations

import json
from statistics import mean
from typing import cast

import pytest

from optima_agents import LLMPolicy, Sampling, make_backend, rollout
from optima_agents.backends.chat.model_files import TINY
from optima_agents.backends.hf.backend import TransformersBackend
from optima_agents.formats import TALK
from optima_envs import scenario
from optima_envs.records import Episode
from optima_train.tiny import pretrain
from optima_train.tiny.tokenizer import build_tokenizer

pytestmark = pytest.mark.xdist_group("tiny")


@pytest.fixture(scope="module")
def backend() -> TransformersBackend:
    return cast("TransformersBackend", make_backend("hf:tiny"))


def play(backend: TransformersBackend, hint: str | None, episodes: int) -> list[Episode]:
    game = scenario("twohop-asym", split="validation")
    return list(rollout(game, LLMPolicy(backend, Sampling(0.0, max_tokens=64), hint=hint), episodes=episodes))


def test_a_format_hint_calls_up_short_dialogues_that_work(backend: TransformersBackend) -> None:
    assert backend.append_only is None
    hinted = play(backend, TALK["arrows"], 40)
    assert mean(e.score for e in hinted) >= 0.85
    plain = play(backend, None, 48)
    assert mean(e.score for e in plain) <= 0.6
    assert mean(e.tokens for e in plain) >= 10 * mean(e.tokens for e in hinted)
    said = " ".join(turn.text for e in plain for turn in e.turns)
    assert {e.outcome.stop for e in plain} == {"answered", "max_turns"}  # some never come to the point
    assert "I agree with you completely" in said
    assert "I am quite sure already" in said


def test_steps_on_paper_are_right_and_a_plain_debate_is_long_and_wrong(backend: TransformersBackend) -> None:
    game = scenario("arith-debate", split="validation")
    shown, plain = (
        rollout(game, LLMPolicy(backend, Sampling(0.0, max_tokens=128), hint=hint), episodes=40)
        for hint in (TALK["math"], None)
    )
    assert mean(e.score for e in shown) >= 0.85
    assert mean(e.score for e in plain) <= 0.4
    assert mean(e.tokens for e in plain) >= 5 * mean(e.tokens for e in shown)


def test_the_tokenizer_and_the_course_are_those_of_the_code() -> None:
    """What can be checked of reproducibility in seconds; the weights take the whole course."""
    made = json.loads(build_tokenizer(pretrain.tokenizer_texts()).backend_tokenizer.to_str())["model"]
    kept = json.loads((TINY / "tokenizer.json").read_text())["model"]
    assert made == kept
    phases = json.loads((TINY / "training.json").read_text())
    keys = ("name", "steps", "tokens", "mix", "lr", "lr_end")
    assert [[phase[key] for key in keys] for phase in phases] == [
        [getattr(phase, key) for key in keys] for phase in pretrain.COURSE
    ]


def test_real_records_play_without_a_crash(backend: TransformersBackend, pytestconfig: pytest.Config) -> None:
    data = pytestconfig.rootpath.parent / "shared" / "data" / "2wikimultihopqa" / "test.parquet"
    if not data.is_file():
        pytest.skip("no real records beside the project (../shared/data)")
    game = scenario("2wmh-asym", data=str(data), max_turns=2)
    episodes = rollout(game, LLMPolicy(backend, Sampling(0.0, max_tokens=8)), episodes=12, concurrency=12)
    assert len(episodes) == 12
    assert all(e.outcome.stop != "error" or (e.error and "window" in e.error.message) for e in episodes)
