"""The openai backend against a server that misbehaves in every way on loopback; no real service is needed."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback

import pytest
from agents.faulty_server import CHAT, FaultyServer, answer, faulty_server

pytest.importorskip("openai")
from optima_agents import LLMPolicy, Request, Sampling, make_backend, rollout
from optima_agents.backends.base import BackendError, ContextOverflow, EngineDead, Likelihood, Tokens
from optima_agents.backends.openai_api import OpenAIBackend, TokenServer

ASK = Request(({"role": "user", "content": "hi"},), sampling=Sampling(0.5, 0.9, 7, ("STOP",)), seed=3)
AT_ONCE = "retry-after-ms: 1\r\n"  # keeps the pauses out of the tests
VLLM = answer({"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 40, "parent": None}]})


@pytest.fixture
def server():
    with faulty_server() as running:
        yield running


@pytest.fixture
def ask(server: FaultyServer):
    """Asks once by a fresh backend and closes it."""

    def once(request=ASK, method="complete", backend=None, **options):
        backend = backend or make_backend(f"openai:{server.url}", **options)

        async def run():
            try:
                return await getattr(backend, method)(*(request if isinstance(request, tuple) else (request,)))
            finally:
                await backend.aclose()

        return asyncio.run(run())

    return once


def test_a_chat_is_sent_and_read(server, ask):
    done = ask()
    assert (done.text, done.tokens, done.finish) == ("hello", 2, "stop")
    assert (done.usage.prompt_tokens, done.usage.cached_tokens) == (9, 4)
    assert server.asked() == [
        {
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5, "top_p": 0.9,
            "max_tokens": 7, "stop": ["STOP"], "seed": 3,
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


def test_retry_after_is_obeyed(server, ask):
    """The client's own log says how long it waits; without the header it would be half a second at first."""
    server.script = [answer({}, 429, "retry-after: 0.125\r\n"), answer(CHAT)]
    waited: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: waited.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("openai._base_client")
    logger.addHandler(listener)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        assert ask(retries=1).text == "hello"
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
    assert any("0.125" in line for line in waited)


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
        (answer({"choices": [{"text": "x", "token_ids": ["7"]}]}), "no list of numbers"),
        (answer({"choices": [{"text": "x", "logprobs": {"token_logprobs": [None]}}]}), "log-probability"),
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


