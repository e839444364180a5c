"""Prompts of roles that act, and the formats react, cot and reflect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.acting import record

import optima_envs
from optima_agents.formats import ACTING, FORMATS, TALK, Format, format_pool
from optima_agents.prompts import ROLES, messages
from optima_envs.records import View
from optima_envs.tools.actions import parse_action
from optima_train.stages.generate import hinted_prompt

TABLES = [record("counting", ["4"])]


def system(env: str, agent: str, **settings) -> str:
    scene = optima_envs.scenario(env, **settings)
    return messages(scene.rules.view(scene.task[0], (), agent))[0]["content"]


def test_every_role_that_acts_has_a_prompt_of_its_own_with_the_games_statement():
    for env, agent, words in (
        ("dbbench-sql-checked", "Alice", "who acts"),
        ("dbbench-sql-checked", "Bob", "the latest action of Alice"),
        ("arith-plan", "Alice", "who plans"),
        ("arith-plan", "Bob", "the latest subgoal of Alice"),
    ):
        settings: dict[str, Any] = {"data": TABLES} if env.startswith("dbbench") else {}
        text = system(env, agent, **settings)
        scene: Any = optima_envs.scenario(env, **settings)
        assert words in text and scene.rules.instructions(scene.task[0], agent) in text and "{" not in text
    # alone, as in methods of one call, nobody is told of tools
    scene = optima_envs.scenario("twohop-search")
    view = scene.rules.view(scene.task[0], (), "Alice")
    solo = messages(replace(view, role="solo"))[0]["content"]
    assert "search" not in solo and "without any tools" in solo and "<A> answer </A>" in solo


def test_a_statement_with_braces_stays_as_it_is():
    view = View("A", ("B",), "actor", "tool", 'call {"x": "{partners}"} {answer}', "?", "", (), 0, 1)
    assert 'call {"x": "{partners}"} {answer}' in messages(view)[0]["content"]
    assert ("tool", "actor") in ROLES


@pytest.mark.parametrize("name", ACTING)
def test_demonstrations_are_well_formed_turns(name: str):
    hint = FORMATS[name].hint
    told = [line for line in hint.splitlines() if line.startswith(("Action:", "Final Answer:"))]
    assert told and all(not parse_action(line, None).faults for line in told)
    assert parse_action(told[-1], None).answer


def test_the_default_pool_goes_by_the_family():
    assert format_pool() == format_pool(None, "exchange") == TALK
    assert format_pool(None, "tool") == ACTING and format_pool(None, "plan") == {}
    assert format_pool(["react", "plain", "notes"]) == {"react": ACTING["react"], "plain": "", "notes": TALK["notes"]}


def test_others_can_add_formats():
    FORMATS.register("tests-shout", Format("SHOUT."))
    assert format_pool(["tests-shout"]) == {"tests-shout": "SHOUT."}
    assert "tests-shout" not in format_pool()
    with pytest.raises(ValueError, match="registered already"):
        FORMATS.register("react", Format("other"))


def test_a_hint_goes_to_who_acts_and_not_to_who_checks():
    scene = optima_envs.scenario("dbbench-sql-checked", data=TABLES)
    views = [scene.rules.view(scene.task[0], (), name) for name in ("Alice", "Bob")]
    alice, bob = (hinted_prompt(view, "HINT")[0]["content"] for view in views)
    assert alice.endswith(" HINT") and "HINT" not in bob
