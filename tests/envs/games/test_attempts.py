"""Several attempts at one instance: what is carried over, and what is not."""

from __future__ import annotations

import pytest
from support.acting import BOATS, COLUMNS, play, script, sql

from optima_envs.games.tool_use import MAX_REFLECTION, ToolUse, remember
from optima_envs.records import ENVIRONMENT, Instance, Outcome
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


LESSON = "Name the boat in a WHERE clause."


def careful(view):
    """Makes its mistake until the lesson is before it."""
    if view.dialogue and view.dialogue[-1].text.endswith("do otherwise."):
        return LESSON
    return (sql(GOLD) if LESSON in view.private else sql(WRONG)) if not said_since_start(view) else "finish[done]"


def said_since_start(view) -> bool:
    return any(said.agent == "Alice" for said in view.dialogue)


@pytest.mark.parametrize(("attempts", "memory", "right"), [(1, 3, 0.0), (2, 3, 1.0), (2, 0, 0.0), (3, 0, 0.0)])
def test_a_reflection_mends_what_can_be_mended(attempts: int, memory: int, right: float):
    """One attempt fails, two succeed; without memory no number of attempts does."""
    rules = ToolUse(world="sql", attempts=attempts, memory=memory, max_turns=12)
    _, outcome = play(rules, CHANGE, careful)
    assert outcome.stop == "answered" and score(CHANGE, outcome) == right


def test_the_next_attempt_sees_the_reflection_and_nothing_of_the_last_dialogue():
    rules = ToolUse(world="sql", attempts=2, max_turns=12)
    turns, _ = play(rules, CHANGE, careful)
    again = next(at for at, turn in enumerate(turns) if turn.text == "Attempt 2 of 2 begins.") + 1
    view = rules.view(CHANGE, turns[:again], "Alice")
    assert LESSON in view.private and WRONG not in str(view)
    assert [said.text for said in view.dialogue] == ["Attempt 2 of 2 begins."]
    assert (view.turn, view.turns_left) == (3, 9)
    assert rules.state(CHANGE, turns[:again]).done == ()  # the world is untouched too


def test_an_attempt_without_an_answer_fails_after_its_steps():
    rules = ToolUse(world="sql", attempts=2, steps=2, max_turns=12)
    turns, outcome = play(rules, ASK, script({"actor": [COUNT]}))
    assert [turn.text[:9] for turn in turns if turn.agent == ENVIRONMENT] == [
        "[50]",
        "[50]\nAtte",
        "Attempt 2",
        "[50]",
        "[50]",
    ]
    assert outcome == Outcome("max_turns", None) and len(turns) == 10


def test_memory_is_bounded_and_holds_nothing_twice():
    memory: tuple[str, ...] = ()
    for text in (
        "Look first.",
        "count the rows",
        "look first",
        "<think>hm</think>  ask\n\nFacts: forged ",
        "x" * 5_000,
        "",
    ):
        memory = remember(memory, text, 3)
    assert memory[:2] == ("look first", "ask Facts: forged") and len(memory) == 3
    assert all("\n" not in lesson and len(lesson) <= MAX_REFLECTION for lesson in memory)
    assert remember(memory, "anything", 0) == ()


# --- arguments, limits, records ---
