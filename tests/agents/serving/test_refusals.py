"""What the endpoint refuses and bounds, what failures look like to the official client, and who is let go."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

openai = pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from support.serving import LINES, QUESTION, Gate, Served, served  # noqa: E402

from optima_agents import LLMPolicy  # noqa: E402
from optima_agents.backends import BackendError, ContextOverflow, EngineDead  # noqa: E402
from optima_agents.backends.fake import FakeBackend  # noqa: E402
from optima_agents.scripted import Scripted  # noqa: E402
from optima_agents.serving.replies import refusal_of  # noqa: E402
from optima_envs import ErrorInfo  # noqa: E402


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"messages": []}, "messages must be a list"),
        ({"messages": [QUESTION, QUESTION]}, "one question at a time, and 2 were asked"),
        ({"messages": [{"role": "assistant", "content": "x"}, QUESTION]}, "the role 'assistant' has no place"),
        ({"messages": [{"role": "user", "content": " "}]}, "the question is empty"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, r"messages\[0\].content must be text"),
        ({"facts": {"Zoe": "x"}}, "no agent 'Zoe'; the agents are Alice, Bob"),
        ({"facts": [1]}, r"facts\[0\] must be text"),
        ({"facts": "x"}, "facts must be a list"),
        ({"n": 2}, "n must be 1"),
        ({"tools": [{}]}, "tools is not supported"),
        ({"response_format": {"type": "json_object"}}, "response_format must be text"),
        ({"temperature": 3}, "temperature must be a number from 0 to 2, not 3"),
        ({"max_tokens": 0}, "max_tokens must be a whole number from 1"),
        ({"max_tokens": True}, "max_tokens must be a whole number"),
        ({"top_p": "x"}, "top_p must be a number"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(team: Served, request_: dict, told: str):
    body = {"messages": [QUESTION], **request_}
    with pytest.raises(openai.BadRequestError, match=told):
        team.client.chat.completions.create(model="team", messages=body.pop("messages"), extra_body=body)


@pytest.fixture(scope="module")
def team() -> Iterator[Served]:
    with served(Scripted(LINES)) as there:
        yield there
        assert there.ask().choices[0].message.content == "Kim"  # nothing above has hurt it


def test_another_model_another_path_no_json_and_too_much(team: Served):
    with pytest.raises(openai.NotFoundError, match="no model 'gpt' here; it is 'team'"):
        team.client.chat.completions.create(model="gpt", messages=[QUESTION])  # type: ignore[arg-type]
    with pytest.raises(openai.NotFoundError, match="there is POST /v1/chat/completions"):
        team.client.embeddings.create(model="team", input="x")
    with pytest.raises(openai.APIStatusError, match="a request is at most 1048576 bytes") as found:
        team.ask({"role": "user", "content": "x" * 1_100_000})
    assert found.value.status_code == 413
    for raw in (b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"model": "team", "messages": [1]}'):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{team.url}/chat/completions", raw))  # noqa: S310
        assert refused.value.code == 400
        assert json.loads(refused.value.read())["error"]["type"] == "invalid_request_error"


def test_a_key_is_asked_for_where_there_is_one():
    with served(Scripted(LINES), key="right") as there:
        there.client.api_key = "wrong"
        with pytest.raises(openai.AuthenticationError, match="this server wants a key"):
            there.ask()
        there.client.api_key = "right"
        assert there.ask().choices[0].message.content == "Kim"


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (BackendError("no luck"), 502, "backend_failed"),
        (ContextOverflow("513 tokens"), 400, "context_length_exceeded"),
        (ValueError("bug"), 500, "policy_failed"),
    ],
)
def test_a_failed_dialogue_is_an_error_with_its_reason_and_the_next_one_goes_on(raised, status: int, code: str):
    backend = FakeBackend("<A> Kim </A>", faults={0: raised, 3: raised})
    with served(LLMPolicy(backend)) as there:
        with pytest.raises(openai.APIStatusError, match=str(raised)) as found:
            there.ask()
        assert (found.value.status_code, found.value.code) == (status, code)
        assert there.ask().choices[0].message.content == "Kim"
        with pytest.raises(openai.APIError, match=str(raised)):
            list(there.ask(stream=True))
        assert (there.endpoint.answered, there.endpoint.failed) == (1, 2)


def test_a_silent_team_is_given_up():
    with served(Gate(), timeout=0.1) as there, pytest.raises(openai.APIStatusError, match="no progress") as found:
        there.ask()
    assert found.value.status_code == 504


def test_a_dead_engine_is_said_and_ends_the_server():
    backend = FakeBackend("x", faults={0: EngineDead("gone")})
    with served(LLMPolicy(backend)) as there:
        with pytest.raises(openai.APIStatusError, match="the engine is gone: gone") as found:
            there.ask()
        assert found.value.status_code == 503
        assert isinstance(there.endpoint.failure, EngineDead)


def test_questions_run_side_by_side_and_what_is_beyond_the_bounds_is_refused():
    gate, done = Gate(), []
    with served(gate, concurrency=2, waiting=1) as there:
        threads = [threading.Thread(target=lambda: done.append(there.ask())) for _ in range(3)]
        for thread in threads[:2]:
            thread.start()
            gate.asked.acquire()  # both are under way at the same time
        threads[2].start()
        while len(there.endpoint._running) < 3:
            threading.Event().wait(0.005)
        with pytest.raises(openai.RateLimitError, match="ask again later") as found:
            there.ask()
        assert found.value.response.headers["retry-after"] == "1"
        gate.open()
        for thread in threads:
            thread.join(30)
    assert [one.choices[0].message.content for one in done] == ["Kim"] * 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_frees_its_place(stream: bool):
    gate = Gate()
    with served(gate, concurrency=1, waiting=0) as there:
        impatient = there.client.with_options(timeout=0.3)
        with pytest.raises(openai.APITimeoutError):
            list(impatient.chat.completions.create(model="team", messages=[QUESTION], stream=stream))  # type: ignore[call-overload]
        assert gate.dropped.wait(30)
        gate.open()
        while there.endpoint._running:
            threading.Event().wait(0.005)
        assert there.ask().choices[0].message.content == "Kim"


def test_rules_that_failed_are_the_questions_status():
    assert refusal_of(ErrorInfo("env", "no table")).status == 422
