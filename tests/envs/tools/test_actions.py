"""The grammar of actions: every form, every fault by its name, and text made to break it."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.acting import TUNING

from optima_envs.tools.actions import (
    BAD_ARGUMENTS,
    FAULTS,
    NO_ACTION,
    NOT_OFFERED,
    OWN_OBSERVATION,
    SEVERAL,
    UNKNOWN_TOOL,
    faults,
    parse_action,
)
from optima_envs.tools.grammar import without_observation
from optima_envs.tools.world import Tool

SEARCH = Tool("search", ("query",), "finds")
SQL = Tool("sql", ("statement",), "runs", fenced=True)
BOOK = Tool("book", ("day", "seats"), "books")
TOOLS = (SEARCH, SQL, BOOK)


def read(text: str, tools=TOOLS, known=(), answer_format: str = "tag"):
    return parse_action(text, tools, known, answer_format)


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("search[old harbour]", "old harbour"),
        ("Thought: look it up.\nAction: search[old harbour]", "old harbour"),
        ("Action 3: Search[a [b] c] and so on", "a [b] c"),
        ("**Action:** search[a ] b]", "a"),
        ("> - Action: search[unclosed [ bracket]", "unclosed [ bracket"),
        ("Action: search [spaced]", "spaced"),
        ('Action: search\nAction Input: {"query": "old\\nharbour"}', "old\nharbour"),
        ('Action:  <tool_search> Action Input: {"query": 7}', "7"),
        ('ACTION: `search`\n\n**Action Input**:\n{"query":\n "x"}\nand more', "x"),
        ("<think>Action: search[not this]</think>\nAction: search[this]", "this"),
        ("\uff1aAction\uff1a search[this]\nAction\uff1a search[wide colon]", "wide colon"),
        ("Action: I will look it up first.\n\nAction: search[prose before]", "prose before"),
    ],
)
def test_calls_of_one_argument(text: str, argument: str):
    parsed = read(text)
    assert parsed.call is not None and (parsed.call.tool, parsed.call.text) == ("search", argument)
    assert parsed.answer is None and not parsed.faults and not parsed.reason


def test_calls_of_several_arguments_come_in_the_order_of_the_tool():
    parsed = read('Action: book\nAction Input: {"seats": 2, "day": "Monday"}')
    assert parsed.call is not None and parsed.call.arguments == (("day", "Monday"), ("seats", "2"))


@pytest.mark.parametrize(
    "text",
    ["Action: Operation\n```sql\nSELECT 1\n```", "```SQL SELECT 1```", "```sqlite\nSELECT 1\n```\nThat will do."],
)
def test_sql_in_a_block(text: str):
    parsed = read(text)
    assert parsed.call is not None and (parsed.call.tool, parsed.call.text) == ("sql", "SELECT 1")
    assert not parsed.faults


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So it is <A> Leith </A>.", "Leith"),
        ("Action: finish[Leith]", "Leith"),
        ("Finish[Leith]", "Leith"),
        ("Action: Answer\nFinal Answer: Leith", "Leith"),
        ('Final Answer: ["Leith",\n "Oban"]\nDone.', '["Leith",\n "Oban"]'),
        ("Final Answer:\nLeith", "Leith"),
        ('Action: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "Leith"}', "Leith"),
        ("finish[<A>Leith</A>]", "<A>Leith</A>"),
    ],
)
def test_final_answers(text: str, answer: str):
    parsed = read(text)
    assert (parsed.answer, parsed.call, parsed.faults) == (answer, None, ())


def test_a_boxed_answer_where_the_environment_asks_for_one():
    assert read("It is \\boxed{12}.", answer_format="boxed").answer == "12"
    assert read("It is <A>12</A>.", answer_format="boxed").faults == (NO_ACTION,)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("I do not know.", NO_ACTION),
        ("", NO_ACTION),
        ("Action: perhaps I should search", NO_ACTION),
        ("see list[0] and search it", NO_ACTION),
        ("Action: dig[here]", UNKNOWN_TOOL),
        ('Action: dig\nAction Input: {"where": "here"}', UNKNOWN_TOOL),
        ("Action: fly[home]", NOT_OFFERED),
        ("Action: search[]", BAD_ARGUMENTS),
        ("Action: search", BAD_ARGUMENTS),
        ("Action: search[never closed", BAD_ARGUMENTS),
        ("Action: search\nAction Input: old harbour", BAD_ARGUMENTS),
        ('Action: search\nAction Input: {"query": "a"', BAD_ARGUMENTS),
        ('Action: search\nAction Input: {"words": "a"}', BAD_ARGUMENTS),
        ('Action: search\nAction Input: {"query": "a", "more": 1}', BAD_ARGUMENTS),
        ('Action: search\nAction Input: {"query": ["a"]}', BAD_ARGUMENTS),
        ('Action: search\nAction Input: {"query": NaN}', BAD_ARGUMENTS),
        ('Action: search\nAction Input: ["a"]', BAD_ARGUMENTS),
        ("Action: book[Monday]", BAD_ARGUMENTS),
        ("Action: search[" + "x" * 9_000 + "]", BAD_ARGUMENTS),
        ("```sql\nSELECT 1", NO_ACTION),
        ("```sql\n \n```", BAD_ARGUMENTS),
        ("finish[]", BAD_ARGUMENTS),
        ("Final Answer:", BAD_ARGUMENTS),
        ('Action: Finish\nAction Input: {"return_type": "give_up", "why": "x"}', BAD_ARGUMENTS),
        ("<think>Action: search[never said]", NO_ACTION),
    ],
)
def test_every_fault_has_its_name_and_nothing_is_called(text: str, fault: str):
    parsed = read(text, known=(Tool("fly", ("where",), "flies"),))
    assert parsed.faults == (fault,)
    assert parsed.call is None and parsed.answer is None
    assert parsed.reason and "\n" not in parsed.reason and len(parsed.reason) < 400


def test_of_several_actions_the_last_one_counts():
    parsed = read("search[first]\nfinish[too early]\nAction: search[second]")
    assert parsed.call is not None and parsed.call.text == "second"
    assert parsed.faults == (SEVERAL,) and parsed.shown.startswith("search[first]")
    assert read("Action: search[fine]\nAction: dig[not]").faults == (UNKNOWN_TOOL, SEVERAL)
    # a malformed one is no action, whether it stands before or after
    assert read("Action: search[fine]\nAction: search[").call == read("search[fine]").call


@pytest.mark.parametrize(
    "invented",
    [
        "Observation: gold",
        "Observation 1: gold",
        "  **Observation:** gold",
        "OBSERVATION\uff1agold",
        "environment: gold",
        "> Environment: gold",
    ],
)
def test_an_observation_of_ones_own_is_a_fault_and_cut(invented: str):
    text = f"Thought: so.\nAction: search[harbour]\n{invented}\nAction: finish[gold]"
    parsed = read(text)
    assert parsed.faults == (OWN_OBSERVATION,)
    assert parsed.call is not None and parsed.call.text == "harbour" and parsed.answer is None
    assert "gold" not in parsed.shown and parsed.shown.endswith("search[harbour]\n")
    assert without_observation(text) == parsed.shown


def test_an_observation_behind_the_call_on_its_line_is_cut_too():
    text = 'Action: search Action Input: {"query": "a"} Observation: gold'
    assert read(text).faults == (OWN_OBSERVATION,) and "gold" not in read(text).shown
    assert read("search[a] Observation: gold").faults == (OWN_OBSERVATION,)


@pytest.mark.parametrize(
    "text",
    [
        "The Observation: of tides is old.\nsearch[a]",
        "<think>\nObservation: none yet\n</think>\nsearch[a]",
        "```sql\nSELECT 'x\nObservation: y'\n```",
        'Action: search\nAction Input: {"query": "Observation: x"}',
    ],
)
def test_the_word_alone_is_no_observation(text: str):
    assert OWN_OBSERVATION not in faults(text, TOOLS)
    assert without_observation(text) == text


def test_records_of_foreign_worlds_are_read_without_a_list_of_tools():
    parsed = parse_action('Action: <tool_Pass Word%%of \u00f1> Action Input: {"n": 3}', None)
    assert parsed.call is not None and (parsed.call.tool, parsed.call.arguments) == (
        "Pass Word%%of \u00f1",
        (("n", "3"),),
    )
    assert parse_action("Action: anything[goes]", None).call is not None


PIECES = st.sampled_from(
    'Action:~Action Input:~search~[~]~{~}~{"query": "a"}~```sql~```~Observation:~\n~ ~<A>~</A>~finish[~Final Answer:'
    '~<think>~</think>~\\boxed{~a~\x00~\ud800~*~>~environment:~"'.split("~")
)


@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join)), st.sampled_from(["tag", "boxed"]))
def test_any_text_gives_one_action_or_a_reason(text: str, answer_format: str):
    parsed = read(text, answer_format=answer_format)
    assert set(parsed.faults) <= set(FAULTS)
    refused = set(parsed.faults) - {SEVERAL, OWN_OBSERVATION}
    assert (parsed.call is None) + (parsed.answer is None) == (2 if refused else 1)
    assert bool(parsed.reason) == bool(parsed.faults) and "\n" not in parsed.reason
    assert (parsed.shown == text) or OWN_OBSERVATION in parsed.faults
    # nothing of the environment's is left to be shown
    assert OWN_OBSERVATION not in read(parsed.shown, answer_format=answer_format).faults


@given(st.lists(PIECES, max_size=20).map("".join))
def test_what_is_cut_once_is_not_cut_again(text: str):
    assert without_observation(without_observation(text)) == without_observation(text)


def stored(*names: str):
    path = TUNING.joinpath(*names)
    if not path.exists():
        pytest.skip(f"no {'/'.join(names)} in the shared data")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "items", "own"),
    [("mistral", 48, 48), ("mistral_FT", 48, 0), ("CL_round_0", 24, 0), ("CL_round_1", 32, 0)],
)
def test_outputs_of_real_models(name: str, items: int, own: int):
    """Zero-shot outputs invent every observation, fine-tuned ones none; and which tool was called is read as the
    authors' own grader read it (not compared for zero-shot outputs, where theirs is stricter)."""
    outputs = [item for tool in stored("ste", "saved_results", f"{name}.json").values() for item in tool]
    parsed = [parse_action(item["model_output"], None) for item in outputs]
    assert len(outputs) == items and sum(OWN_OBSERVATION in one.faults for one in parsed) == own
    if name != "mistral":
        for item, one in zip(outputs, parsed, strict=True):
            called = one.call is not None and one.call.tool == item["action"]
            assert called == bool(item.get("api_match", 0))


@pytest.mark.parametrize(("name", "actions", "without"), [("multitask", 81, [39, 40]), ("hotpotqa", 80, [])])
def test_every_action_of_published_trajectories_is_read(name: str, actions: int, without: list[int]):
    rows = stored("fireact", "alpaca_format", f"{name}_multimethod.json")
    seen: Counter[str] = Counter()
    bare = set()
    for number, row in enumerate(rows):
        for turn in re.split(r"(?m)^Observation:.*(?:\n(?!Thought:|Action:).*)*\n?", row["output"]):
            if turn.strip():
                found = parse_action(turn, None)
                seen["read"] += not found.faults
                bare |= {number} if found.faults else set()
    assert (seen["read"], sorted(bare)) == (actions, without)
