"""Whole rounds of iSFT on other base models than the embedded one: grouped queries, and experts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.random_llama import save_random
from support.runs import settings

from optima_agents import Request, Sampling, make_backend
from optima_agents.backends.chat import model_files
from optima_agents.backends.chat.model_files import TINY
from optima_train.cli.main import main

torch = pytest.importorskip("torch")
GROUPED = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "grouped queries": ("llama", GROUPED),
    "experts": ("mixtral", {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}),
}
PROMPTS = [(2, 300, 17, 45, 9, 120), (2, 61, 8), (2, *range(40, 80))]
STEPS = 12


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that a run leaves."""
    from transformers import AutoTokenizer

    kind, more = KINDS[request.param]
    folder = tmp_path_factory.mktemp("run")
    # sharp enough that the tokens of its texts are no near ties
    base = save_random(folder / "base", AutoTokenizer.from_pretrained(TINY), kind, initializer_range=0.3, **more)
    chosen = ["isolation=inline", "train.learning_rate=1e-3", "--out", str(folder / "run")]
    assert main(["train", "quickstart", *settings(base), *chosen]) == 0
    results = json.loads((folder / "run/results.json").read_text())
    assert [row["label"] for row in results] == ["untrained", "final"]
    weights = [(place / "model.safetensors").read_bytes() for place in (base, folder / "run/it000/train/model")]
    assert weights[0] != weights[1]
    return folder / "run/it000/train/model"


def played(model: Path) -> list[tuple[int, ...]]:
    """What the engine says to the prompts, all at once."""
    asked = [Request(prompt_ids=prompt, sampling=Sampling(0.0, max_tokens=STEPS)) for prompt in PROMPTS]

    async def all_of_them() -> list[Any]:
        backend: Any = make_backend(f"hf:{model}", device="cpu", dtype="float64", ignore_eos=True)
        done = await asyncio.gather(*map(backend.complete, asked))
        await backend.aclose()
        return done

    return [done.ids for done in asyncio.run(all_of_them())]


def generated(model: Any) -> list[tuple[int, ...]]:
    """What transformers' own loop says, one prompt at a time, with its own cache and attention."""
    limits = {"max_new_tokens": STEPS, "min_new_tokens": STEPS, "do_sample": False, "eos_token_id": None}
    out = [model.generate(torch.tensor([prompt]), **limits)[0] for prompt in PROMPTS]
    return [tuple(ids[len(prompt) :].tolist()) for prompt, ids in zip(PROMPTS, out, strict=True)]


def test_the_engine_says_what_transformers_own_loop_says(trained: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        trained, dtype=torch.float64, attn_implementation="eager", experts_implementation="eager"
    ).eval()
    model.config.output_router_logits = False
    said = played(trained)
    assert said == generated(model)
    # off: the same weights with the heads of the keys in the other order say something else
    with torch.no_grad():
        for layer in model.model.layers:
            keys = layer.self_attn.k_proj.weight
            keys.copy_(torch.cat(keys.chunk(2)[::-1]))
    assert said != generated(model)


def test_a_trained_model_of_experts_would_not_play_if_it_were_asked_for_router_logits(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training leaves that wish in the config; a pass with a cache cannot grant it."""
    from transformers import AutoConfig

    from optima_agents.backends.hf import loading

    if not json.loads((trained / "config.json").read_text()).get("output_router_logits"):
        return  # no experts
    assert not model_files.load_config(str(trained)).output_router_logits
    monkeypatch.setattr(loading, "load_config", lambda source: AutoConfig.from_pretrained(source))
    with pytest.raises(ValueError, match="cannot be decoded here"):
        make_backend(f"hf:{trained}", device="cpu")
