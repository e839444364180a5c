"""Base models of other makes: grouped queries, and a mixture of experts whose router is trained too."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.policy_rows import rows as policy_rows
from support.policy_rows import trainer_of
from support.preference_data import PAIRS, both
from support.random_llama import save_random_llama
from support.rows import training_row
from support.runs import settings

from optima_agents import Request, Sampling, make_backend
from optima_train.cli.main import main
from optima_train.config.loading import load
from optima_train.config.online_settings import GrpoConfig
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.markers import execute
from optima_train.run.progress import silent
from optima_train.run.records import write_records
from optima_train.run.stage import StageContext, StageError, Step
from optima_train.training.checkpoints import load_tokenizer, load_trainable
from optima_train.training.dpo_trainer import preference_trainer
from optima_train.training.sft import Sft

ROW = {"input_ids": [2, 30, 31, 32, 33, 34, 35, 1], "completion_mask": [0, 0, 1, 1, 0, 0, 1, 1]}
WEIGHT = 0.5  # of the router's loss: large, so that its absence shows


def experts(folder: Path, tokenizer: Any, weight: float = WEIGHT) -> Path:
    """A Mixtral of four experts, two for each token."""
    import torch
    from transformers import MixtralConfig, MixtralForCausalLM

    torch.manual_seed(0)
    config = MixtralConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2, max_position_embeddings=1024,
        router_aux_loss_coef=weight, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )  # fmt: skip
    MixtralForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(random_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(random_model)


@pytest.fixture(scope="module")
def mixture(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return experts(tmp_path_factory.mktemp("experts"), tokenizer)


def router_loss(folder: Path, ids: Any) -> float:
    """The balancing loss of Switch Transformers (arXiv 2101.03961, Eq. 4) as Mixtral has it: over all layers' tokens
    at once, the sum over ranks and experts of the share of tokens sent there times the mean probability."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        routed = model(ids, output_router_logits=True).router_logits
    chances = torch.cat([layer.reshape(-1, 4) for layer in routed]).softmax(-1)
    chosen = chances.topk(2, dim=-1).indices
    shares = torch.nn.functional.one_hot(chosen, 4).float().mean(0)  # (rank, expert)
    return 4 * float((shares * chances.mean(0)).sum())


def context(folder: Path, model: Path, *overrides: str) -> StageContext:
    config = load("quickstart", [*settings(model), *overrides])
    (folder / "it000/rows").mkdir(parents=True)
    write_records(folder / "it000/rows/rows.jsonl", map(training_row, [ROW] * 4))
    base = ModelRef(str(model))
    return StageContext(config, folder, Step(0, Sft()), base, base, Engines(config), silent)


def test_the_routers_loss_is_in_the_loss_and_can_be_left_out(mixture: Path, tokenizer: Any, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(mixture)
    with torch.no_grad():
        logits = model(torch.tensor([ROW["input_ids"]])).logits[0].log_softmax(-1)
    own = [k for k, bit in enumerate(ROW["completion_mask"]) if bit]
    said = -sum(float(logits[k - 1, ROW["input_ids"][k]]) for k in own) / len(own)
    balance = router_loss(mixture, torch.tensor([ROW["input_ids"]] * 4))
    found = {}
    for weight in (WEIGHT, 0.0):
        folder = mixture if weight else experts(tmp_path / "even", tokenizer, 0.0)
        ctx = context(tmp_path / f"run{weight}", folder, "train.learning_rate=1e-9")
        found[weight] = execute(ctx.step, ctx).numbers["first_loss"]
        saved = json.loads((ctx.out / "model/config.json").read_text())
        assert not saved.get("output_router_logits")  # asked for while training alone
    assert balance > 1.0
    assert found[0.0] == pytest.approx(said, rel=1e-4)
    assert found[WEIGHT] == pytest.approx(said + WEIGHT * balance, rel=1e-4)


def test_preferences_and_policy_gradients_have_it_too(mixture: Path, tmp_path: Path) -> None:
    ctx = context(tmp_path, mixture, "dpo.batch_size=4", "dpo.micro_batch=4", "dpo.learning_rate=1e-12",
                  "dpo.sft_weight=0")  # fmt: skip
    model = load_trainable(ctx.policy, ctx.config.train, seed=0)
    both(model)
    trainer = preference_trainer(ctx, model, load_tokenizer(ctx.policy), PAIRS)
    trainer.train()
    step = trainer.state.log_history[0]
    assert step["aux_loss"] > 1.0
    assert step["loss"] == pytest.approx(0.6931472 + WEIGHT * step["aux_loss"], abs=1e-3)
    stored = [one.model_copy(update={"logprobs": [-1.0] * sum(one.lengths)}) for one in policy_rows()]
    online = trainer_of(mixture, GrpoConfig(learning_rate=1e-3, micro_batch=2, importance="none"), stored, tmp_path)
    learner: Any = online.model
    before = learner.model.layers[0].mlp.gate.weight.detach().clone()
    online.train()
    assert any(line.get("aux_loss", 0) > 1.0 for line in online.state.log_history)
    assert not before.equal(learner.model.layers[0].mlp.gate.weight)


def test_adapters_of_attention_train_and_the_experts_stay(mixture: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    before = (mixture / "model.safetensors").read_bytes()
    ctx = context(tmp_path, mixture, "train.lora={rank: 4, targets: [q_proj, v_proj], merge: true}",
                  "train.learning_rate=0.1")  # fmt: skip
    execute(ctx.step, ctx)
    assert (mixture / "model.safetensors").read_bytes() == before
    old, new = load_file(mixture / "model.safetensors"), load_file(ctx.out / "model/model.safetensors")
    changed = {name for name in old if not old[name].equal(new[name])}
    assert changed and all("q_proj" in name or "v_proj" in name for name in changed)


@pytest.mark.parametrize("target", ["gate_proj", "w1", "experts"])
def test_an_adapter_that_matches_nothing_is_refused_with_the_fused_experts(
    mixture: Path, tmp_path: Path, target: str
) -> None:
    ctx = context(tmp_path, mixture, f"train.lora={{rank: 4, targets: [q_proj, {target}]}}")
    fused = r"its experts are fused into \S*down_proj and \S*gate_up_proj, which take no adapter"
    with pytest.raises(StageError, match=f"no module named {target}; the model has k_proj, .*q_proj.*; {fused}"):
        execute(ctx.step, ctx)


def test_grouped_queries_play_train_and_speak_as_transformers_does(tokenizer: Any, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    base = save_random_llama(
        tmp_path / "base", tokenizer, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024
    )
    assert main(["train", "quickstart", *settings(base), "isolation=inline", "--out", str(tmp_path / "run")]) == 0
    trained = tmp_path / "run/model"
    model: Any = AutoModelForCausalLM.from_pretrained(trained)
    assert (model.config.num_attention_heads, model.config.num_key_value_heads) == (4, 2)
    prompts = [tuple(torch.randint(5, 300, (n,), generator=torch.Generator().manual_seed(n)).tolist()) for n in (7, 19)]

    async def ours() -> list[Any]:
        backend: Any = make_backend(f"hf:{trained}", device="cpu", dtype="float32")
        asked = [Request(prompt_ids=prompt, sampling=Sampling(0.0, max_tokens=12), seed=0) for prompt in prompts]
        found = await asyncio.gather(*map(backend.complete, asked))
        await backend.aclose()
        return [list(done.ids) for done in found]

    for prompt, said in zip(prompts, asyncio.run(ours()), strict=True):
        made = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)[0, len(prompt) :].tolist()
        assert said == made[: len(said)] and len(said) > 0
