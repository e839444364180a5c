"""docs/servers.md: each line of its tables holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from optima_agents.backends.base import BackendError, ContextOverflow, EngineDead
from optima_agents.backends.openai_api.backend import OpenAIBackend
from optima_agents.backends.openai_api.reading import read_completion
from optima_agents.backends.openai_api.refusals import refused

PAGE = Path(__file__).parents[4] / "docs" / "servers.md"
KINDS = {"too long": ContextOverflow, "over": EngineDead, "wrong": BackendError, "later": BackendError}


def rows(*head: str) -> list[tuple[str, ...]]:
    """The rows of the table with that head, without code marks."""
    table = PAGE.read_text(encoding="utf-8").split(f"| {' | '.join(head)} |\n")[1].split("\n\n")[0]
    cells = [re.split(r"\s*\|\s*", line.strip())[1:-1] for line in table.splitlines()[1:]]
    return [tuple(cell.strip("`") for cell in row) for row in cells]


@pytest.mark.parametrize(("reason", "read"), rows("finish reason", "read as"))
def test_reasons(reason: str, read: str):
    choice = {"message": {"content": "hello"}, "finish_reason": json.loads(reason or '""')}
    assert read_completion({"choices": [choice]}, 99).finish == read


@pytest.mark.parametrize(("message", "rule", "said", "thought"), rows("message", "rule", "said", "thought"))
def test_messages(message: str, rule: str, said: str, thought: str):
    done = read_completion({"choices": [{"message": json.loads(message), "finish_reason": "stop"}]}, 99)
    assert (done.text, done.thinking) == (said, thought), rule


@pytest.mark.parametrize(("status", "written", "read"), rows("status", "what the server writes", "read as"))
def test_refusals(status: str, written: str, read: str):
    error = refused(int(status), json.dumps({"error": {"message": written}}).encode(), {})
    assert error.retryable == (read == "later")
    assert type(OpenAIBackend("http://x/v1#m")._refusal(error)) is KINDS[read]
