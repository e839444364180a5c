"""How servers refuse: errors inside answers of status 200, overflow in every server's words, redirects, keys."""

from __future__ import annotations

import asyncio

import pytest
from support.faulty_server import ASK, CHAT, VLLM, answer, faulty_server

pytest.importorskip("aiohttp")
from optima_agents import Request, make_backend
from optima_agents.backends.base import BackendError, ContextOverflow, EngineDead
from optima_agents.backends.openai_api.backend import OpenAIBackend
from optima_agents.backends.openai_api.refusals import LOOKED_AT, HttpError
from optima_agents.backends.openai_api.token_server import TokenServer


@pytest.mark.parametrize(
    ("data", "words", "retryable"),
    [
        ({"error": {"message": "Rate limit exceeded", "code": 429}}, "Rate limit exceeded", True),
        ({"error": {"message": "upstream died", "code": "502"}}, "upstream died", True),
        ({"error": {"message": "slow down", "type": "rate_limit_error"}}, "slow down", True),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "Overloaded", True),
        ({"error": {"message": "bad field", "code": 400}}, "bad field", False),
        ({"error": "model crashed"}, "model crashed", False),
        ({"object": "error", "message": "no such thing", "code": 400}, "no such thing", False),
        ({"detail": "not now"}, "not now", False),
        ([{"error": {"code": 503, "message": "try later", "status": "UNAVAILABLE"}}], "try later", True),
        ({"choices": [{"message": {"content": ""}, "error": {"code": 502, "message": "upstream"}}]}, "upstream", True),
        ({"choices": [{"message": {"content": "ha"}, "finish_reason": "error"}]}, "finish_reason: error", False),
        ({"choices": [], "error": {"code": 500, "message": "oh"}}, "oh", True),
    ],
)
def test_an_error_inside_a_200_is_told_in_the_servers_words(server, ask, monkeypatch, data, words, retryable):
    monkeypatch.setattr("optima_agents.backends.openai_api.http_json.FIRST_PAUSE_S", 0.0)
    server.script = [answer(data)]
    with pytest.raises(BackendError, match=words):
        ask(retries=2)
    assert len(server.asked()) == (3 if retryable else 2 if data_is_400(data) else 1)
    server.script = [answer(data), answer(CHAT)]
    if retryable:
        assert ask(retries=1).text == "hello"


def data_is_400(data) -> bool:
    """A plain 400 may mean that a field is not known, so the first is asked once more without ours."""
    told = data.get("error", data) if isinstance(data, dict) else {}
    return isinstance(told, dict) and told.get("code") == 400


@pytest.mark.parametrize("data", [CHAT | {"error": None}, CHAT | {"errors": []}, CHAT | {"message": "fine"}])
def test_an_answer_with_an_empty_error_is_an_answer(server, ask, data):
    server.script = [answer(data)]
    assert ask().text == "hello"


@pytest.mark.parametrize("code", [401, 403, 404])
def test_what_ends_the_stage_does_so_inside_a_200_too(server, ask, code):
    server.script = [answer({"error": {"message": "no", "code": code}})]
    with pytest.raises(EngineDead):
        ask(retries=0)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "the request exceeds the available context size, try increasing it",
               "type": "exceed_context_size_error", "n_ctx": 4096}),
        (500, {"message": "context shift is disabled", "type": "exceed_context_size_error"}),
        (400, {"message": "Input length (5000 tokens) exceeds the maximum allowed length (4090 tokens)"}),
        (400, {"message": "The input (5000 tokens) is longer than the model's context length (4096 tokens)."}),
        (400, {"message": "Requested token count exceeds the model's maximum context length of 4096 tokens."}),
        (422, {"message": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000", "type": "validation"}),
        (422, {"message": "`inputs` must have less than 4095 tokens. Given: 5000"}),
        (400, {"message": "The input token count (5000) exceeds the maximum number of tokens allowed (4096).",
               "status": "INVALID_ARGUMENT"}),
        (400, {"message": "Prompt length 5000 exceeds max_seq_len 4096"}),
        (400, {"message": "Trying to keep the first 5000 tokens when context the overflows. However, the model is "
                          "loaded with context length of only 4096 tokens"}),
        (400, {"message": "input length exceeds maximum context length"}),
        (400, {"message": "prompt is too long: 205000 tokens > 200000 maximum"}),
        (400, {"message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"}),
        (400, {"message": "This model's maximum prompt length is 4096 but the request contains 5000 tokens."}),
        (400, {"message": "Please reduce the length of the messages or completion."}),
        (413, {"message": "Request too long", "code": "context_length_exceeded"}),
        (400, {"message": "Requested tokens (5000) exceed context window of 4096"}),
        (200, {"message": "the prompt is longer than max_model_len", "code": 400}),
    ],
)  # fmt: skip
def test_too_long_a_prompt_is_told_apart_in_every_servers_words_and_not_asked_again(server, ask, status, error):
    server.script = [answer({"error": error}, status)]
    with pytest.raises(ContextOverflow):
        ask(retries=3)
    assert len(server.asked()) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "temperature must be at most 2"),
        (429, "too many tokens per minute: rate limit reached"),
        (400, "max_tokens is too large: 5000. This model supports at most 4096 completion tokens"),
        (400, "Invalid value: 'tool'. Supported values are user, assistant and system."),
        (503, "the queue is full, the maximum number of requests is waiting"),
    ],
)
def test_other_refusals_are_no_overflow(status, message):
    assert not HttpError(status, None, message).overflow


