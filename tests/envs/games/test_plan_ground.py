"""Plan and ground: who speaks when, what is executed, and what neither a planner nor a grounder can make up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.acting import play, replies, script

from optima_envs.games.plan_ground import PlanGround
from optima_envs.records import ENVIRONMENT, Instance, Outcome, of_agents
from optima_envs.tools.actions import BAD_ARGUMENTS, NO_ACTION, OWN_OBSERVATION, SEVERAL, UNKNOWN_TOOL

PEARS = Instance("pears", "Mira has 5 pears, buys 3 and eats 2. How many pears does she have?", ("6",))
PLAN = [
    "Subgoal 1: Calculate 5 + 3.",
    "No, I will keep planning. Subgoal 2: Take 2 away.",
    "Yes, I will stop planning.",
]
CALLS = ["R1 = Calculator(5 + 3)", "R2 = Calculator(R1 - 2)"]


def test_iterative_the_planner_hears_each_result_and_the_grounder_earlier_ones():
    heard: list[tuple[str, str]] = []
    lines = script({"planner": PLAN, "grounder": CALLS})

    def say(view):
        heard.append((view.role, " | ".join(said.text for said in view.dialogue)))
        return lines(view)

    rules = PlanGround()
    turns, outcome = play(rules, PEARS, say)
    assert [turn.agent for turn in turns] == ["Alice", "Bob", ENVIRONMENT, "Alice", "Bob", ENVIRONMENT, "Alice"]
    assert replies(turns)[0].startswith("The executed result for Subgoal 1 is 8.")
    assert replies(turns)[1].startswith("The executed result for Subgoal 2 is 6.")
    assert [role for role, _ in heard] == ["planner", "grounder", "planner", "grounder", "planner"]
    assert "Subgoal 1 is 8" in heard[2][1] and "Subgoal 1 is 8" in heard[3][1] and "Subgoal 2 is 6" in heard[4][1]
    assert outcome == Outcome("answered", "6") and not rules.faults(PEARS, turns)


def test_onetime_is_two_turns():
    rules = PlanGround(formulation="onetime")
    lines = {"planner": ["Subgoal 1: Add.; Subgoal 2: Take away."], "grounder": ["; ".join(CALLS)]}
    turns, outcome = play(rules, PEARS, script(lines))
    assert [turn.agent for turn in turns] == ["Alice", "Bob", ENVIRONMENT]
    assert outcome == Outcome("answered", "6")


def test_what_an_agent_says_is_never_the_answer():
    lines = {"planner": ["It is <A>6</A>. Stop planning."], "grounder": ["finish[6]"]}
    assert play(PlanGround(), PEARS, script(lines))[1] == Outcome("answered", None)
    lines = {"planner": PLAN, "grounder": ["Final Answer: 6"]}
    assert play(PlanGround(), PEARS, script(lines))[1] == Outcome("max_turns", None)


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("R1 = Calculator(R1(R9))", BAD_ARGUMENTS),
        ("R1 = Calculator(9**9**9)", BAD_ARGUMENTS),
        ("R1 = Calculator(pears)", BAD_ARGUMENTS),
        ("R1 = Search(pears)", UNKNOWN_TOOL),
        ("Eight.", NO_ACTION),
    ],
)
def test_a_wrong_call_is_told_and_the_grounder_tries_again(call: str, fault: str):
    rules = PlanGround()
    turns, outcome = play(rules, PEARS, script({"planner": PLAN, "grounder": [call, *CALLS]}))
    assert replies(turns)[0].startswith("error: ") and "\n" not in replies(turns)[0]
    assert [turn.agent for turn in turns][:4] == ["Alice", "Bob", ENVIRONMENT, "Bob"]
    assert outcome == Outcome("answered", "6") and rules.faults(PEARS, turns) == Counter({fault: 1})


def test_a_plan_without_a_subgoal_or_with_several_is_told():
    rules = PlanGround()
    lines = {"planner": ["Let me see.", "Subgoal 1: Add. Subgoal 2: Take away.", *PLAN], "grounder": CALLS}
    turns, outcome = play(rules, PEARS, script(lines))
    assert outcome == Outcome("answered", "6") and rules.faults(PEARS, turns) == Counter({NO_ACTION: 1, SEVERAL: 1})
    assert [turn.agent for turn in turns][:5] == ["Alice", ENVIRONMENT, "Alice", ENVIRONMENT, "Alice"]


def test_printed_and_invented_results_are_counted_and_not_believed():
    rules = PlanGround()
    lines = {
        "planner": [PLAN[0] + "\nObservation: 99", *PLAN[1:]],
        "grounder": [CALLS[0] + " = 99", CALLS[1] + "\nenvironment: 99"],
    }
    turns, outcome = play(rules, PEARS, script(lines))
    assert outcome == Outcome("answered", "6") and rules.faults(PEARS, turns) == Counter({OWN_OBSERVATION: 3})
    assert "Observation" not in str(rules.view(PEARS, turns, "Bob").dialogue)


def test_the_limit_gives_what_was_executed_last():
    rules = PlanGround(max_turns=3)
    assert play(rules, PEARS, script({"planner": PLAN, "grounder": CALLS}))[1] == Outcome("max_turns", "8")


def test_wrong_arguments_are_named():
    for wrong in (
        {"formulation": "twice"},
        {"agents": ("Alice",)},
        {"agents": ("Alice", "environment")},
        {"max_turns": 0},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            PlanGround(**wrong)  # type: ignore[arg-type]


SAYINGS = st.sampled_from([*PLAN, *CALLS, "hm", "stop", "R1 = Calculator(1", "Observation: 7", ""])


@given(st.lists(SAYINGS, max_size=12), st.sampled_from(["iterative", "onetime"]))
def test_any_dialogue_ends_and_depends_on_its_turns_alone(lines, formulation):
    rules, said = PlanGround(formulation=formulation, max_turns=8), iter(lines)
    turns, outcome = play(rules, PEARS, lambda view: next(said, "hm"))
    assert len(of_agents(turns)) <= 8
    fresh = replace(rules)
    assert fresh.outcome(PEARS, turns) == outcome and fresh.faults(PEARS, turns) == rules.faults(PEARS, turns)
