"""Questions behind a search tool, and word problems with a calculator: a perfect dialogue exists for each of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.acting import play, script
from support.worlds import DATA

from optima_envs.games.plan_ground import PlanGround
from optima_envs.games.tool_use import ToolUse
from optima_envs.records import Turn
from optima_envs.scoring.metrics import METRICS
from optima_envs.tasks.loading import DataError
from optima_envs.tasks.reckoning import ArithSteps, GSM8KSteps
from optima_envs.tasks.searching import HotpotSearch, TwoHopSearch
from optima_envs.tasks.twohop import TwoHop

PARAGRAPHS = {
    "Mull &amp; Iona": ["Mull and Iona are islands.", " Their ferry is the Auk."],
    "Auk [ferry]": ["The Auk was built in Leith.", ""],
    "Leith": ["Leith is a port."],
}
HOTPOT = [
    {
        "_id": "ferry",
        "question": "Where was the ferry of Mull &amp; Iona built?",
        "answer": "Leith",
        "context": [[title, text] for title, text in PARAGRAPHS.items()],
        "supporting_facts": [["Mull &amp; Iona", 1], ["Auk [ferry]", 0]],
    }
]
SUMS = [
    {"question": "A net holds 12 crabs. Half escape. How many?", "answer": "12 / 2 = <<12/2=6>>6 stay. #### 6"},
    {
        "question": "A box costs $2.50. What do 4 cost?",
        "answer": "It is <<2.50*4=10>>10 dollars, then <<10*x=0>>. #### 10",
    },
    {"question": "A boat has 1,250 crates. How many?", "answer": "All of them. #### 1,250"},
    {"question": "7 minus 9?", "answer": "9 - 7 = <<9-7=2>>2, so minus two. #### -2"},
]


def solved(task, rules, metric: str, count: int, **more) -> None:
    """An oracle is worth 1 and a lazy team 0 on the first ``count`` instances."""
    for at in range(count):
        inst = task[at]
        turns, outcome = play(rules, inst, script({**task.solution(inst), **more}))
        assert METRICS[metric].score(outcome.answer, inst.answers) == 1.0, inst.id
        assert not rules.faults(inst, turns), inst.id
        nothing = {
            "actor": ["Final Answer: -"],
            "planner": ["stop planning"],
            "grounder": ["-"],
            "checker": ["Approve"],
        }
        assert METRICS[metric].score(play(rules, inst, script(nothing))[1].answer, inst.answers) == 0.0


def test_hotpotqa_behind_search():
    task = HotpotSearch(data=HOTPOT)
    inst = task[0]
    assert inst.question == "Where was the ferry of Mull & Iona built?" and inst.private == {}
    assert sorted(title for title, _ in inst.meta["passages"]) == ["Auk [ferry]", "Leith", "Mull & Iona"]
    assert inst.meta["gold"] == ["Mull & Iona", "Auk [ferry]"]
    assert inst.meta["notes"][0].startswith("3 paragraphs") and json.loads(json.dumps(inst.meta)) == inst.meta
    assert "Auk" not in str(ToolUse().view(inst, (), "Alice"))
    solved(task, ToolUse(), "f1", 1)
    with pytest.raises(DataError, match="context"):
        HotpotSearch(data=[{**HOTPOT[0], "context": "no JSON"}])


def test_published_hotpotqa_questions():
    path = DATA / "hotpot_qa" / "test.parquet"
    if not path.exists():
        pytest.skip("no hotpot_qa/test.parquet in the shared data")
    task = HotpotSearch(data=path)
    solved(task, ToolUse(), "f1", len(task))
    assert len(task) >= 50


def test_the_two_hop_world_behind_search():
    task, plain = TwoHopSearch("train", seed=3), TwoHop("train", seed=3)
    for at in range(20):
        inst = task[at]
        assert (inst.id, inst.question, inst.answers) == (plain[at].id, plain[at].question, plain[at].answers)
        facts = sorted(line for held in plain[at].private.values() for line in held.splitlines())
        assert sorted(text for _, text in inst.meta["passages"]) == facts and len(facts) == 12
        assert inst == TwoHopSearch("train", seed=3)[at]  # a function of seed, split and index
    assert (
        len({tuple(task[at].meta["gold"][0] in text for _, text in task[at].meta["passages"]) for at in range(20)}) > 5
    )
    solved(task, ToolUse(), "f1", 20)
    solved(task, ToolUse(checker=True, max_turns=12), "f1", 5, checker=["Approve"])


def test_an_answer_is_supported_once_the_world_has_shown_it():
    task = TwoHopSearch()
    inst = task[0]
    turns, _ = play(ToolUse(), inst, script(task.solution(inst)))
    assert task.supported(inst, turns) is True
    assert task.supported(inst, (Turn("Alice", f"finish[{inst.answers[0]}]"), *turns)) is False
    assert task.supported(inst, turns[:2]) is None


def test_sums_with_a_calculator():
    task = GSM8KSteps(data=SUMS)
    assert [inst.meta["steps"] for inst in task] == [["12/2"], ["2.50*4"], [], ["9-7"]]
    solved(task, ToolUse(world="calculator"), "number", len(SUMS))
    solved(task, PlanGround(), "number", len(SUMS))
    assert "12/2" not in str(ToolUse(world="calculator").view(task[0], (), "Alice"))


def test_published_sums():
    path = DATA / "gsm8k" / "test.jsonl"
    if not path.exists():
        pytest.skip("no gsm8k/test.jsonl in the shared data")
    task = GSM8KSteps(data=path)
    assert len(task) >= 100
    solved(task, ToolUse(world="calculator", max_turns=20), "number", len(task))
    solved(task, PlanGround(max_turns=40), "number", len(task))


def test_an_oracle_team_solves_the_arithmetic_world_and_a_planner_that_skips_does_not():
    task, rules = ArithSteps("train"), PlanGround()
    solved(task, rules, "number", 100)
    once = PlanGround(formulation="onetime")
    right = 0
    for at in range(100):
        inst = task[at]
        lines = task.solution(inst)
        joined = {"planner": ["; ".join(lines["planner"][:-1])], "grounder": ["; ".join(lines["grounder"])]}
        assert play(once, inst, script(joined))[1].answer == inst.answers[0]
        skipped = {"planner": [lines["planner"][0], "stop planning"], "grounder": lines["grounder"]}
        right += play(rules, inst, script(skipped))[1].answer == inst.answers[0]
    assert right < 50  # off: without its last subgoal a plan hardly ever comes out right


def test_the_arithmetic_world_is_the_one_it_was():
    task = ArithSteps("test", seed=5)
    inst = task[7]
    assert inst.meta["steps"][0].startswith(str(inst.meta["start"])) and task[7] == inst
    plain = replace(inst, meta={key: value for key, value in inst.meta.items() if key != "steps"})
    assert plain == super(ArithSteps, task).__getitem__(7)
