"""The transformers backend against plain ``model.generate`` and plain forward passes, on a random model."""

from __future__ import annotations

import asyncio
import math
import random
import threading
from dataclasses import replace
from typing import Any, cast

import pytest

from optima_agents.backends.base import BackendError, ContextOverflow, EngineDead, Likelihood, Request, Sampling, Tokens
from optima_agents.backends.hf.backend import TransformersBackend

torch = pytest.importorskip("torch")

from optima_agents.backends.hf.likelihood import Scorer  # noqa: E402 - these import torch
from optima_agents.backends.hf.loading import load_model  # noqa: E402

GREEDY = Sampling(temperature=0.0, max_tokens=24)


@pytest.fixture(scope="module")
def backend(small_model):
    return TransformersBackend(str(small_model), max_batch=8)


def prompts(count: int, seed: int = 0, longest: int = 200) -> list[tuple[int, ...]]:
    rng = random.Random(seed)
    return [tuple(rng.choices(range(5, 300), k=rng.randint(3, longest))) for _ in range(count)]


def complete(backend, requests):
    async def run():
        return await asyncio.gather(*map(backend.complete, requests))

    return asyncio.run(run())


def generated(backend, prompt, count=24):
    out = backend.model.generate(
        torch.tensor([prompt], device=backend.model.device),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long, device=backend.model.device),
        max_new_tokens=count, do_sample=False,
    )  # fmt: skip
    return tuple(out[0, len(prompt) :].tolist())


def test_greedy_ids_equal_generate_with_shared_prefixes_and_more_requests_than_slots(backend):
    base = prompts(12)
    texts = base + [p + q for p, q in zip(base, prompts(12, 1, 40), strict=True)] + base
    done = complete(backend, [Request(prompt_ids=p, sampling=GREEDY) for p in texts])
    assert [d.ids for d in done] == [generated(backend, p) for p in texts]
    assert any(d.usage.cached_tokens > 0 for d in done)


def test_logprobs_of_sampled_tokens_equal_the_likelihood(backend):
    done = complete(backend, [Request(prompt_ids=p, sampling=Sampling(max_tokens=20), seed=3) for p in prompts(10)])

    async def score():
        return await asyncio.gather(*(backend.logprobs(d.prompt_ids, d.ids) for d in done))

    for d, scores in zip(done, asyncio.run(score()), strict=True):
        assert scores == pytest.approx(d.logprobs, abs=1e-4)


def test_logprobs_nobody_asks_for_are_left_out_and_change_no_sample(backend):
    asked = [Request(prompt_ids=p, sampling=Sampling(max_tokens=20), seed=i) for i, p in enumerate(prompts(8))]
    bare = [replace(r, sampling=replace(r.sampling, logprobs=False)) for r in asked]
    wanted = complete(backend, asked)
    mixed = complete(backend, [b if i % 2 else a for i, (a, b) in enumerate(zip(asked, bare, strict=True))])
    for done in (complete(backend, bare), mixed):
        assert [d.ids for d in done] == [d.ids for d in wanted]
    assert {d.logprobs for d in complete(backend, bare)} == {None}
    assert [d.logprobs is None for d in mixed] == [False, True] * 4


@pytest.mark.parametrize("logprobs", [True, False])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_damaged_weights_fail_the_request(small_model, logprobs, temperature):
    damaged = TransformersBackend(str(small_model))
    damaged.model.lm_head.weight[11] = math.nan
    with pytest.raises(BackendError, match="not finite"):
        complete(damaged, [Request(prompt_ids=(7, 8), sampling=Sampling(temperature, logprobs=logprobs))])


def test_likelihood_equals_one_plain_forward_pass(backend):
    prompt, completion = prompts(2, 5)
    with torch.no_grad():
        ids = torch.tensor([prompt + completion], device=backend.model.device)
        logits = backend.model(ids).logits[0].log_softmax(-1)
    plain = [float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(completion)]
    assert asyncio.run(backend.logprobs(prompt, completion)) == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize("max_tokens", [64, 4096])
