"""What servers other than OpenAI's answer, and what they are sent so that none of their own defaults stands."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from support.faulty_server import ASK, CHAT, VLLM, answer

pytest.importorskip("aiohttp")
from optima_agents import LLMPolicy, Request, Sampling, rollout
from optima_agents.backends.base import BackendError
from optima_agents.backends.openai_api.backend import OpenAIBackend
from optima_agents.backends.openai_api.token_server import TokenServer

OFF = {"enable_thinking": False, "thinking": False}


def reply(message, finish="stop", usage=None):
    body = {"choices": [{"message": message, "finish_reason": finish}]}
    return answer(body if usage is None else body | {"usage": usage})


@pytest.mark.parametrize(
    ("message", "text", "thinking"),
    [
        ({"content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}, "hello", ""),
        ({"content": [{"type": "output_text", "text": "hello"}]}, "hello", ""),
        ({"content": ["hel", {"text": "lo"}]}, "hello", ""),
        ({"content": []}, "", ""),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "yes"}]},
            "yes",
            "hm",
        ),
        ({"content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "yes"}]}, "yes", "hm"),
        ({"content": "yes", "reasoning_content": "hm"}, "yes", "hm"),
        ({"content": "yes", "reasoning": "hm"}, "yes", "hm"),
        ({"content": "yes", "reasoning": {"summary": [], "text": "hm"}}, "yes", "hm"),
        ({"content": "yes", "reasoning": None, "reasoning_content": ""}, "yes", ""),
        ({"content": "yes", "reasoning_content": "hm", "reasoning": "hm"}, "yes", "hm"),
        ({"content": None, "reasoning_content": "hm"}, "", "hm"),
        ({"content": "<think>hm</think>\n\nyes"}, "yes", "hm"),
        ({"content": "hm</think>\n\nyes"}, "yes", "hm"),
        ({"content": "<think>hm, and then"}, "", "hm, and then"),
        ({"content": "[THINK]hm[/THINK]yes"}, "yes", "hm"),
        ({"content": "yes <think>a<think>b</think>c</think>no"}, "yes no", "abc"),
        ({"content": "yes", "reasoning": {"a": {"b": 1}}}, "yes", ""),
    ],
)
def test_text_and_thinking_are_found_wherever_servers_put_them(server, ask, message, text, thinking):
    server.script = [reply(message)]
    done = ask()
    assert (done.text, done.thinking) == (text, thinking)


@pytest.mark.parametrize(
    ("finish", "read"),
    [
        *(
            (name, "stop")
            for name in ("stop", "STOP", "eos", "eos_token", "stop_sequence", "end_turn", "COMPLETE", " stop ")
        ),
        *((name, "length") for name in ("length", "LENGTH", "model_length", "MAX_TOKENS", "max_tokens", "incomplete")),
        *((name, "error") for name in ("content_filter", "SAFETY", "tool_calls", "abort", "nobody knows")),
        ({"type": "length"}, "length"),
    ],
)
def test_ends_are_told_apart_in_every_servers_words(server, ask, finish, read):
    server.script = [reply({"content": "hello"}, finish)]
    assert ask().finish == read


@pytest.mark.parametrize("unsaid", [None, ""])
@pytest.mark.parametrize(("tokens", "read"), [(6, "stop"), (7, "length")])
def test_an_end_without_a_reason_is_told_by_the_count_of_tokens(server, ask, unsaid, tokens, read):
    assert ASK.sampling.max_tokens == 7
    server.script = [reply({"content": "hello"}, unsaid, {"completion_tokens": tokens})]
    assert ask().finish == read


@pytest.mark.parametrize("finish", [7, ["stop"], {}, {"type": 3}, True])
def test_an_end_that_is_no_word_fails_the_request_or_counts_as_unsaid(server, finish):
    server.script = [reply({"content": "hello"}, finish)]
    backend = OpenAIBackend(server.url, retries=0)
    episode = rollout("twohop-asym", LLMPolicy(backend), episodes=1, max_turns=1)[0]
    asyncio.run(backend.aclose())
    assert episode.error is None or episode.error.kind == "backend"


def test_usage_in_other_words_is_counted(server, ask):
    server.script = [reply({"content": "hello"}, usage={"input_tokens": 9, "output_tokens": 2})]
    done = ask()
    assert (done.tokens, done.usage.prompt_tokens, done.usage.completion_tokens) == (2, 9, 2)
    server.script = [reply({"content": "yes", "reasoning": "let me see"})]
    assert ask().tokens == 4, "thinking counts, by words where nobody counts tokens"


def test_a_whole_reply_sent_as_a_delta_is_read_and_a_stream_named(server, ask):
    server.script = [answer({"choices": [{"delta": {"content": "hello"}, "finish_reason": "stop"}]})]
    assert ask().text == "hello"
    server.script = [answer('data: {"choices": []}\n\ndata: [DONE]\n', kind="text/event-stream")]
    with pytest.raises(BackendError, match="streams its answer"):
        ask(retries=0)


def test_a_refusal_is_an_error_with_the_models_words(server, ask):
    server.script = [reply({"content": None, "refusal": "I will not."})]
    done = ask()
    assert (done.text, done.finish) == ("I will not.", "error")


@pytest.mark.parametrize("content", [[{"type": "image_url", "image_url": "x"}], [3], {"a": 1}, 7, [{"type": {}}]])
def test_content_that_is_no_text_fails_the_request(server, ask, content):
    server.script = [reply({"content": content})]
    with pytest.raises(BackendError, match="the server sent a"):
        ask(retries=0)


def test_stop_strings_are_cut_out_of_the_text(server, ask):
    server.script = [reply({"content": "hello STOP and more"})]
    assert ask().text == "hello "
    server.script = [reply({"content": "<think>say STOP</think>hello END STOP"})]
    done = ask(replace(ASK, sampling=Sampling(stop=("STOP", "END"))))
    assert (done.text, done.thinking) == ("hello ", "say STOP")


@pytest.mark.parametrize(
    ("maker", "neutral"),
    [
        ("vllm", {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}),
        ("sglang", {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}),
        ("llamacpp", {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}),
        ("organization_owner", {"top_k": 0, "repeat_penalty": 1.0}),
    ],
)
def test_known_servers_are_sent_neutral_values_of_what_they_would_set(server, ask, maker, neutral):
    server.models = answer({"data": [{"id": "m", "owned_by": maker}]})
    ask()
    ask(Request(prompt_ids=(5, 6)))
    for body in server.asked():
        assert neutral.items() <= body.items()
        assert (body["presence_penalty"], body["frequency_penalty"]) == (0.0, 0.0)
        assert {"temperature", "top_p", "seed"} <= body.keys()
    assert ["chat_template_kwargs" in body for body in server.asked()] == [True, False]


def test_the_switch_for_thinking_is_sent_as_each_server_knows_it(server, ask):
    ask()
    ask(replace(ASK, thinking=True))
    server.models = answer({"data": [{"id": "m", "owned_by": "library"}]})
    ask()
    ask(replace(ASK, thinking=True))
    sent = [(body.get("chat_template_kwargs"), body.get("reasoning_effort")) for body in server.asked()]
    on = dict.fromkeys(OFF, True)
    assert sent == [(OFF, None), (on, None), (None, "none"), (None, None)]


def test_a_server_that_refuses_unknown_fields_is_asked_without_them_from_then_on(server, caplog):
    refused = answer({"error": {"message": "Unrecognized request argument supplied: chat_template_kwargs"}}, 400)
    server.script = [refused, answer(CHAT)]
    backend = OpenAIBackend(server.url, retries=0)

    async def twice():
        done = [(await backend.complete(ASK)).text for _ in range(2)]
        await backend.aclose()
        return done

    assert asyncio.run(twice()) == ["hello", "hello"]
    assert ["chat_template_kwargs" in body for body in server.asked()] == [True, False, False]
    assert "Unrecognized request argument" in caplog.text


def test_thinking_stays_in_the_record_and_out_of_the_partners_prompt(server):
    server.script = [reply({"content": "<think>SECRET plan</think> hello", "reasoning_content": "SECRET too"})]
    backend = OpenAIBackend(server.url)
    episode = rollout("twohop-asym", LLMPolicy(backend, thinking="keep"), episodes=1, max_turns=3)[0]
    asyncio.run(backend.aclose())
    assert [turn.text for turn in episode.turns] == ["hello"] * 3
    assert {turn.thinking for turn in episode.turns} == {"SECRET too\nSECRET plan"}
    assert "SECRET" not in str(server.asked())
    assert episode.from_json(episode.to_json()) == episode


def test_a_token_server_renders_the_switch_itself_and_tells_thinking_apart(server, ask, small_model):
    server.models = VLLM
    backend = TokenServer(server.url, str(small_model))
    ids = backend.encode("<think>hm</think>yes")
    choice = {"text": "", "token_ids": ids, "finish_reason": "stop"}
    server.script = [answer({"choices": [choice]})]
    done = ask(Request(prompt_ids=(7,)), backend=backend)
    assert (done.text, done.thinking, done.ids) == ("yes", "hm", tuple(ids))


@pytest.mark.parametrize(
    "wrong",
    [
        Sampling(-1.0), Sampling(float("nan")), Sampling(float("inf")), Sampling(top_p=0.0), Sampling(top_p=1.5),
        Sampling(top_p=float("nan")), Sampling(max_tokens=0), Sampling(stop=("",)),
    ],
)  # fmt: skip
def test_sampling_out_of_range_is_refused_before_anybody_is_asked(server, ask, wrong):
    with pytest.raises(BackendError, match="must be"):
        ask(replace(ASK, sampling=wrong))
    assert server.seen == []
