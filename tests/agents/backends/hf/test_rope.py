"""Rotary positions of every kind: finite far out, and no request changes what another one gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
from support.random_llama import save_random_llama

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


def saved(folder: Path, kind: str) -> Path:
    from transformers import AutoTokenizer

    return save_random_llama(
        folder,
        AutoTokenizer.from_pretrained(TINY),
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=WINDOW,
        rope_parameters={"rope_type": kind, **THETA, **KINDS[kind]},
    )


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


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
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


def test_transformers_itself_lets_one_text_change_another(tmp_path: Path) -> None:
    """The fault that is fixed at loading: without it, the short row's logits depend on its neighbour."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = saved(tmp_path, "longrope")
    short, long = ids(20, 1), ids(60, 2)
    padded = torch.tensor([[*short, *[0] * 40], long])
    apart = []
    for model in (AutoModelForCausalLM.from_pretrained(folder), load_causal(str(folder), "float32")):
        with torch.no_grad():
            alone = model(torch.tensor([short])).logits[0, -1]
            beside = model(padded).logits[0, len(short) - 1]
        apart.append(float((alone - beside).abs().max()))
    assert apart[0] > 1e-3 and apart[1] < 1e-5


def other_models() -> dict[str, Any]:
    """Frequencies by kind of layer (Gemma 3), and a rotary pass of its own (PhiMoE)."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, PhimoeConfig, PhimoeForCausalLM

    size: dict[str, Any] = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    size |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": WINDOW}
    size |= {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    long = {"rope_type": "longrope", **THETA, **KINDS["longrope"]}
    layers = ["full_attention", "sliding_attention"]
    by_layer = {"full_attention": long, "sliding_attention": {"rope_type": "default", **THETA}}
    gemma = Gemma3TextConfig(**size, head_dim=8, layer_types=layers, sliding_window=64, rope_parameters=by_layer)
    scaled = {**long, "short_mscale": 1.0, "long_mscale": 1.3}
    phi = PhimoeConfig(**size, num_local_experts=2, num_experts_per_tok=2, rope_parameters=scaled)
    return {"gemma3": (Gemma3ForCausalLM, gemma), "phimoe": (PhimoeForCausalLM, phi)}


@pytest.mark.parametrize("name", ["gemma3", "phimoe"])
def test_models_with_rotary_passes_of_their_own_are_fixed_too(name: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    kind, config = other_models()[name]
    torch.manual_seed(0)
    kind(config).save_pretrained(tmp_path)
    short, long = ids(20, 1), ids(60, 2)
    padded, mask = torch.tensor([[*short, *[0] * 40], long]), torch.tensor([[1] * 20 + [0] * 40, [1] * 60])
    apart, fixed = [], load_causal(str(tmp_path), "float32")
    for model in (AutoModelForCausalLM.from_pretrained(tmp_path), fixed):
        with torch.no_grad():
            alone = model.eval()(torch.tensor([short])).logits[0, -1]
            beside = model(padded, attention_mask=mask).logits[0, len(short) - 1]
        apart.append(float((alone - beside).abs().max()))
    assert apart[0] > 1e-4 and apart[1] < 1e-6
    fixed.save_pretrained(tmp_path / "again")  # what is fixed while it plays is not saved
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "again").config
    assert again.rope_parameters == AutoModelForCausalLM.from_pretrained(tmp_path).config.rope_parameters