def test_a_prompt_that_many_texts_share_is_read_once_and_changes_no_score(small_model, max_tokens):
    model, _ = load_model(str(small_model), "cpu", "float32", None, None)
    scorer, alone = (Scorer(model, 512, threading.Lock(), max_tokens) for _ in range(2))
    shared, other, last = tuple(range(5, 155)), *prompts(2, 21, 60)
    texts = [tuple(range(n, n + n)) for n in (1, 2, 9, 30, 31, 44)]
    pairs = [*((shared, text) for text in texts), (other, texts[2]), (last, texts[1]), (last, texts[3]), (shared, ())]
    wanted = [alone.score([pair])[0] for pair in pairs]
    for order in (range(len(pairs)), range(len(pairs) - 1, -1, -1)):
        scorer.read = 0
        for index, scores in zip(order, scorer.score([pairs[index] for index in order]), strict=True):
            assert scores == pytest.approx(wanted[index], abs=1e-4)
        assert scorer.read < 0.65 * alone.read


def test_scores_that_cannot_be_are_told_beside_those_that_can(small_model):
    model, _ = load_model(str(small_model), "cpu", "float32", None, None)
    scorer = Scorer(model, 16, threading.Lock(), 64)
    found = scorer.score([((1, 2), (3,)), ((1, 2), (10**6,)), ((), (3,)), ((1, 2), (4, 5)), ((1, 2), (3,) * 15)])
    assert [isinstance(item, BackendError) for item in found] == [False, True, True, False, True]


def test_a_request_samples_the_same_whatever_else_is_in_the_batch(backend):
    asked = [
        Request(prompt_ids=p, sampling=Sampling(temperature=1.0, max_tokens=16), seed=i)
        for i, p in enumerate(prompts(10, 7))
    ]
    together = complete(backend, asked)
    alone = [complete(backend, [request])[0] for request in reversed(asked)][::-1]
    assert [d.ids for d in together] == [d.ids for d in alone]
    other = complete(backend, [Request(prompt_ids=r.prompt_ids, sampling=r.sampling, seed=99) for r in asked])
    assert [d.ids for d in other] != [d.ids for d in together]


def test_top_p_keeps_to_the_nucleus(backend):
    prompt = prompts(1, 11)[0]
    asked = [Request(prompt_ids=prompt, sampling=Sampling(1.0, 0.3, 1), seed=s) for s in range(64)]
    with torch.no_grad():
        ids = torch.tensor([prompt], device=backend.model.device)
        probs, order = backend.model(ids).logits[0, -1].softmax(-1).sort(descending=True)
    size = int((probs.cumsum(0) - probs < 0.3).sum())
    assert {d.ids[0] for d in complete(backend, asked)} <= set(order[:size].tolist())


def test_finish_reasons_stop_string_and_text(backend):
    long = complete(backend, [Request(prompt_ids=prompts(1)[0], sampling=Sampling(1.0, max_tokens=300), seed=1)])[0]
    assert long.tokens == len(long.ids) == len(long.logprobs)
    if long.finish == "stop":
        assert long.ids[-1] in backend._decoder.stop_ids
    short = complete(backend, [Request(prompt_ids=prompts(1)[0], sampling=Sampling(1.0, max_tokens=1), seed=1)])[0]
    assert short.finish == "length"
    assert short.ids == long.ids[:1]
    mark = long.text[3:5]
    cut = complete(
        backend, [Request(prompt_ids=prompts(1)[0], sampling=Sampling(1.0, max_tokens=300, stop=(mark,)), seed=1)]
    )[0]
    assert cut.finish == "stop"
    assert cut.text == long.text[: long.text.find(mark)]


