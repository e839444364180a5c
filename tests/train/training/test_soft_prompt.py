"""P-tuning: only the vectors before the prompt learn, the base stays as it was, and the engine plays with them as PEFT
does; LoRA beside it; what cannot have a soft prompt is refused by name."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.runs import settings

from optima_agents import Request, Sampling, make_backend
from optima_train.cli.main import main
from optima_train.config.loading import ConfigError, load
from optima_train.loop.preflight import preflight
from optima_train.run.digests import digest
from optima_train.run.engines import ModelRef
from optima_train.run.stage import StageError
from optima_train.training.checkpoints import load_model, load_trainable

SOFT, LORA = "train={prompt_tokens: 5, lora: null}", "train.lora={rank: 4, merge: false}"
PROMPT: tuple[int, ...] = (300, 17, 45, 9, 120)


def run(model: Path, out: Path, *overrides: str) -> Path:
    chosen = ["isolation=inline", "train.learning_rate=3e-2", "iterations=2", *overrides]
    assert main(["train", "quickstart", *settings(model), *chosen, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def softened(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(random_model, tmp_path_factory.mktemp("soft") / "run", SOFT, "iterations=2")


def test_only_the_vectors_learn_and_the_next_iteration_goes_on_with_them(random_model: Path, softened: Path) -> None:
    from safetensors.torch import load_file

    first, second = (
        load_file(softened / f"it00{k}/train/adapter/adapter_model.safetensors")["prompt_embeddings"] for k in (0, 1)
    )
    assert first.shape == (5, 32) and not first.equal(second)
    marker = json.loads((softened / "it001/train/DONE.json").read_text())
    assert marker["model"] == {"model": str(random_model), "adapter": "adapter"}
    assert marker["numbers"]["trained_parameters"] == 5 * 32
    assert marker["numbers"]["last_loss"] != marker["numbers"]["first_loss"]


@pytest.mark.parametrize("way", [SOFT, LORA], ids=["p-tuning", "lora"])
def test_base_weights_stay_bit_identical(way: str, random_model: Path, tmp_path: Path) -> None:
    """In training itself, and on disk."""
    import torch

    before = digest(random_model)
    config = load("quickstart", [*settings(random_model), way]).train
    model = load_trainable(ModelRef(str(random_model)), config, 3)
    optimiser = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=0.1)
    ids = torch.tensor([PROMPT])
    losses = []
    for _ in range(5):
        optimiser.zero_grad()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    plain = load_model(ModelRef(str(random_model)), "fp32", None).state_dict()
    trained = {name.removeprefix("base_model.").removeprefix("model."): w for name, w in model.state_dict().items()}
    same = [name for name, weight in plain.items() if any(
        other.replace(".base_layer", "").endswith(name.removeprefix("model.")) and weight.equal(found)
        for other, found in trained.items())]  # fmt: skip
    assert len(same) == len(plain)
    assert digest(random_model) == before


def test_the_engine_plays_with_a_soft_prompt_as_peft_does(random_model: Path, softened: Path) -> None:
    import torch
    from peft import PeftModel

    folder = softened / "it001/train/adapter"
    reference: Any = PeftModel.from_pretrained(load_model(ModelRef(str(random_model)), "fp32", None), folder).eval()
    ids = list(PROMPT)
    for _ in range(6):
        with torch.no_grad():
            ids.append(int(reference(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    backend: Any = make_backend(f"hf:{random_model}", adapter=str(folder), device="cpu", ignore_eos=True)
    bare = make_backend(f"hf:{random_model}", device="cpu", ignore_eos=True)
    ask = Request(prompt_ids=PROMPT, sampling=Sampling(0.0, max_tokens=6))

    async def all_of_it() -> Any:
        said = [await one.complete(ask) for one in (backend, backend, bare)]
        scored = await backend.logprobs(PROMPT, said[0].ids)
        await backend.aclose()
        await bare.aclose()
        return said, scored

    (said, again, plain), scored = asyncio.run(all_of_it())
    assert list(said.ids) == ids[len(PROMPT) :] and said.prompt_ids == PROMPT
    assert again.ids == said.ids  # from cached prefixes too
    assert plain.ids != said.ids or plain.logprobs != said.logprobs
    assert scored == pytest.approx(said.logprobs, abs=1e-4)
    with pytest.raises(ValueError, match="is a soft prompt, which all requests share"):
        make_backend(f"hf:{random_model}", adapters={"Alice": str(folder)}, device="cpu")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train={prompt_tokens: 5, lora: {rank: 4}}"], "not merged"),
        (["train={prompt_tokens: 5, sharing: full}"], "set lora to null and sharing to shared"),
        ([SOFT, "backend=vllm", "dtype=null"], "backend vllm cannot play with a soft prompt"),
        ([SOFT, "method=idpo", "iterations=2"], "idpo also trains by dpo"),
        ([SOFT, "method=grpo", "generate={temperature: [1], formats: null}"], "grpo also trains by grpo"),
    ],
)
def test_what_cannot_have_a_soft_prompt_is_refused_before_anything_starts(overrides, message, random_model) -> None:
    with pytest.raises(ConfigError, match=message):
        preflight(load("quickstart", [*settings(random_model), *overrides]))


def test_an_adapter_of_another_kind_is_refused_by_name(random_model: Path, softened: Path) -> None:
    config = load("quickstart", [*settings(random_model), "train={prompt_tokens: 7}"]).train
    with pytest.raises(StageError, match=r"train\.prompt_tokens=7: .* is no soft prompt of so many vectors"):
        load_trainable(ModelRef(str(random_model), str(softened / "it001/train/adapter")), config, 0)
