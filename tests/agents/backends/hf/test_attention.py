"""Attention of one new token per row against the library's own."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


class Module:
    is_causal = True

    def __init__(self, groups: int) -> None:
        self.num_key_value_groups = groups


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("tokens", "groups"), [(1, 1), (1, 4), (1, 7), (5, 4)])
@pytest.mark.parametrize("masked", [True, False])
def test_grouped_attention_equals_sdpa(tokens, groups, masked, dtype):
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    from optima_agents.backends.hf.attention import grouped

    torch.manual_seed(0)
    rows, heads, dim, columns = 3, 2, 8, 11
    query = torch.randn(rows, heads * groups, tokens, dim, dtype=dtype)
    # a slice of a wider cache, as in decoding
    key, value = (torch.randn(rows, heads, columns + 4, dim, dtype=dtype)[:, :, :columns] for _ in range(2))
    mask = None
    if masked:
        hidden = torch.arange(columns)[None, None, None, :] > torch.tensor([4, 7, 10])[:, None, None, None]
        mask = torch.zeros(rows, 1, tokens, columns, dtype=dtype).masked_fill(hidden, torch.finfo(dtype).min)
    ours, weights = grouped(Module(groups), query, key, value, mask, scaling=0.3)  # type: ignore[arg-type]
    theirs, _ = sdpa_attention_forward(Module(groups), query, key, value, mask, scaling=0.3)  # type: ignore[arg-type]
    assert weights is None
    assert ours.shape == theirs.shape == (rows, tokens, heads * groups, dim)
    torch.testing.assert_close(ours, theirs, atol=2e-2 if dtype == torch.bfloat16 else 1e-6, rtol=2e-2)


def test_a_model_with_grouped_heads_generates_what_the_library_generates(small_model, tmp_path):
    import asyncio

    from support.random_llama import save_random_llama
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from optima_agents import Request, Sampling, make_backend

    folder = save_random_llama(
        tmp_path, AutoTokenizer.from_pretrained(small_model), num_attention_heads=4, num_key_value_heads=2
    )
    asked = [tuple(range(10, 20 + n)) for n in range(6)]
    backend = make_backend(f"hf:{folder}", device="cpu")

    async def play():
        sampling = Sampling(0.0, max_tokens=12)
        done = await asyncio.gather(*(backend.complete(Request(prompt_ids=ids, sampling=sampling)) for ids in asked))
        await backend.aclose()
        return done

    plain: Any = AutoModelForCausalLM.from_pretrained(folder)
    for ids, done in zip(asked, asyncio.run(play()), strict=True):
        out = plain.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=12,
            do_sample=False,
        )  # fmt: skip
        assert done.ids == tuple(out[0, len(ids) :].tolist())
