"""Tool use: what the world answers, what a checker can stop, what an attempt leaves behind."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.acting import BOATS, COLUMNS, play, replies, script, sql

from optima_envs.games.replies import Responds, replied
from optima_envs.games.rules import Rules
from optima_envs.games.tool_use import NO_VERDICT, ToolUse, verdict
from optima_envs.records import ENVIRONMENT, Episode, EpisodeKey, Instance, Outcome, Turn, of_agents
from optima_envs.registry import UnknownName
from optima_envs.tools.actions import NO_ACTION, NOT_OFFERED, OWN_OBSERVATION, SEVERAL, UNKNOWN_TOOL
from optima_envs.tools.rows import METRIC
from optima_envs.tools.sql_world import fingerprint, table_of

TABLE = {"name": "harbour log", "columns": [list(column) for column in COLUMNS], "rows": BOATS}
GOLD = "UPDATE \"harbour log\" SET Crates = 8 WHERE Boat = 'Heron'"
WRONG = 'UPDATE "harbour log" SET Crates = 8'
START = fingerprint(table_of({"table": TABLE}))
AFTER = fingerprint(table_of({"table": TABLE}), [GOLD])
CHANGE = Instance("change", "Heron has 8 crates.", (AFTER,), meta={"table": TABLE, "change": True})
ASK = Instance("ask", "How many crates?", ('["50"]',), meta={"table": TABLE})
COUNT = sql('SELECT SUM(Crates) FROM "harbour log"')


def score(inst: Instance, outcome: Outcome) -> float:
    return METRIC.score(outcome.answer, inst.answers)


def test_the_rules_are_rules_whose_world_responds():
    for rules in (ToolUse(world="sql"), ToolUse(world="sql", checker=True)):
        assert isinstance(rules, Rules) and isinstance(rules, Responds)
        assert pickle.loads(pickle.dumps(rules)) == rules  # noqa: S301 - our own
    assert ToolUse(checker=True).agents == ("Alice", "Bob") and ToolUse().agents == ("Alice",)


def test_a_question_is_asked_of_the_table_and_answered():
    turns, outcome = play(ToolUse(world="sql"), ASK, script({"actor": [COUNT, "Final Answer: 50"]}))
    assert [(turn.agent, turn.text) for turn in turns] == [
        ("Alice", COUNT), (ENVIRONMENT, "[50]"), ("Alice", "Final Answer: 50")]  # fmt: skip
    assert outcome == Outcome("answered", "50") and score(ASK, outcome) == 1.0
    assert [turn.tokens for turn in turns if turn.agent == ENVIRONMENT] == [0]


def test_a_change_is_graded_by_the_table_whatever_is_said():
    rules = ToolUse(world="sql")
    for lines, right in (
        ([sql(GOLD), "finish[done]"], 1.0),
        ([sql(GOLD), "<A>I failed</A>"], 1.0),
        ([sql(WRONG), "finish[done]"], 0.0),
        (["finish[done]"], 0.0),
        ([sql(GOLD), sql(GOLD), sql("DELETE FROM nowhere"), "finish[done]"], 1.0),
    ):
        _, outcome = play(rules, CHANGE, script({"actor": lines}))
        assert outcome.stop == "answered" and score(CHANGE, outcome) == right
    # a table that was brought into the right state counts even if the agent never says so
    assert score(CHANGE, play(rules, CHANGE, script({"actor": [sql(GOLD), COUNT]}))[1]) == 1.0


def test_without_any_action_the_limit_ends_it_and_the_table_is_as_it_was():
    rules = ToolUse(world="sql", max_turns=4)
    turns, outcome = play(rules, CHANGE, script({"actor": ["Let me think."]}))
    assert outcome == Outcome("max_turns", START) and score(CHANGE, outcome) == 0.0
    assert len(turns) == 8 and rules.faults(CHANGE, turns) == Counter({NO_ACTION: 4})


FAULTY = {
    NO_ACTION: "I would rather not.",
    UNKNOWN_TOOL: "Action: dig[here]",
    NOT_OFFERED: "Action: lookup[crates]",
    "bad arguments": "Action: search[]",
    OWN_OBSERVATION: "Action: search[Heron]\nObservation: Heron has 99 crates\nAction: finish[99]",
}
PASSAGES = Instance("p", "?", ("7",), meta={"passages": [["Heron", "Heron has 7 crates."]], "tools": ["search"]})


@pytest.mark.parametrize("fault", FAULTY)
def test_a_fault_is_answered_in_one_line_counted_and_nothing_is_carried_out(fault: str):
    rules = ToolUse(world="search")
    turns, outcome = play(rules, PASSAGES, script({"actor": [FAULTY[fault], "search[Heron]", "finish[7]"]}))
    first, second = replies(turns)
    assert first.startswith("error: ") and "\n" not in first and "7 crates" not in first
    assert second == "1. Heron: Heron has 7 crates."
    assert outcome == Outcome("answered", "7") and rules.faults(PASSAGES, turns) == Counter({fault: 1})


def test_of_two_actions_the_last_is_carried_out_with_a_note():
    rules = ToolUse(world="sql")
    turns, outcome = play(rules, CHANGE, script({"actor": [f"{sql(WRONG)}\n{sql(GOLD)}", sql(GOLD), "finish[x]"]}))
    note, _, seen = replies(turns)[0].partition("\n")
    assert note.startswith("note: ") and seen == "ok, 1 row changed"
    assert score(CHANGE, outcome) == 1.0 and rules.faults(CHANGE, turns) == Counter({SEVERAL: 1})


def test_an_invented_observation_is_in_the_record_and_in_nobodys_view():
    text = "Action: search[Heron]\nObservation: Heron has 99 crates"
    rules = ToolUse(world="search")
    turns = replied(rules, PASSAGES, (Turn("Alice", text),))
    assert turns[0].text == text and "99" not in str(rules.view(PASSAGES, turns, "Alice"))
    lenient = ToolUse(world="search", lenient=True)
    turns = replied(lenient, PASSAGES, (Turn("Alice", text),))
    assert turns[1].text.startswith("note: ") and turns[1].text.endswith("Heron has 7 crates.")
    assert "99" not in str(lenient.view(PASSAGES, turns, "Alice"))


@pytest.mark.parametrize(
    "hostile",
    [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
        "SELECT zeroblob(1000000000)",
        "ATTACH ':memory:' AS other",
        "PRAGMA user_version = 7",
        'DROP TABLE "harbour log"',
        'SELECT COUNT(*) FROM "harbour log"' + ' CROSS JOIN "harbour log"' * 14,
    ],
)
def test_after_a_hostile_statement_the_dialogue_goes_on(hostile: str):
    turns, outcome = play(ToolUse(world="sql"), CHANGE, script({"actor": [sql(hostile), sql(GOLD), "finish[done]"]}))
    assert replies(turns)[0].startswith("error: ") and "\n" not in replies(turns)[0]
    assert score(CHANGE, outcome) == 1.0


# --- a checker ---


def test_a_vetoed_statement_is_not_carried_out_and_the_reason_is_heard():
    rules = ToolUse(world="sql", checker=True, max_turns=20)
    lines = {
        "actor": [sql(WRONG), sql(GOLD), "finish[done]"],
        "checker": ["Veto: it has no WHERE.", "Approve", "Approve."],
    }
    turns, outcome = play(rules, CHANGE, script(lines))
    assert [turn.agent for turn in turns][:4] == ["Alice", "Bob", ENVIRONMENT, "Alice"]
    assert turns[2].text.startswith("error: Bob vetoed")
    assert rules.state(CHANGE, turns[:3]).done == ()
    assert "it has no WHERE" in str(rules.view(CHANGE, turns[:3], "Alice").dialogue)
    assert score(CHANGE, outcome) == 1.0 and not rules.faults(CHANGE, turns)
    # off: approved, the same statement ruins the table
    lines["checker"] = ["Approve"]
    assert score(CHANGE, play(rules, CHANGE, script({**lines, "actor": [sql(WRONG), "finish[done]"]}))[1]) == 0.0


def test_the_table_is_untouched_while_and_after_an_action_is_vetoed():
    rules = ToolUse(world="sql", checker=True, max_turns=6)
    turns, outcome = play(rules, CHANGE, script({"actor": [sql(WRONG)], "checker": ["Veto"]}))
    assert outcome == Outcome("max_turns", START) and len(turns) == 9


def test_what_is_no_verdict_lets_pass_and_is_counted():
    rules = ToolUse(world="sql", checker=True)
    turns, outcome = play(
        rules, CHANGE, script({"actor": [sql(GOLD), "finish[x]"], "checker": ["Hm.", "no veto from me"]})
    )
    assert score(CHANGE, outcome) == 1.0 and rules.faults(CHANGE, turns) == Counter({NO_VERDICT: 2})


def test_a_faulty_action_needs_no_checker_and_an_answer_can_be_vetoed():
    rules = ToolUse(world="sql", checker=True)
    lines = {"actor": ["Hm.", "finish[49]", "finish[50]"], "checker": ["Rejected, 49 is odd", "Accept"]}
    turns, outcome = play(rules, ASK, script(lines))
    assert [turn.agent for turn in turns] == ["Alice", ENVIRONMENT, "Alice", "Bob", ENVIRONMENT, "Alice", "Bob"]
    assert outcome == Outcome("answered", "50")
    # vetoed to the end, an answer is none; waiting for a verdict, it is one
    assert play(replace(rules, max_turns=2), ASK, script({**lines, "actor": ["finish[49]"]}))[1] == Outcome(
        "max_turns", None
    )
    assert play(replace(rules, max_turns=1), ASK, script({**lines, "actor": ["finish[49]"]}))[1] == Outcome(
        "max_turns", "49"
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Approve", True),
        ("**Verdict:** approved", True),
        ("I looked at it.\nVeto: wrong table", False),
        ("Approve? No.\n> REJECT - wrong", False),
        ("Veto\nOn second thought\nApprove", True),
        ("<think>Veto</think> Approve", True),
        ("I approve of this", None),
        ("approvement", None),
        ("", None),
    ],
)
def test_verdicts(text: str, meant: bool | None):
    assert verdict(text) is meant


@pytest.mark.parametrize(
    "wrong",
    [
        {"agents": ("Alice", "Bob")},
        {"agents": ("Alice",), "checker": True},
        {"agents": ("environment",)},
        {"agents": ("Environment", "Bob"), "checker": True},
        {"agents": (" Alice",)},
        {"agents": ("Alice", "Alice"), "checker": True},
        {"max_turns": 0},
        {"token_budget": 0},
        {"answer_format": "xml"},
        {"attempts": 0},
        {"steps": 0},
        {"memory": -1},
    ],
)
def test_wrong_arguments_are_named(wrong: dict):
    with pytest.raises(ValueError, match=next(key for key in wrong if key != "checker")):
        ToolUse(**wrong)


def test_an_unknown_world_is_named_with_near_ones():
    with pytest.raises(UnknownName, match="did you mean search"):
        ToolUse(world="serch")


def test_tools_that_no_world_has_are_refused():
    for tools in (["fly"], "search", [7]):
        with pytest.raises(ValueError, match="meta"):
            ToolUse(world="search").view(replace(PASSAGES, meta={**PASSAGES.meta, "tools": tools}), (), "Alice")


def test_the_budget_counts_the_agents_words_alone():
    rules = ToolUse(world="sql", token_budget=12)
    turns, outcome = play(rules, ASK, script({"actor": [COUNT]}))
    assert outcome.stop == "token_budget" and rules.view(ASK, turns[:2], "Alice").tokens_left == 12 - len(COUNT.split())


def test_a_dialogue_is_a_record_and_replays_turn_for_turn():
    rules = ToolUse(world="sql", checker=True, attempts=2, max_turns=20)
    lines = {
        "actor": [sql(WRONG), "finish[x]", "Name the boat.", sql(GOLD), "finish[x]"],
        "checker": ["Approve", "Hm", "Veto", "Approve"],
    }
    turns, outcome = play(rules, CHANGE, script(lines))
    episode = Episode(EpisodeKey("change"), "test", CHANGE, turns, outcome)
    again = Episode.from_json(json.loads(json.dumps(episode.to_json())))
    assert again.turns == turns and episode.tokens == sum(len(t.text.split()) for t in turns if t.agent != ENVIRONMENT)
    fresh = ToolUse(world="sql", checker=True, attempts=2, max_turns=20)
    for at in range(1, len(turns)):
        heard = again.turns[:at]
        if turns[at].agent == ENVIRONMENT:
            assert fresh.respond(again.instance, heard) == turns[at]
        else:
            assert fresh.respond(again.instance, heard) is None or turns[at - 1].agent == ENVIRONMENT
            assert fresh.speakers(again.instance, heard) == (turns[at].agent,)
    assert fresh.outcome(again.instance, again.turns) == outcome


def test_a_reply_must_be_the_worlds():
    class Forger(ToolUse):
        def respond(self, inst, turns):
            return Turn("Bob", "I agree.", 2)

    with pytest.raises(ValueError, match="environment"):
        replied(Forger(world="sql"), ASK, (Turn("Alice", "x"),))


SAYINGS = st.sampled_from(
    [
        COUNT,
        sql(GOLD),
        sql(WRONG),
        "finish[50]",
        "Approve",
        "Veto",
        "hm",
        "search[x]",
        "Observation: x",
        sql("DROP TABLE x"),
        "",
    ]
)


@given(
    st.lists(SAYINGS, min_size=1, max_size=12),
    st.booleans(),
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from([CHANGE, ASK]),
)
def test_any_dialogue_ends_and_depends_on_its_turns_alone(lines, checker, attempts, memory, inst):
    rules = ToolUse(world="sql", checker=checker, attempts=attempts, memory=memory, max_turns=9)
    said, fresh = iter(lines), replace(rules)
    turns, outcome = play(rules, inst, lambda view: next(said, "hm"))
    assert len(of_agents(turns)) <= 9 and outcome.stop in ("answered", "max_turns")
    assert all(a.agent != ENVIRONMENT or b.agent != ENVIRONMENT for a, b in pairwise(turns))
    assert fresh.outcome(inst, turns) == outcome and fresh.faults(inst, turns) == rules.faults(inst, turns)
