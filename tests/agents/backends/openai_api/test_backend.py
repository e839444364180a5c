"""The openai backend against a server that misbehaves in every way on loopback; no real service is needed."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback

import pytest
from support.faulty_server import ASK, CHAT, VLLM, answer

pytest.importorskip("aiohttp")
from optima_agents import LLMPolicy, Request, Sampling, make_backend, rollout
from optima_agents.backends.base import BackendError, ContextOverflow, EngineDead
from optima_agents.backends.openai_api.backend import OpenAIBackend

AT_ONCE = "retry-after-ms: 1\r\n"  # keeps the pauses out of the tests


def test_a_chat_is_sent_and_read(server, ask):
    done = ask()
    assert (done.text, done.tokens, done.finish) == ("hello", 2, "stop")
    assert (done.usage.prompt_tokens, done.usage.cached_tokens) == (9, 4)
    assert server.asked() == [
        {
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5, "top_p": 0.9,
            "max_tokens": 7, "stop": ["STOP"], "seed": 3,
            "chat_template_kwargs": {"enable_thinking": False, "thinking": False},
        }
    ]  # fmt: skip


def test_prompt_ids_go_to_completions_and_vllm_is_asked_for_ids(server, ask):
    server.models = VLLM
    choice = {"text": "ok", "token_ids": [7, 1], "prompt_token_ids": [5, 6], "finish_reason": "length"}
    server.script = [answer({"choices": [choice | {"logprobs": {"token_logprobs": [-0.5, -1.5]}}]})]
    done = ask(Request(prompt_ids=(5, 6), adapter="poet"))
    assert (done.ids, done.logprobs, done.prompt_ids, done.tokens) == ((7, 1), (-0.5, -1.5), (5, 6), 2)
    body = server.asked()[0]
    assert (body["prompt"], body["model"], body["return_token_ids"], body["logprobs"]) == ([5, 6], "poet", True, 0)


def test_log_probabilities_are_left_out_where_nobody_wants_them(server, ask):
    server.models = VLLM
    choice = {"text": "ok", "token_ids": [7, 1], "finish_reason": "stop"}
    server.script = [answer({"choices": [choice]})]
    done = ask(Request(prompt_ids=(5, 6), sampling=Sampling(logprobs=False)))
    assert (done.ids, done.logprobs) == ((7, 1), None)
    ask(Request(ASK.messages, sampling=Sampling(logprobs=False)))
    assert [("logprobs" in body, body["return_token_ids"]) for body in server.asked()] == [(False, True)] * 2


def test_a_chat_with_vllm_gives_ids_too(server, ask):
    server.models = VLLM
    content = [{"token": "a", "logprob": -0.25}]
    choice = CHAT["choices"][0] | {"token_ids": [3], "logprobs": {"content": content}}
    server.script = [answer(CHAT | {"choices": [choice], "prompt_token_ids": [1, 2]})]
    done = ask()
    assert (done.ids, done.logprobs, done.prompt_ids) == ((3,), (-0.25,), (1, 2))
    assert server.asked()[0]["logprobs"] is True


def test_the_space_before_a_replys_first_word_is_left_out(server, ask):
    server.script = [answer({"choices": [{"message": {"content": " two  words "}}]})]
    assert ask().text == "two  words "
    server.script = [answer({"choices": [{"text": " two"}]})]
    assert ask(Request(prompt_ids=(5,))).text == " two", "text goes on where the prompt ends"


def test_a_lone_surrogate_in_a_reply_is_a_question_mark(server, ask):
    server.script = [answer({"choices": [{"message": {"content": "\ud800 é"}}]})]
    assert ask().text == "? é"


@pytest.mark.parametrize(
    "fault",
    [answer({}, 500, AT_ONCE), answer({}, 503, AT_ONCE), answer({}, 429, AT_ONCE), "half"],
    ids=["500", "503", "429", "half-closed"],
)
def test_passing_faults_are_tried_again_and_lasting_ones_fail_the_request_alone(server, ask, fault):
    server.script = [fault, answer(CHAT)]
    assert ask(retries=1).text == "hello"
    server.seen.clear()
    server.script = [fault]
    with pytest.raises(BackendError, match="tried 2 times"):
        ask(retries=1)
    assert len(server.asked()) == 2


def test_a_hanging_server_times_out(server, ask):
    server.script = ["hang"]
    with pytest.raises(BackendError, match=r"nothing came for 0\.05 s"):
        ask(retries=0, timeout_s=0.05)
    server.models = "hang"
    with pytest.raises(BackendError, match="nothing came"):
        ask(retries=0, timeout_s=0.05)


def test_nobody_listening_is_a_dead_engine():
    with socket.socket() as taken:  # bound, so nobody else gets the port, but not listening
        taken.bind(("127.0.0.1", 0))
        backend = OpenAIBackend(f"http://127.0.0.1:{taken.getsockname()[1]}/v1#m", retries=0)
        with pytest.raises(EngineDead, match="tried 1 times"):
            rollout("twohop-asym", LLMPolicy(backend), episodes=3)
        asyncio.run(backend.aclose())
    with pytest.raises(EngineDead, match="closed"):
        asyncio.run(backend.complete(ASK))


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (answer('{"choices": [{"mess'), "no JSON"),
        (answer("<html>hello</html>", kind="text/html"), "is the base URL right"),
        (answer([1, 2]), "a JSON list"),
        (answer({"choices": []}), "no choices"),
        (answer({"choices": None}), "no choices"),
        (answer({"choices": [{"message": {"content": {"a": 1}}}]}), "dict as text"),
        (
            answer({"choices": [{"text": "x", "token_ids": ["7"]}]}),
            "token ids cannot be read: Input should be a valid integer",
        ),
        (
            answer({"choices": [{"text": "x", "logprobs": {"token_logprobs": [None]}}]}),
            "log-probabilities cannot be read",
        ),
        (answer('{"choices": [{"text": "x", "logprobs": {"token_logprobs": [NaN]}}]}'), "nan"),
        (answer({"choices": [{"text": "x", "token_ids": [7], "logprobs": {"token_logprobs": []}}]}), "0 log-prob"),
        (answer({"error": {"message": "no such field"}}, 400), "no such field"),
    ],
)
def test_senseless_answers_fail_the_request_alone(server, ask, sent, message):
    server.script = [sent]
    with pytest.raises(BackendError, match=message):
        ask(retries=0)


def test_missing_usage_null_text_and_unknown_finish_are_no_errors(server, ask):
    server.script = [answer({"choices": [{"message": {"content": "two words"}, "finish_reason": "content_filter"}]})]
    done = ask()
    assert (done.tokens, done.finish, done.usage.prompt_tokens) == (2, "error", 0)
    server.script = [answer({"choices": [{"message": {"content": None}, "finish_reason": "length"}], "usage": "none"})]
    done = ask()
    assert (done.text, done.tokens, done.finish) == ("", 0, "length")


@pytest.mark.parametrize(
    "error",
    [
        {"message": "This model's maximum context length is 1024 tokens. However, you requested 50"},
        {"message": "too long", "code": "context_length_exceeded"},
    ],
)
def test_an_overflow_is_told_apart(server, ask, error):
    server.script = [answer({"error": error}, 400)]
    with pytest.raises(ContextOverflow):
        ask()
    assert len(server.asked()) == 1


@pytest.mark.parametrize(
    ("sent", "match"),
    [
        (answer({"error": {"message": "no"}}, 401), "OPENAI_API_KEY"),
        (answer({"error": {"message": "no model"}}, 404), "no model"),
        (answer({"error": {"message": "no credit left"}}, 402), "no credit left"),
        (answer({"error": {"message": "pay", "code": "insufficient_quota"}}, 429, AT_ONCE), "pay"),
    ],
)
def test_what_no_request_can_get_past_ends_the_stage(server, ask, sent, match):
    server.script = [sent]
    with pytest.raises(EngineDead, match=match):
        ask(retries=0)


def test_the_key_goes_into_the_header_and_nowhere_else(server, ask, monkeypatch, caplog):
    key = "sk-canary-123456"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    caplog.set_level(logging.DEBUG)
    server.script = ["echo"]
    with pytest.raises(EngineDead) as caught:
        ask(retries=0)
    assert server.seen[0][1]["authorization"] == f"Bearer {key}"
    assert "[key]" in str(caught.value)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(caught.value)
    assert key not in told
    monkeypatch.setenv("MY_KEY", "other")
    server.script = [answer(CHAT)]
    ask(key_env="MY_KEY")
    assert server.seen[-1][1]["authorization"] == "Bearer other"
    with pytest.raises(ValueError, match="no password") as refused:
        make_backend("openai:http://user:hidden@host/v1")
    assert "hidden" not in str(refused.value)


def test_the_model_comes_from_the_server_unless_named(server, ask):
    server.models = answer({"data": [{"id": "a"}, {"id": "b"}, {"id": "lora", "parent": "a"}]})
    with pytest.raises(EngineDead, match="serves a, b"):
        ask()
    assert ask(backend=OpenAIBackend(server.url + "#b")).text == "hello"
    assert server.asked()[-1]["model"] == "b"
    server.models = answer({}, 404)
    assert ask(backend=OpenAIBackend(server.url + "#c")).text == "hello"
    with pytest.raises(EngineDead, match="404"):
        ask()
    for bad in ("openai:", "openai:localhost:8000", "openai:ftp://x/v1"):
        with pytest.raises(ValueError, match="base URL"):
            make_backend(bad)


def test_one_backend_serves_several_event_loops_and_a_bounded_number_of_connections(server):
    backend = OpenAIBackend(server.url, connections=2)
    for _ in range(2):
        episodes = rollout("twohop-asym", LLMPolicy(backend), episodes=4, max_turns=3)
        assert [len(e.turns) for e in episodes] == [3] * 4
        assert not any(e.error for e in episodes)
    assert len(server.seen) == 2 * 12 + 1, "the model list is asked for once"
    asyncio.run(backend.aclose())


def test_cancelling_lets_go(server):
    server.script = ["hang"]
    backend = OpenAIBackend(server.url, connections=1)

    async def run():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await backend.complete(ASK)
        server.script = [answer(CHAT)]
        done = await backend.complete(ASK)  # waits for ever if the cancelled request kept its slot
        await backend.aclose()
        return done

    assert asyncio.run(run()).text == "hello"
