"""One grammar for what agents of all kinds write, and the step that writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.foreign import save
from support.foreign_runs import ALPACA, ETO
from support.steps import go

from optima_train.trajectories import read
from optima_train.trajectories.acts import call_text, read_turn, split_calls

TURNS = {
    "Thought: I look.\nAction: search[a [b] c]": ("I look.", [("react", "search", "a [b] c")]),
    "THOUGHT: look\nACTION: go to shelf 1": ("look", [("command", "go to shelf 1", "")]),
    "Think: count\n\nAct: bash\n\n```bash\nls | wc\n```": ("count", [("block", "bash", "ls | wc")]),
    "Act: answer(220)": ("", [("function", "answer", "220")]),
    "Counting.\nAction: Answer\nFinal Answer: [\"3\"]": ("Counting.", [("final", "Answer", '["3"]')]),
    "Final Answer: #2": ("", [("final", "finish", "#2")]),
    "Action: <tool_x> Action Input: {\"a\": 1}": ("", [("call", "<tool_x>", '{"a": 1}')]),
    "Thought 2: b\nAction 2: f[x]": ("b", [("react", "f", "x")]),
    "only talk": ("only talk", []),
    "Action: prose that goes on\nThought: no\nAction: search[x]": (
        "no",
        [("command", "prose that goes on", ""), ("react", "search", "x")],
    ),
    "Action: finish[Thought: a thought. Answer: no.]": ("", [("react", "finish", "Thought: a thought. Answer: no.")]),
    "Action: look\nAction Input:\n{\"q\": 1}\nObservation: {\"made\": \"up\"}\nFinal Answer: x": (
        "",
        [("call", "look", '{"q": 1}')],
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", TURNS)
def test_one_grammar_reads_them_all(text: str) -> None:
    thought, acts = TURNS[text]
    found = read_turn(text)
    assert (found.thought, [(act.kind, act.name, act.argument) for act in found.acts]) == (thought, acts)
    assert found.observed == ("Observation" in text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="Action: InputThought\n[]{}()`\"' x", max_size=400))
def test_the_grammar_never_fails(text: str) -> None:
    found = read_turn(text)
    assert all(act.argument in text and act.name in text for act in found.acts if act.name != "finish")


@pytest.mark.parametrize(
    "unit", ["Action: ", "Action Input:", " ", "```sql\n", "[", "]", "Thought:\n", "\n", "Action:(("]
)
def test_the_grammar_takes_linear_time(unit: str) -> None:
    import time

    def spent(times: int) -> float:
        start = time.process_time()
        read_turn(unit * times)
        return time.process_time() - start

    spent(1000)
    assert spent(20_000) < 40 * max(spent(2000), 0.002)


CALLS = st.lists(st.tuples(st.from_regex(r"[a-z_%]{1,8}", fullmatch=True), st.just('{"a": [1, "x"]}')), max_size=3)


@settings(max_examples=100, deadline=None)
@given(thought=st.text(alphabet="abc \n", max_size=20), calls=CALLS)
def test_calls_as_text_are_found_again(thought: str, calls: list) -> None:
    before, found = split_calls(call_text(thought, calls))
    assert found == calls and (before.rstrip("\n") == thought.rstrip("\n") if calls else before == thought)


def test_react_writes_runs_of_every_method_alike(tmp_path: Path) -> None:
    rows = read("fireact", [save(tmp_path / "alpaca.json", ALPACA)])
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "Reasoning goes here.\nAnswer: 42"}]
    cot = list(read("chat", [save(tmp_path / "cot.jsonl", [{"messages": chat}])]))
    first, second, third, fourth, reasoned = go(["react"], [*rows, *cot])
    assert first.turns[0].text == "Thought: I look.\nAction: search[who wrote it]"
    assert reasoned.turns[0].text == "Thought: Reasoning goes here.\nAnswer: 42\nAction: finish[42]"
    assert [item.info.get("flags") for item in (first, second, third, fourth, reasoned)] == [
        None,
        None,
        ["no thought", "thought inside the answer"],
        ["no action"],
        None,
    ]
    labelled = list(read("eto", [save(tmp_path / "eto.json", ETO[:1])]))
    assert go(["react"], labelled)[0].turns[3].text == "1 result"
