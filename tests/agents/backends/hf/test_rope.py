"""Rotary positions of every kind: finite far out, and no request changes what another one gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
from support.random_llama import save_random

from optima_agents import Request, Sampling, make_backend
from optima_agents.backends.chat.model_files import TINY
from optima_agents.backends.hf.loading import load_causal

BASE, WINDOW = 32, 128
THETA = {"rope_theta": 10_000.0}
LONG = {"short_factor": [1.0, 1.0, 1.0, 1.0], "long_factor": [2.0, 4.0, 8.0, 16.0], "factor": WINDOW / BASE}
KINDS: dict[str, dict[str, Any]] = {
    "default": {},
    "linear": {"factor": 4.0},
    "dynamic": {"factor": 4.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": BASE},
    "longrope": {**LONG, "original_max_position_embeddings": BASE},
    "llama3": {
        "factor": 4.0,
        "original_max_position_embeddings": BASE,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    },
}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": WINDOW}
SCALED = {"rope_type": "longrope", **THETA, **KINDS["longrope"]}
LAYERS = {"layer_types": ["full_attention", "sliding_attention"], "sliding_window": WINDOW, "head_dim": 8}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    # a kind for each type of layer
    "gemma3": (
        "gemma3_text",
        {
            **LAYERS,
            "query_pre_attn_scalar": 8,
            "rope_parameters": {"full_attention": SCALED, "sliding_attention": {"rope_type": "default", **THETA}},
        },
    ),
    # positions that ask the config at every pass, with a scale of their own beyond the first length
    "phimoe": (
        "phimoe",
        {"num_local_experts": 4, "rope_parameters": {**SCALED, "short_mscale": 1.0, "long_mscale": 1.5}},
    ),
}


def saved(folder: Path, kind: str) -> Path:
    from transformers import AutoTokenizer

    plain = {"rope_parameters": {"rope_type": kind, **THETA, **KINDS.get(kind, {})}}
    model, settings = OTHERS.get(kind, ("llama", plain))
    return save_random(folder, AutoTokenizer.from_pretrained(TINY), model, **HEADS, **settings)


def ids(length: int, seed: int) -> tuple[int, ...]:
    import torch

    return tuple(torch.randint(300, (length,), generator=torch.Generator().manual_seed(seed)).tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_finite_at_four_times_the_first_length(kind: str, tmp_path: Path) -> None:
    import torch

    model = load_causal(str(saved(tmp_path, kind)), "float32")
    with torch.no_grad():
        logits = model(torch.tensor([ids(4 * BASE, 0)])).logits
    assert bool(logits.isfinite().all())


@pytest.mark.parametrize("kind", ["dynamic", "longrope", *OTHERS])
def test_a_long_request_beside_short_ones_changes_nothing(kind: str, tmp_path: Path) -> None:
    folder = saved(tmp_path, kind)
    shared = ids(16, 1)
    prompts = [shared + ids(4, 2), shared + ids(90, 3), ids(25, 4), shared + ids(20, 5)]  # 25 + 12 crosses the boundary
    asked = [Request(prompt_ids=p, sampling=Sampling(0.0, max_tokens=12), seed=k) for k, p in enumerate(prompts)]

    async def together() -> list[Any]:
        backend: Any = make_backend(f"hf:{folder}", device="cpu", dtype="float64", ignore_eos=True)
        done = await asyncio.gather(*map(backend.complete, asked))
        again = await asyncio.gather(*map(backend.complete, asked))  # prefixes of the first time are there now
        scores = await asyncio.gather(*(backend.logprobs(p, d.ids) for p, d in zip(prompts, done, strict=True)))
        await backend.aclose()
        assert [d.ids for d in again] == [d.ids for d in done]
        for mine, score in zip(done, scores, strict=True):
            assert mine.logprobs == pytest.approx(score, abs=1e-6)
        return done

    async def alone(request: Request) -> Any:
        backend: Any = make_backend(f"hf:{folder}", device="cpu", dtype="float64", ignore_eos=True)
        done = await backend.complete(request)
        await backend.aclose()
        return done

    for mine, request in zip(asyncio.run(together()), asked, strict=True):
        solo = asyncio.run(alone(request))
        assert mine.ids == solo.ids
        assert mine.logprobs == pytest.approx(solo.logprobs, abs=1e-5)


def apart(model: Any) -> float:
    """How much the logits of a short text change, at most, when a long one stands beside it."""
    import torch

    short, long = ids(20, 1), ids(60, 2)
    padded = torch.tensor([[*short, *[0] * 40], long])
    with torch.no_grad():
        alone = model(torch.tensor([short])).logits[0, -1]
        beside = model(padded).logits[0, len(short) - 1]
    return float((alone - beside).abs().max())


@pytest.mark.parametrize("kind", ["longrope", *OTHERS])
def test_transformers_itself_lets_one_text_change_another(kind: str, tmp_path: Path) -> None:
    """The fault that is fixed at loading: without it, the short row's logits depend on its neighbour. Those of dynamic
    cannot: its frequencies change beyond the window alone, where no text is read."""
    from transformers import AutoModelForCausalLM

    folder = saved(tmp_path, kind)
    assert apart(AutoModelForCausalLM.from_pretrained(folder).eval()) > 1e-3
    assert apart(load_causal(str(folder), "float32").eval()) < 1e-5


def test_frequencies_of_a_models_own_making_stay(tmp_path: Path) -> None:
    """HunYuan's alpha is ``dynamic`` by name, and raises the base from the first token on."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    rope = {"rope_type": "dynamic", "alpha": 50.0, "factor": 1.0, **THETA}
    folder = save_random(
        tmp_path, AutoTokenizer.from_pretrained(TINY), "hunyuan_v1_dense", **HEADS, head_dim=8, rope_parameters=rope
    )
    own, ours = AutoModelForCausalLM.from_pretrained(folder), load_causal(str(folder), "float32")
    assert ours.model.rotary_emb.inv_freq.equal(own.model.rotary_emb.inv_freq)