def test_of_endless_words_only_the_first_are_looked_at():
    text = "prompt " * (1 << 20)
    assert not HttpError(400, None, text).overflow
    assert not HttpError(400, None, "x" * LOOKED_AT + " context length").overflow


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(server, ask, status):
    with faulty_server() as elsewhere:
        server.script = [answer("", status, f"location: {elsewhere.url}/chat/completions\r\n")]
        with pytest.raises(EngineDead, match="redirects are not followed") as caught:
            ask(retries=0)
        assert str(elsewhere.port) in str(caught.value)
        server.models = answer("", status, f"location: {elsewhere.url}/models\r\n")
        with pytest.raises(EngineDead, match="redirects are not followed"):
            ask(retries=0)
        assert elsewhere.seen == []


def test_terminal_escapes_in_a_servers_words_are_blanks(server, ask):
    server.script = [answer({"error": {"message": "no\u001b]0;PWN\u0007 such\nfield"}}, 422)]
    with pytest.raises(BackendError) as caught:
        ask(retries=0)
    assert "no ]0;PWN such field" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_key_that_comes_back_in_a_reply_is_not_kept(server, ask, monkeypatch, small_model):
    key = "sk-canary-123456"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    message = {"content": f"your key is {key}", "reasoning": [{"text": f"hm {key}"}]}
    server.script = [answer({"choices": [{"message": message, "finish_reason": "stop"}]})]
    done = ask()
    assert (done.text, done.thinking) == ("your key is [key]", "hm [key]")
    server.models = VLLM
    backend = TokenServer(server.url, str(small_model))
    ids = backend.encode(f"it is {key}")
    server.script = [answer({"choices": [{"text": "", "token_ids": ids, "finish_reason": "stop"}]})]
    done = ask(Request(prompt_ids=(7,)), backend=backend)
    assert (done.text, done.ids, done.tokens) == ("it is [key]", None, len(ids))
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")  # what servers that want no key are given
    server.script = [answer({"choices": [{"message": {"content": "the box is EMPTY"}}]})]
    assert ask().text == "the box is EMPTY"


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_a_model_list_is_asked_for_the_named_model(server, ask, status):
    server.models = answer({"error": "not here"}, status)
    assert ask(backend=OpenAIBackend(server.url + "#m", retries=0)).text == "hello"
    with pytest.raises((EngineDead, BackendError), match=str(status)):
        ask(retries=0)


def test_a_query_goes_behind_the_path(server, ask):
    ask(backend=OpenAIBackend(server.url + "/?api-version=2024-10-21#m"))
    assert [path for path, _, _ in server.seen] == [
        "/v1/models?api-version=2024-10-21",
        "/v1/chat/completions?api-version=2024-10-21",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "https://host/v1?api_key=abc", "https://host/v1?key=abc", "https://host/v1?access_token=abc#m",
        "https://host/v1?sig=abc", "https://host/v1?x=sk-0123456789abcdef", "https://host/v1/sk-0123456789abcdef",
        "https://user:abc@host/v1", "https://abc@host/v1", "https://host/v1?api-version=1&code=abc",
        f"https://host/v1?v={'a1' * 16}",
    ],
)  # fmt: skip
def test_no_key_is_taken_from_an_address_nor_repeated(address):
    with pytest.raises(ValueError, match=r"OPENAI_API_KEY") as caught:
        make_backend(f"openai:{address}")
    assert not any(secret in str(caught.value) for secret in ("abc", "0123456789", "a1a1"))


def test_progress_counts_answers_and_stands_still_for_a_silent_server(server, ask):
    backend = OpenAIBackend(server.url, retries=0, timeout_s=0.05)
    assert backend.progress() == 0
    server.script = [answer(CHAT)]

    async def run():
        await backend.complete(ASK)
        first = backend.progress()
        server.script = ["hang"]
        with pytest.raises(BackendError):
            await backend.complete(ASK)
        second = backend.progress()
        await backend.aclose()
        return first, second

    assert asyncio.run(run()) == (2, 2), "the model list and one reply"
