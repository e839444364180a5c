"""Models of experts: the loss that keeps them all in use is in every training, once; adapters go where they are asked
to; what names no module is refused before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.preference_data import PAIRS
from support.random_llama import save_random
from support.rows import preference_row, training_row
from support.runs import settings

from optima_agents import make_backend
from optima_agents.backends.chat.model_files import TINY
from optima_train.config.loading import ConfigError, load
from optima_train.config.online_settings import GrpoConfig
from optima_train.loop.preflight import preflight
from optima_train.run.digests import digest
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.layout import RunDirectory
from optima_train.run.markers import execute
from optima_train.run.progress import silent
from optima_train.run.records import write_records
from optima_train.run.stage import StageContext, StageError, Step
from optima_train.training.checkpoints import load_tokenizer, load_trainable
from optima_train.training.dpo import Dpo
from optima_train.training.dpo_trainer import preference_trainer
from optima_train.training.sft import Sft, fit, training_rows

torch = pytest.importorskip("torch")
LONG = {"input_ids": [2, 30, 31, 32, 33, 34, 35, 1], "completion_mask": [0, 0, 1, 1, 0, 0, 1, 1]}
SHORT = {"input_ids": [2, 40, 41, 1], "completion_mask": [0, 0, 1, 1]}
ROWS = [LONG, SHORT, LONG, SHORT]
WEIGHT = 0.5
STILL, ATTENTION = "train.learning_rate=1e-12", "train.lora={rank: 4, merge: false, targets: [q_proj, v_proj]}"


def of_experts(folder: Path, weight: float = WEIGHT, kind: str = "mixtral") -> Path:
    """A random model of four experts, two of them for a token; ``weight`` is that of the routers' loss."""
    from transformers import AutoTokenizer

    return save_random(
        folder,
        AutoTokenizer.from_pretrained(TINY),
        kind,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        num_local_experts=4,
        num_experts_per_tok=2,
        router_aux_loss_coef=weight,
    )


@pytest.fixture(scope="module")
def mixtral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return of_experts(tmp_path_factory.mktemp("mixtral"))


def context(model: Path, out: Path, stage: Any, *overrides: str) -> StageContext:
    batch = ["dpo.batch_size=4", "dpo.micro_batch=4", "dpo.learning_rate=1e-12"]
    config, base = load("quickstart", [*settings(model), *batch, *overrides]), ModelRef(str(model))
    run = RunDirectory(out)
    for name, rows in (("rows", map(training_row, ROWS)), ("pairs", map(preference_row, PAIRS))):
        run.of_iteration(0, name).path.mkdir(parents=True, exist_ok=True)
        write_records(getattr(run.of_iteration(0, name), name), rows)
    return StageContext(config, out, Step(0, stage), base, base, Engines(config), silent)


def sft(model: Path, out: Path, *overrides: str) -> Any:
    ctx = context(model, out, Sft(), STILL, *overrides)
    rows = training_rows(ctx.input("rows").rows)
    return fit(ctx, load_trainable(ctx.policy, ctx.config.train, 0), load_tokenizer(ctx.policy), rows)


def dpo(model: Path, out: Path) -> Any:
    ctx = context(model, out, Dpo())
    trained = load_trainable(ctx.policy, ctx.config.train, 0)
    trainer = preference_trainer(ctx, trained, load_tokenizer(ctx.policy), PAIRS)
    trainer.train()
    return trainer


def grpo(model: Path, out: Path, loss: str = "grpo") -> Any:
    from support.policy_rows import rows, trainer_of

    config = {"learning_rate": 1e-12, "micro_batch": 2, "importance": "none", "loss": loss}
    given = [one.model_copy(update={"logprobs": [-1.0] * sum(one.lengths)}) for one in rows()]
    trainer = trainer_of(model, GrpoConfig.model_validate(config), given, out)
    trainer.train()
    assert trainer.filled > 1, "five rows and a blank one, which must not raise the routers' loss"
    return trainer


WAYS: dict[str, Callable[[Path, Path], Any]] = {
    "sft": sft,
    "sft, several passes a step": lambda model, out: sft(model, out, "train.micro_batch=2"),
    "sft, checkpointed": lambda model, out: sft(model, out, "train.gradient_checkpointing=true"),
    "sft, lora": lambda model, out: sft(model, out, ATTENTION),
    "sft, soft prompt": lambda model, out: sft(model, out, "train={prompt_tokens: 5, lora: null}"),
    "dpo": dpo,
    "grpo": grpo,
    "dapo": lambda model, out: grpo(model, out, "dapo"),
}


@pytest.mark.parametrize("kind", ["mixtral", "granitemoe"])
@pytest.mark.parametrize("way", WAYS)
def test_the_loss_holds_that_of_the_routers_by_its_weight(way: str, kind: str, tmp_path: Path) -> None:
    """Granite's config names the number of experts otherwise than TRL asks for it."""
    on, off = (
        WAYS[way](of_experts(tmp_path / f"{weight}", weight, kind), tmp_path / f"out{weight}").state.log_history[0]
        for weight in (WEIGHT, 0.0)
    )
    assert 1.9 < on["aux_loss"] < 2.5, "2 when two experts of each token are used evenly"
    assert on["loss"] - off["loss"] == pytest.approx(WEIGHT * on["aux_loss"], abs=1e-4)
    assert "aux_loss" not in off


