"""Chat of any dialect becomes a transcript: roles, keys, contents and calls as they come, hostile ones too."""

from __future__ import annotations

import pytest

from optima_train.trajectories import BadRow
from optima_train.trajectories.messages import MOST_TURNS, read_chat, tools_of
from optima_train.trajectories.transcript import episode


def said(*rows: dict, **options):
    chat = read_chat([{"role": "user", "content": "task"}, *rows], **options)
    return [(turn.agent, turn.text) for turn in chat.turns]


@pytest.mark.parametrize(
    ("role", "speaker"),
    [(r, "assistant") for r in ("assistant", "gpt", "model", "chatgpt", "bard", "bing", "Assistant", " GPT ")]
    + [(r, "environment") for r in ("tool", "function", "observation", "ipython", "environment")]
    + [(r, "user") for r in ("user", "human", "system")],
)
def test_roles_by_any_of_their_names(role: str, speaker: str) -> None:
    assert said({"role": role, "content": "x"}) == [(speaker, "x")]


@pytest.mark.parametrize("role", ["narrator", "", None, 7, ["user"], {"a": 1}])
def test_an_unknown_role_is_the_reason(role) -> None:
    with pytest.raises(BadRow, match=r"unknown role|without a role"):
        said({"role": role, "content": "x"})


def test_keys_may_be_mixed_in_one_list() -> None:
    rows = ({"from": "gpt", "content": "a"}, {"role": "user", "value": "b"}, {"from": "human", "value": "c"})
    assert said(*rows) == [("assistant", "a"), ("user", "b"), ("user", "c")]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("", ""),
        ([], "[]"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        ([{"type": "image", "url": "x"}], '[{"type": "image", "url": "x"}]'),
        ([{"title": "caf\u00e9"}], '[{"title": "caf\u00e9"}]'),
        ({"a": 1}, '{"a": 1}'),
        (7, "7"),
    ],
)
def test_content_of_any_kind_becomes_text(content, text: str) -> None:
    assert said({"role": "tool", "content": content}) == [("environment", text)]


def test_calls_become_text_in_one_grammar() -> None:
    call = {"type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}, "id": "7"}
    other = {"name": "go", "arguments": {"to": "there"}}
    assert said({"role": "assistant", "content": "Well.", "tool_calls": [call, other]}) == [
        ("assistant", 'Well.\nAction: look\nAction Input: {"at": "it"}\nAction: go\nAction Input: {"to": "there"}')
    ]
    assert said({"role": "assistant", "content": None, "function_call": other}) == [
        ("assistant", 'Action: go\nAction Input: {"to": "there"}')
    ]
    assert said({"from": "function_call", "value": '{"name": "go", "arguments": {}}'}) == [
        ("assistant", "Action: go\nAction Input: {}")
    ]


@pytest.mark.parametrize("calls", [[7], [{"function": {}}], ["text"], {"name": None}, [{"name": ["x"]}]])
def test_a_call_without_a_name_is_the_reason(calls) -> None:
    with pytest.raises(BadRow, match="a tool call without a name"):
        said({"role": "assistant", "content": "", "tool_calls": calls})


def test_flags_of_loss_in_both_manners() -> None:
    rows = [{"role": "user", "content": "task"}]
    rows += [{"role": "assistant", "content": "a", **flag} for flag in ({"loss": False}, {"weight": 0}, {"weight": 1})]
    rows += [{"role": "assistant", "content": "a", "loss": None}, {"role": "user", "content": "b", "loss": True}]
    chat = read_chat(rows)
    assert (chat.masked, chat.flagged) == ([0, 1], True)


@pytest.mark.parametrize("rows", [{}, "text", 7, None, [7], ["text"], [None], [[]]])
def test_what_is_no_conversation_is_a_reason(rows) -> None:
    with pytest.raises(BadRow, match=r"the conversation is|a message is"):
        read_chat(rows)


def test_an_agent_that_speaks_first_has_no_task() -> None:
    with pytest.raises(BadRow, match="the agent speaks first, without a task"):
        read_chat([{"role": "system", "content": "x"}, {"role": "assistant", "content": "hi"}])


def test_a_conversation_without_end_is_refused() -> None:
    with pytest.raises(BadRow, match="more than 10,000 messages"):
        read_chat([{"role": "user", "content": "x"}] * (MOST_TURNS + 1))


def test_what_the_world_answers_begins_with_the_first_learned_turn() -> None:
    rows = [
        {"role": "assistant", "content": "OK. I'll follow your instructions."},
        {"role": "user", "content": "the task"},
        {"role": "assistant", "content": "Action: look"},
        {"role": "user", "content": "seen"},
        {"role": "assistant", "content": f"Okay then, {'and so on ' * 20}"},
    ]
    speakers = [agent for agent, _ in said(*rows, observing=True)]
    assert speakers == ["assistant", "user", "assistant", "environment", "assistant"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('[{"name": "a"}]', [{"name": "a"}]),
        ('"[{\\"name\\": \\"a\\"}]"', [{"name": "a"}]),
        ('{"name": "a"}', [{"name": "a"}]),
        ("", []),
        (None, []),
        ([], []),
    ],
)
def test_tools_may_be_json_inside_json(value, found: list) -> None:
    assert tools_of(value) == found


@pytest.mark.parametrize("value", ["[{", "nothing", 7, "7", '"\\"[{\\""'])
def test_tools_that_are_no_json_are_a_reason(value) -> None:
    with pytest.raises(BadRow, match="tools are not JSON"):
        tools_of(value)


def test_what_nobody_can_learn_from_is_a_reason() -> None:
    def made(*rows: dict):
        chat = read_chat([{"role": "user", "content": "task"}, *rows])
        return episode("chat", "1", chat.question, chat.turns, masked=chat.masked)

    with pytest.raises(BadRow, match="no turns"):
        made()
    with pytest.raises(BadRow, match="no turn of the agent carries a loss"):
        made({"role": "assistant", "content": "x", "loss": False}, {"role": "user", "content": "y"})
    with pytest.raises(BadRow, match="NUL"):
        made({"role": "assistant", "content": "a\0b"})
    with pytest.raises(BadRow, match="no question"):
        episode("chat", "1", " \n", [])
    assert made({"role": "assistant", "content": "lone \ud800"}).turns[0].text == "lone ?"
