"""TokenServer, the openai backend with the model's tokenizer on this side, against the faulty server on loopback."""

from __future__ import annotations

import asyncio

import pytest
from support.faulty_server import VLLM, answer

pytest.importorskip("aiohttp")
from optima_agents import Request, Sampling
from optima_agents.backends.base import BackendError, ContextOverflow, Likelihood, Tokens
from optima_agents.backends.openai_api.backend import OpenAIBackend
from optima_agents.backends.openai_api.token_server import TokenServer


def test_prompts_are_rendered_here_and_text_decoded_here(server, ask, small_model):
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
    assert backend.chat.end_of_turn is not None and prompt.count(backend.chat.end_of_turn) == 1
    assert body["max_tokens"] == 99 - len(prompt)
    assert body["stop_token_ids"] == [backend.chat.end_of_turn]


def test_a_server_with_the_token_endpoint_is_asked_there(server, ask, small_model):
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


def test_of_a_servers_engines_the_one_that_knows_the_prompt_is_named(server, small_model):
    server.models, server.tokens = VLLM, None
    choice = {"token_ids": [9], "finish_reason": "length"}
    prompts = [tuple(range(start, start + 33)) for start in (10, 60, 10, 60)]
    server.meeting = asyncio.Barrier(len(prompts))  # one that was over before the next came would leave its engine free

    async def run(backend):
        await asyncio.gather(*(backend.complete(Request(prompt_ids=ids)) for ids in prompts))
        await backend.aclose()

    for engines in (1, 2):
        server.script = [answer({"detail": []}, 422), answer({"choices": [choice]})]
        asyncio.run(run(TokenServer(server.url, str(small_model), engines=engines, timeout_s=60)))
    seen = [(body["token_ids"][0], headers) for _, headers, body in server.seen if body]
    asked = [(first, headers.get("x-data-parallel-rank")) for first, headers in seen]
    assert {rank for _, rank in asked[:4]} == {None}
    assert len(set(asked[4:])) == 2, "each prompt has one engine"
    assert {rank for _, rank in asked[4:]} == {"0", "1"}


@pytest.mark.parametrize("status", [403, 404])
def test_a_server_without_it_is_asked_for_completions(server, ask, small_model, status):
    server.models, server.tokens = VLLM, answer({"error": {"message": "switched off"}}, status)
    server.script = [answer({"choices": [{"text": "river", "finish_reason": "stop"}]})]
    assert ask(Request(prompt_ids=(7,)), backend=TokenServer(server.url, str(small_model))).text == "river"
    assert server.asked()[0]["prompt"] == [7]


def test_a_prompt_that_fills_the_window_is_refused_here(server, ask, small_model):
    server.models = VLLM
    with pytest.raises(ContextOverflow, match="40"):
        ask(Request(prompt_ids=(7,) * 40), backend=TokenServer(server.url, str(small_model)))
    assert server.asked() == []


def test_logprobs_of_given_text(server, ask, small_model):
    rows = [None, {"8": {"logprob": -1.0}}, {"9": {"logprob": -2.0}, "3": {"logprob": -0.1}}]
    server.script = [answer({"choices": [{"text": "", "prompt_logprobs": rows}]})]
    backend = TokenServer(server.url, str(small_model))
    assert ask(([7], [8, 9]), "logprobs", backend) == [-1.0, -2.0]
    assert server.asked()[0]["prompt"] == [7, 8, 9]
    for wrong in ([None, {"8": {"logprob": -1.0}}, {"3": {}}], [None], None):
        server.script = [answer({"choices": [{"text": "", "prompt_logprobs": wrong}]})]
        with pytest.raises(BackendError, match="prompt_logprobs"):
            ask(([7], [8, 9]), "logprobs", TokenServer(server.url, str(small_model)))
