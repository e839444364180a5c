"""Rows as the authors of other people's trajectories publish them, written for these tests; and files of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .foreign_runs import AGENTINSTRUCT, ALPACA, ETO, FIREACT_CHAT, LUMOS, NAT, TRAJS
from .worlds import DATA

SAMPLES = DATA / "agent_tuning"


def sample(name: str) -> Path:
    """A file of the shared samples, whose licences do not let them into the repository; skips where it is missing."""
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"the shared sample {name} is not on this machine")
    return path


def native(path: Path) -> list[Any]:
    """The rows of a json or jsonl file, by the standard library."""
    text = path.read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.split("\n") if line] if path.suffix == ".jsonl" else json.loads(text)
    return list(found.values()) if isinstance(found, dict) else found


def save(path: Path, rows: Any) -> Path:
    """Rows as a json or jsonl file."""
    lines = "".join(json.dumps(row) + "\n" for row in rows) if path.suffix == ".jsonl" else json.dumps(rows)
    path.write_text(lines, encoding="utf-8")
    return path


FLAN = [
    {
        "id": "flan_1",
        "conversation": [
            {"role": "system", "content": "You are helpful.", "loss": False},
            {"role": "user", "content": "What is the weather?", "loss": False},
            {"role": "assistant", "content": "I ask the tool.", "loss": True},
            {"role": "user", "content": "Which tool?", "loss": False},
            {"role": "assistant", "content": "weather", "loss": False},
            {"role": "assistant", "content": "It is fine.", "loss": True},
        ],
    }
]
TOOLBENCH = {
    "win": True,
    "answer_generation": {
        "valid_data": True,
        "query": "Find it.",
        "function": [{"name": "look", "parameters": {}}, {"name": "Finish", "parameters": {}}],
        "final_answer": json.dumps({"return_type": "give_answer", "final_answer": "It is here."}),
        "train_messages": [
            [{"role": "user", "content": "Find it."}],
            [
                {"role": "system", "content": "You can use tools."},
                {"role": "user", "content": "Find it."},
                {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
                {"role": "function", "name": "look", "content": '{"found": "here"}'},
                {
                    "role": "assistant",
                    "content": None,
                    "function_call": {
                        "name": "Finish",
                        "arguments": '{\n "return_type": "give_answer",\n "final_answer": "It is here."\n}',
                    },
                },
            ],
        ],
    },
}
ACTIONSTUDIO = [
    {
        "tools": [{"type": "function", "function": {"name": "jobs", "parameters": {"type": "object"}}}],
        "messages": [
            {"role": "user", "content": "Find a job."},
            {
                "role": "assistant",
                "content": " I look.\n",
                "tool_calls": [{"type": "function", "function": {"name": "jobs", "arguments": {"n": 1}}, "id": "71"}],
            },
            {"role": "tool", "name": "jobs", "content": [{"title": "cook"}], "tool_call_id": "71"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"type": "function", "function": {"name": "jobs", "arguments": {"n": 2}}, "id": "72"},
                    {"type": "function", "function": {"name": "jobs", "arguments": {}}, "id": "73"},
                ],
            },
        ],
    }
]
APIGEN = [
    {
        "id": 12,
        "query": "Split the list.",
        "answers": json.dumps([{"name": "split", "arguments": {"lst": [1, 2], "size": 1}}]),
        "tools": json.dumps([{"name": "split", "parameters": {"lst": {"type": "List[int]"}}}]),
    }
]
STEPS = [
    {
        "id": "s1",
        "user_query": "Where is it?",
        "model_name": "some-model",
        "score": 0.5,
        "steps": [
            {"input": "Where is it?", "output": "Action: look[here]", "next observation": "nothing"},
            {"input": "Where is it?\nassistant: Action: look[here]\nenvironment: nothing", "output": "Nowhere.",
             "next observation": ""},
        ],
        "other_information": {"from": "here"},
    }
]  # fmt: skip
CHAT = [
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": " there"}]},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{\"zone\": \"UTC\"}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "12:00"},
            {"role": "assistant", "content": "Noon.", "weight": 0},
            {"role": "user", "content": "Thanks"},
            {"role": "assistant", "content": "Welcome."},
        ],
        "tools": [{"type": "function", "function": {"name": "clock"}}],
    },
    {
        "id": "share_1",
        "conversations": [
            {"from": "human", "value": "Hi"},
            {"from": "chatgpt", "value": "Hello"},
            {"from": "human", "value": "Bye"},
            {"role": "assistant", "content": "Good bye"},
        ],
        "system": "Be kind.",
    },
    [{"role": "user", "content": "alone"}, {"role": "assistant", "content": "so it is"}],
]  # fmt: skip
ADP = [
    {
        "schema_version": "1.3.1",
        "id": "os_1",
        "content": [
            {"class_": "text_observation", "content": "How many files?", "name": None, "source": "user"},
            {"tool_call_id": "call_000001", "class_": "code_action", "language": "bash", "content": "ls | wc -l",
             "description": "I count."},
            {"tool_call_id": "call_000001", "class_": "text_observation", "content": "4", "name": None,
             "source": "environment"},
            {"class_": "api_action", "function": "note", "kwargs": {"n": "four"}, "description": None, "reward": 0.5},
            {"class_": "message_action", "content": "There are 4.", "description": "Done."},
        ],
        "details": {"dataset": "made up"},
    }
]  # fmt: skip
STE = {
    "clock %%now": [
        {
            "query": "What time is it?",
            "API_name_list": ["clock %%now"],
            "api_descriptions": "API_name: clock %%now",
            "action": "clock %%now",
            "action_input": "{\"zone\": \"UTC\"}",
            "model_output": output,
            **verdict,
        }
        for output, verdict in (
            ("Action: <tool_clock %%now> Action Input: {\n \"zone\": \"UTC\"\n}",
             {"no_call": 0, "err": 0, "api_match": 1, "args_correct": 1}),
            ("Action: <tool_clock %%now>\nAction Input: {\"zone\": \"CET\"}",
             {"no_call": 0, "err": 0, "api_match": 1, "args_correct": 0}),
            ("Action: <tool_other>\nAction Input: {}", {"no_call": 0, "err": 0, "api_match": 0}),
            ("Action: what time", {"no_call": 0, "err": 1}),
            ("It is noon.", {"no_call": 1}),
        )
    ]
}  # fmt: skip
GENERAL = [{"dialog_history": [{"role": "user", "content": "Quelle langue ?"}], "response": "fran\u00e7ais"}]
ROWS: dict[str, list[tuple[str, Any]]] = {
    "agentinstruct": [("rows.jsonl", AGENTINSTRUCT)],
    "eto": [("rows.json", ETO), ("icl.json", [[
        {"role": "user", "content": "A task."}, {"from": "gpt", "content": "Action: look"}]])],
    "nat": [("rows.json", NAT[:3])],
    "fireact": [("alpaca.json", ALPACA), ("chat.jsonl", FIREACT_CHAT), ("trajs.json", TRAJS)],
    "lumos": [("lumos_maths_plan_iterative.jsonl", LUMOS)],
    "flan": [("rows.jsonl", FLAN)],
    "ohana": [("steps.json", STEPS), ("studio.json", ACTIONSTUDIO), ("apigen.json", APIGEN)],
    "chat": [("rows.jsonl", CHAT)],
    "adp": [("rows.json", ADP)],
    "ste": [("general.json", GENERAL)],
}  # fmt: skip
"""Layouts whose rows come back exactly, by files."""
