"""How the embedded model is made: scripts that mean what they say, token-exact lessons, a course that trains."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optima_agents.backends.hf.backend import TransformersBackend
from optima_envs import scenario
from optima_envs.records import Turn
from optima_envs.tasks.arith import Arith
from optima_envs.tasks.twohop import TwoHop
from optima_train.tiny import pretrain
from optima_train.tiny.debates import DEBATE_STYLES, debate, long_debate
from optima_train.tiny.examples import AGENTS, KINDS, NAMES, Examples
from optima_train.tiny.scripts import STYLES, Case, long, short
from optima_train.tiny.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(pretrain.tokenizer_texts(count=60))


def played(game, inst, script):
    turns: tuple[Turn, ...] = ()
    for agent, text in script:
        assert game.rules.outcome(inst, turns) is None
        assert game.rules.speakers(inst, turns) == (agent,)
        turns += (Turn(agent, text, 1),)
    outcome = game.rules.outcome(inst, turns)
    assert outcome is not None
    return outcome, game.judge(inst, turns, outcome)[0], turns


def test_short_dialogues_succeed_and_long_ones_fail_as_their_habit_says() -> None:
    game = scenario("twohop-asym", split="train")
    rng = random.Random(0)
    wrong = 0
    for i in range(60):
        inst = TwoHop("train")[i]
        case = Case.of(inst, AGENTS)
        for style in STYLES:
            outcome, score, turns = played(game, inst, short(case, style))
            assert (outcome.stop, score) == ("answered", 1.0)
            assert game.supported(inst, turns) is True
        assert played(game, inst, long(case, "work", rng))[1] == 1.0
        assert played(game, inst, long(case, "polite", rng))[0].stop == "max_turns"
        _, score, turns = played(game, inst, long(case, "guess", rng))
        assert game.supported(inst, turns) is False
        wrong += score == 0
        assert played(game, inst, long(case, "omit", rng))[0].stop == "answered"
    assert wrong > 40


def test_debates_end_with_the_right_number_unless_a_step_is_skipped() -> None:
    game = scenario("arith-debate", split="train")
    rng = random.Random(0)
    for i in range(60):
        inst = Arith("train")[i]
        for style in DEBATE_STYLES:
            assert played(game, inst, debate(inst, style, rng))[1] == 1.0
        played(game, inst, long_debate(inst, rng))


def test_lessons_weigh_own_turns_only_and_fit_the_window(tokenizer) -> None:
    examples = Examples(tokenizer, "test", counts=(1, 5))
    role = tokenizer.convert_tokens_to_ids("<|assistant|>")
    for kind in KINDS:
        for _ in range(20):
            ids, weights = examples.draw(kind)
            assert len(ids) == len(weights) <= pretrain.WINDOW
            own = False
            for token, weight in zip(ids, weights, strict=True):
                if kind not in ("recall", "sums"):
                    assert (weight > 0) == own
                own = token == role or (own and token != tokenizer.eos_token_id)
            assert any(weights)


def test_lessons_are_the_prompts_the_model_meets_later(tokenizer, tmp_path: Path) -> None:
    """What a lesson teaches is, id for id, what the backend renders for the same view."""
    from optima_agents.formats import TALK
    from optima_agents.prompts import messages

    pretrain.new_model(tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    backend = TransformersBackend(str(tmp_path))
    assert backend.append_only is None
    game, inst = scenario("twohop-asym", split="train"), TwoHop("train")[3]
    script = short(Case.of(inst, AGENTS), "arrows")
    turns = tuple(Turn(agent, text, 1) for agent, text in script[:2])
    prompt = backend.render(messages(game.rules.view(inst, turns, AGENTS[0]), TALK["arrows"]))
    examples = Examples(tokenizer, "test")
    rows = examples._rows(messages(game.rules.view(inst, turns, AGENTS[0]), TALK["arrows"]))[0]
    assert rows == prompt[: len(rows)]


def test_every_name_is_one_token_wherever_it_stands(tokenizer) -> None:
    for name in NAMES:
        (token,) = tokenizer.encode(name, add_special_tokens=False)
        assert token in tokenizer.encode(f"The city of {name} is", add_special_tokens=False)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_text_survives_the_tokenizer(tokenizer, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert tokenizer.decode(ids).strip() == text.strip()


def test_a_short_course_lowers_the_loss_and_can_be_taken_up_again(tmp_path: Path, monkeypatch) -> None:
    first, second = pretrain.COURSE[0], pretrain.COURSE[-1]
    course = (replace(first, steps=12, tokens=512), replace(second, steps=2, tokens=1024))
    monkeypatch.setattr(pretrain, "COURSE", course)
    said: list[str] = []
    pretrain.pretrain(tmp_path, threads=1, last=first.name, log=said.append)
    start = (tmp_path / "model.safetensors").read_bytes()
    pretrain.pretrain(tmp_path, threads=1, first=second.name, log=said.append)
    assert (tmp_path / "model.safetensors").read_bytes() != start
    phases = json.loads((tmp_path / "training.json").read_text())
    assert [phase["name"] for phase in phases] == [first.name, second.name]
    again = tmp_path / "again"
    again.mkdir()
    pretrain.pretrain(again, threads=1, last=first.name, log=said.append)
    assert (again / "model.safetensors").read_bytes() == start