def test_eos_ends_a_turn_and_is_kept_in_the_ids_only(backend):
    stops = backend._decoder.stop_ids
    for d in complete(
        backend,
        [
            Request(prompt_ids=p, sampling=Sampling(2.0, max_tokens=400), seed=s)
            for s, p in enumerate(prompts(16, 3, 20))
        ],
    ):
        assert not stops & set(d.ids[:-1])
        assert (d.ids[-1] in stops) == (d.finish == "stop")
        assert "<|im_end|>" not in d.text


def test_overflow_bad_requests_and_the_end_of_the_window(backend):
    with pytest.raises(ContextOverflow, match="512"):
        complete(backend, [Request(prompt_ids=(7,) * 512)])
    for bad in (Request(prompt_ids=()), Request(prompt_ids=(10**6,)), Request(prompt_ids=(7,), adapter="nobody")):
        with pytest.raises(BackendError):
            complete(backend, [bad])
    full = complete(backend, [Request(prompt_ids=(7,) * 508, sampling=Sampling(1.0, max_tokens=50))])[0]
    assert full.tokens <= 4
    with pytest.raises(BackendError):
        asyncio.run(backend.logprobs((), (1,)))


def test_cancelled_requests_leave_the_engine(backend):
    async def run():
        task = asyncio.create_task(backend.complete(Request(prompt_ids=(7, 8), sampling=Sampling(1.0, max_tokens=480))))
        await backend.complete(Request(prompt_ids=(7, 9), sampling=Sampling(1.0, max_tokens=2)))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await backend.complete(Request(prompt_ids=(7, 9), sampling=Sampling(1.0, max_tokens=2)))

    assert asyncio.run(run()).tokens <= 2


def test_a_pool_smaller_than_one_prompt_changes_nothing(small_model, backend):
    tight = TransformersBackend(str(small_model), max_batch=3, prefix_bytes=5 * 16 * 2 * 2 * 2 * 8 * 4)
    asked = [Request(prompt_ids=p, sampling=GREEDY) for p in prompts(8, 2) * 2]
    assert [d.ids for d in complete(tight, asked)] == [d.ids for d in complete(backend, asked)]
    assert tight._decoder.pool._count == 5


def test_a_closed_or_broken_engine_says_so(small_model):
    broken = TransformersBackend(str(small_model))
    assert isinstance(broken, Likelihood)
    assert isinstance(broken, Tokens)
    cast("Any", broken)._decoder.decode = lambda ids: 1 / 0
    for _ in range(2):
        with pytest.raises(EngineDead, match="division"):
            complete(broken, [Request(prompt_ids=(7, 8), sampling=GREEDY)])
    closed = TransformersBackend(str(small_model))
    asyncio.run(closed.aclose())
    with pytest.raises(EngineDead):
        complete(closed, [Request(prompt_ids=(7, 8), sampling=GREEDY)])


def test_adapters_merged_and_by_name_give_the_same_text(small_model, tmp_path):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(small_model), config).save_pretrained(tmp_path / "a")
    merged = TransformersBackend(str(small_model), adapter=tmp_path / "a")
    named = TransformersBackend(str(small_model), adapters={"a": tmp_path / "a"})
    plain = TransformersBackend(str(small_model))
    texts = prompts(4, 9)
    by_name = complete(named, [Request(prompt_ids=p, sampling=GREEDY, adapter=a) for p in texts for a in ("a", None)])
    assert [d.ids for d in by_name[::2]] == [
        d.ids for d in complete(merged, [Request(prompt_ids=p, sampling=GREEDY) for p in texts])
    ]
    assert [d.ids for d in by_name[1::2]] == [
        d.ids for d in complete(plain, [Request(prompt_ids=p, sampling=GREEDY) for p in texts])
    ]
    base = asyncio.run(plain.logprobs(texts[0], texts[1]))
    assert asyncio.run(named.logprobs(texts[0], texts[1])) == pytest.approx(base, abs=1e-4)


def test_loading_refuses_what_is_not_there():
    with pytest.raises(FileNotFoundError, match="no model folder"):
        TransformersBackend("./nowhere")