def test_the_routers_loss_is_that_of_real_tokens(mixtral: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(mixtral)

    def by_hand(rows: list[list[int]]) -> float:
        with torch.no_grad():
            told = [model(torch.tensor([row]), output_router_logits=True).router_logits for row in rows]
        shares = torch.cat([logits for layers in told for logits in layers]).softmax(-1)
        chosen = torch.zeros_like(shares).scatter(1, shares.topk(2).indices, 1.0)
        return float(4 * (chosen.mean(0) * shares.mean(0)).sum())

    seen = sft(mixtral, tmp_path).state.log_history[0]["aux_loss"]
    texts = [row["input_ids"] for row in ROWS]
    assert seen == pytest.approx(by_hand(texts), abs=1e-5)
    assert seen != pytest.approx(by_hand([(text + [0] * 8)[:8] for text in texts]), abs=1e-4), "padding would be seen"


def test_a_pass_of_blank_rows_adds_nothing(mixtral: Path, tmp_path: Path) -> None:
    from optima_train.online.trainer.batches import BLANK

    trainer = grpo(mixtral, tmp_path)
    blank = trainer.tensors([BLANK, BLANK], trained=5)
    assert trainer.compute_loss(trainer.model, blank).item() == 0.0
    real = trainer.tensors(trainer.source()[:2], trained=5)
    assert trainer.compute_loss(trainer.model, real).item() != 0.0


@pytest.mark.parametrize("merge", ["false", "true"])
def test_lora_on_attention_trains_and_all_else_stays_bit_identical(merge: str, mixtral: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    before = digest(mixtral)
    lora = f"train.lora={{rank: 4, merge: {merge}, targets: [q_proj, v_proj]}}"
    ctx = context(mixtral, tmp_path, Sft(), lora, "train.learning_rate=0.05", "train.epochs=6")
    numbers = execute(ctx.step, ctx).numbers
    assert numbers["last_loss"] < numbers["first_loss"] and 1.9 < numbers["router_loss"] < 4
    assert digest(mixtral) == before
    if merge == "true":
        base, made = (load_file(folder / "model.safetensors") for folder in (mixtral, ctx.out / "model"))
        changed = {name for name in base if not base[name].equal(made[name])}
        assert changed and all("q_proj" in name or "v_proj" in name for name in changed)
    else:
        held = load_file(ctx.out / "adapter/adapter_model.safetensors")
        assert all("q_proj" in name or "v_proj" in name for name in held)
        assert all(bool(value.any()) for value in held.values())


REFUSED = {
    "gate_proj": (
        "{targets: [q_proj, gate_proj]}",
        r"no module named gate_proj; the model has k_proj, o_proj, q_proj, v_proj; "
        r"its experts are fused into experts.down_proj, experts.gate_up_proj, which no target names",
    ),
    "all-linear": ("{merge: false}", "all-linear reaches the fused experts .*name modules of the attention"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_reaches_no_module_is_refused_by_name_before_a_weight_is_read(
    case: str, mixtral: Path, tmp_path: Path
) -> None:
    lora, told = REFUSED[case]
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((mixtral / name).read_bytes())
    sharing = ["train.sharing=adapter"] if case != "gate_proj" else []
    with pytest.raises(ConfigError, match=told):
        preflight(load("quickstart", [*settings(tmp_path), f"train.lora={lora}", *sharing]))
    preflight(load("quickstart", [*settings(tmp_path), ATTENTION, *sharing]))


def test_a_name_that_peft_takes_for_the_experts_is_refused(tmp_path: Path) -> None:
    """The first layer of this model has a plain ``down_proj``; PEFT would leave it and train the experts'."""
    from transformers import AutoTokenizer

    folder = save_random(
        tmp_path,
        AutoTokenizer.from_pretrained(TINY),
        "qwen3_moe",
        num_attention_heads=4,
        num_key_value_heads=2,
        num_experts=4,
        moe_intermediate_size=32,
        mlp_only_layers=[0],
    )
    for targets, told in (("down_proj", "takes some of down_proj for the fused"), ("gate_proj", "without also")):
        config = load("quickstart", [*settings(folder), f"train.lora={{targets: [{targets}]}}"])
        with pytest.raises(StageError, match=rf"train\.lora\.targets: .*{told}"):
            load_trainable(ModelRef(str(folder)), config.train, 0)


def test_adapters_of_experts_play_alone_and_are_refused_beside_each_other(mixtral: Path, tmp_path: Path) -> None:
    ctx = context(mixtral, tmp_path, Sft(), "train.lora={rank: 2, merge: false}", "train.learning_rate=0.01")
    execute(ctx.step, ctx)
    adapter, engines = ctx.out / "adapter", Engines(ctx.config)
    scores = [
        engines.wait(engines.backend(ref).logprobs((2, 30, 31), (32, 33)))  # type: ignore[attr-defined]
        for ref in (ModelRef(str(mixtral), str(adapter)), ModelRef(str(mixtral)))
    ]
    engines.close()
    assert sum(scores[0]) != pytest.approx(sum(scores[1]), abs=1e-4)
    with pytest.raises(ValueError, match="adapts a model's fused experts, and those of one batch cannot differ"):
        make_backend(f"hf:{mixtral}", adapters={"Alice": str(adapter)}, device="cpu")