class TestTokenServer:
    def test_prompts_are_rendered_here_and_text_decoded_here(self, server, ask, small_model):
        server.models = VLLM.replace(b'"max_model_len": 40', b'"max_model_len": 99')
        backend = TokenServer(server.url, str(small_model))
        assert isinstance(backend, Likelihood)
        assert isinstance(backend, Tokens)
        assert not isinstance(OpenAIBackend(server.url), Tokens)
        said = ({"role": "user", "content": "the answer <|im_end|> is"},)
        prompt, ids = backend.render(said), [*backend.encode(" a river"), backend.chat.end_of_turn]
        server.script = [answer({"choices": [{"text": "river", "token_ids": ids, "finish_reason": "stop"}]})]
        done = ask(Request(said, sampling=Sampling(max_tokens=500)), backend=backend)
        assert (done.text, list(done.ids), list(done.prompt_ids)) == (" a river", ids, prompt)
        body = server.asked()[0]
        assert body["prompt"] == prompt
        assert prompt.count(backend.chat.end_of_turn) == 1
        assert body["max_tokens"] == 99 - len(prompt)
        assert body["stop_token_ids"] == [backend.chat.end_of_turn]

    def test_a_server_with_the_token_endpoint_is_asked_there(self, server, ask, small_model):
        server.models, server.tokens = VLLM, None
        backend = TokenServer(server.url, str(small_model))
        ids = [*backend.encode("a river"), backend.chat.end_of_turn]
        rows = [{"token_id": token, "logprob": -0.5, "rank": 1} for token in ids]
        usage = {"prompt_tokens": 3, "completion_tokens": len(ids), "prompt_tokens_details": {"cached_tokens": 2}}
        choice = {"token_ids": ids, "finish_reason": "stop", "logprobs": {"content": rows}}
        server.script = [answer({"detail": []}, 422), answer({"choices": [choice], "usage": usage})]
        sampling = Sampling(0.7, top_p=0.9, max_tokens=500, stop=("END",))
        request = Request(prompt_ids=(7, 8, 9), sampling=sampling, seed=5)

        async def twice():
            return [await backend.complete(request) for _ in range(2)][1]

        done = asyncio.run(twice())
        asyncio.run(backend.aclose())
        assert (done.text, done.ids, done.logprobs) == ("a river", tuple(ids), (-0.5,) * len(ids))
        assert (done.prompt_ids, done.usage.cached_tokens, done.finish) == ((7, 8, 9), 2, "stop")
        assert [path for path, _, body in server.seen if body == {}] == ["/inference/v1/generate"], "looked for once"
        assert server.asked()[0] == {
            "model": "m",
            "token_ids": [7, 8, 9],
            "sampling_params": {
                "temperature": 0.7,
                "top_p": 0.9,
                "seed": 5,
                "max_tokens": 37,
                "stop": ["END"],
                "logprobs": 0,
                "detokenize": True,
                "stop_token_ids": [backend.chat.end_of_turn],
            },
        }

    def test_of_a_servers_engines_the_one_that_knows_the_prompt_is_named(self, server, small_model):
        server.models, server.tokens = VLLM, None
        choice = {"token_ids": [9], "finish_reason": "length"}
        prompts = [tuple(range(start, start + 33)) for start in (10, 60, 10, 60)]

        async def run(backend):
            await asyncio.gather(*(backend.complete(Request(prompt_ids=ids)) for ids in prompts))
            await backend.aclose()

        for engines in (1, 2):
            server.script = [answer({"detail": []}, 422), answer({"choices": [choice]})]
            asyncio.run(run(TokenServer(server.url, str(small_model), engines=engines)))
        seen = [(body["token_ids"][0], headers) for _, headers, body in server.seen if body]
        asked = [(first, headers.get("x-data-parallel-rank")) for first, headers in seen]
        assert {rank for _, rank in asked[:4]} == {None}
        assert len(set(asked[4:])) == 2, "each prompt has one engine"
        assert {rank for _, rank in asked[4:]} == {"0", "1"}

    @pytest.mark.parametrize("status", [403, 404])
    def test_a_server_without_it_is_asked_for_completions(self, server, ask, small_model, status):
        server.models, server.tokens = VLLM, answer({"error": {"message": "switched off"}}, status)
        server.script = [answer({"choices": [{"text": "river", "finish_reason": "stop"}]})]
        assert ask(Request(prompt_ids=(7,)), backend=TokenServer(server.url, str(small_model))).text == "river"
        assert server.asked()[0]["prompt"] == [7]

    def test_a_prompt_that_fills_the_window_is_refused_here(self, server, ask, small_model):
        server.models = VLLM
        with pytest.raises(ContextOverflow, match="40"):
            ask(Request(prompt_ids=(7,) * 40), backend=TokenServer(server.url, str(small_model)))
        assert server.asked() == []

    def test_logprobs_of_given_text(self, server, ask, small_model):
        rows = [None, {"8": {"logprob": -1.0}}, {"9": {"logprob": -2.0}, "3": {"logprob": -0.1}}]
        server.script = [answer({"choices": [{"text": "", "prompt_logprobs": rows}]})]
        backend = TokenServer(server.url, str(small_model))
        assert ask(([7], [8, 9]), "logprobs", backend) == [-1.0, -2.0]
        assert server.asked()[0]["prompt"] == [7, 8, 9]
        for wrong in ([None, {"8": {"logprob": -1.0}}, {"3": {}}], [None], None):
            server.script = [answer({"choices": [{"text": "", "prompt_logprobs": wrong}]})]
            with pytest.raises(BackendError, match="prompt_logprobs"):
                ask(([7], [8, 9]), "logprobs", TokenServer(server.url, str(small_model)))
