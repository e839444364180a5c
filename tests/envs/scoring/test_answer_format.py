"""One form of an answer: what asks for it, what states it and what finds it agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_agents.prompts import ROLES, messages
from optima_agents.scripted import state
from optima_envs.adapters.single import recite
from optima_envs.records import Turn, View
from optima_envs.scenario import scenario
from optima_envs.scoring.answer_format import FORMATS, format_named

ASKED = {"tag": "<A> answer </A>", "boxed": "\\boxed{answer}"}  # the embedded model was raised on the first


def view(form: str, family: str = "exchange", role: str = "holder") -> View:
    return View("Alice", ("Bob",), role, family, "Be brief.", "Why?", "", (), 0, 2, answer_format=form)


@pytest.mark.parametrize("form", FORMATS)
@given(answer=st.text("abc XYZ-019.,", min_size=1, max_size=30).filter(str.strip))
def test_what_is_stated_is_found(form: str, answer: str) -> None:
    assert FORMATS[form].find(f"So {FORMATS[form].state(answer)}.") == answer.strip()
    assert FORMATS[form].find(FORMATS[form].state(answer, gap="")) == answer.strip()
    assert FORMATS[form].find(state(answer, form)) == answer.strip()


# a critic judges; those who act are told the final form by their environment
NOT_ASKED = {"critic", "actor", "checker", "planner", "grounder"}


@pytest.mark.parametrize("form", FORMATS)
def test_prompts_ask_in_the_form_and_the_default_partner_repeats_it(form: str) -> None:
    assert FORMATS[form].ask() == ASKED[form]
    for family, role in ROLES:
        asked = messages(view(form, family, role))[0]["content"]
        assert (ASKED[form] in asked) == (role not in NOT_ASKED), role
    said = FORMATS[form].state("7")
    repeated = recite({"dialogue": [("Alice", said)], "private": ""})
    assert FORMATS[form].find(repeated) == "7"


def test_a_format_nobody_knows_is_asked_for_as_a_tag_and_refused_by_name() -> None:
    assert "<A> answer </A>" in messages(view("json"))[0]["content"]
    with pytest.raises(ValueError, match="answer format 'json' is not one of boxed, tag"):
        format_named("json")


@pytest.mark.parametrize("form", FORMATS)
def test_a_guess_is_seen_in_the_form_the_game_asks_for(form: str) -> None:
    scene = scenario("twohop-asym", answer_format=form)
    inst = scene.task[0]
    guess = Turn("Alice", FORMATS[form].state("Nowhere"), 1)
    assert scene.supported(inst, (guess,)) is False
    other = next(name for name in FORMATS if name != form)
    assert scene.supported(inst, (Turn("Alice", FORMATS[other].state("Nowhere"), 1),)) is None
