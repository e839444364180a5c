"""The preference stage: what it does to the weights, what it reports, and what it does without usable pairs."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from support.preference_data import PAIRS, both

from optima_train.run.engines import ModelRef
from optima_train.run.markers import execute
from optima_train.run.records import Marker, SavedModel, write_marker
from optima_train.run.stage import StageError
from optima_train.training.checkpoints import load_model
from optima_train.training.dpo import drift

LORA = "train.lora={rank: 4, merge: false}"


def weights(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_the_numbers_are_those_of_the_two_models(dpo_context, random_model: Path) -> None:
    ctx = dpo_context(PAIRS, "dpo.epochs=3", "dpo.beta=0.3")
    marker = execute(ctx.step, ctx)
    numbers = marker.numbers
    assert marker.model == SavedModel(model="model", adapter=None)
    assert (numbers["pairs"], numbers["dropped_pairs"], numbers["steps"]) == (4, {}, 3)
    before, after = (both(load_model(ModelRef(str(path)), "fp32", None)) for path in (random_model, ctx.out / "model"))
    for k, side in enumerate(("chosen", "rejected")):
        assert numbers[f"{side}_logp_before"] == pytest.approx(sum(before[k]) / 4, abs=1e-4)
        assert numbers[f"{side}_logp_after"] == pytest.approx(sum(after[k]) / 4, abs=1e-4)
    assert numbers["chosen_drift"] == pytest.approx((sum(after[0]) - sum(before[0])) / 4, abs=1e-3)
    assert numbers["margin"] == pytest.approx(0.3 * (numbers["chosen_drift"] - numbers["rejected_drift"]), abs=1e-5)
    assert numbers["margin"] > 0 and numbers["accuracy"] > 0.5 and "alarm" not in numbers
    assert numbers["last_loss"] < numbers["first_loss"]
    assert not list(ctx.out.glob("trainer*"))


def test_the_same_seed_gives_the_same_weights(dpo_context) -> None:
    ctx = dpo_context(PAIRS, "dpo.batch_size=2", "dpo.micro_batch=1")
    first = (execute(ctx.step, ctx), weights(ctx.out / "model"))[1]
    second = (execute(ctx.step, ctx), weights(ctx.out / "model"))[1]
    assert all(first[name].equal(second[name]) for name in first)


def test_a_fall_of_the_chosen_turns_raises_the_alarm(dpo_context) -> None:
    import torch

    ctx = dpo_context(PAIRS, "dpo.drift_alarm=4")
    before = torch.tensor([[-10.0, -20.0], [-30.0, -40.0]])
    numbers = drift(ctx, before, before + torch.tensor([[-6.0, -4.0], [-9.0, -3.0]]))
    assert numbers["chosen_drift"] == -5 and numbers["rejected_drift"] == -6
    assert numbers["accuracy"] == 0.5 and numbers["margin"] == pytest.approx(0.1)
    assert numbers["alarm"].startswith("chosen turns lost 5.0 nats on average, more than dpo.drift_alarm=4")
    assert "alarm" not in drift(ctx, before, before - 4)


def test_the_alarm_is_in_the_log(dpo_context, caplog: pytest.LogCaptureFixture) -> None:
    # the turns begin alike, so that pushing the longer one down takes the chosen one along
    falling = [{"prompt_ids": [2, 30 + k], "chosen_ids": [60], "rejected_ids": [60] * 6} for k in range(4)]
    ctx = dpo_context(falling, "dpo.sft_weight=0", "dpo.epochs=5", "dpo.learning_rate=0.05", "dpo.drift_alarm=0.1")
    with caplog.at_level(logging.WARNING):
        numbers = execute(ctx.step, ctx).numbers
    assert numbers["alarm"] in caplog.text


def test_a_loss_that_is_no_number_ends_the_stage(dpo_context) -> None:
    ctx = dpo_context(PAIRS * 8, "dpo.learning_rate=1e30")
    with pytest.raises(StageError, match=r"is (nan|inf) at step \d+; lower dpo.learning_rate"):
        execute(ctx.step, ctx)


def test_lora_merged_changes_only_its_targets_and_leaves_the_base_bit_identical(
    dpo_context, random_model: Path
) -> None:
    before = (random_model / "model.safetensors").read_bytes()
    ctx = dpo_context(PAIRS, "train.lora={rank: 4, targets: [q_proj]}", "dpo.learning_rate=0.1")
    execute(ctx.step, ctx)
    assert (random_model / "model.safetensors").read_bytes() == before
    base, trained = weights(random_model), weights(ctx.out / "model")
    changed = {name for name in base if not base[name].equal(trained[name])}
    assert changed and all("q_proj" in name for name in changed)


def test_an_adapter_goes_on_over_iterations(dpo_context, random_model: Path) -> None:
    from peft import PeftModel

    policy, seen, numbers = None, [], []
    for iteration in range(2):
        ctx = dpo_context(PAIRS, LORA, "dpo.learning_rate=0.005", "dpo.epochs=4", policy=policy, iteration=iteration)
        marker = execute(ctx.step, ctx)
        assert marker.model == SavedModel(model=str(random_model), adapter="adapter")
        policy = ModelRef(str(random_model), str(ctx.out / "adapter"))
        plain = load_model(ModelRef(str(random_model)), "fp32", None)
        seen.append(both(PeftModel.from_pretrained(plain, str(ctx.out / "adapter"))))
        numbers.append(marker.numbers)
        assert marker.numbers["chosen_logp_after"] == pytest.approx(sum(seen[-1][0]) / 4, abs=1e-4)
        assert not (ctx.out / "adapter/ref").exists()
    assert numbers[1]["chosen_logp_before"] == pytest.approx(sum(seen[0][0]) / 4, abs=1e-4)
    assert sum(seen[1][0]) > sum(seen[0][0])


def test_a_lora_target_that_matches_nothing_is_an_error(dpo_context) -> None:
    ctx = dpo_context(PAIRS, "train.lora={targets: [q_proj, qq_proj]}")
    with pytest.raises(StageError, match=r"no module named qq_proj; the model has .*q_proj"):
        execute(ctx.step, ctx)


def test_without_pairs_the_current_model_stays(dpo_context, caplog: pytest.LogCaptureFixture) -> None:
    ctx = dpo_context([])
    reason = {"reason": "no two siblings differ enough"}
    earlier = Marker(stage="pairs", iteration=0, time=0.0, seconds=0.0, numbers=reason, model=None, files={})
    write_marker(ctx.input("pairs").marker, earlier)
    with caplog.at_level(logging.WARNING):
        marker = execute(ctx.step, ctx)
    assert marker.model is None
    assert marker.numbers == {"pairs": 0, "skipped": "no pairs: no two siblings differ enough"}
    assert "the current model stays" in caplog.text


def test_what_cannot_be_trained_on_is_counted_and_never_cut(dpo_context) -> None:
    long = {**PAIRS[0], "prompt_ids": [5] * 1022}
    bad = [long, {**PAIRS[0], "chosen_ids": None}, {**PAIRS[1], "rejected_ids": [60]}]
    ctx = dpo_context([*PAIRS, *bad, {**long, "prompt_ids": [5] * 60}], "train.max_length=64")
    numbers = execute(ctx.step, ctx).numbers
    assert numbers["pairs"] == 4
    assert numbers["dropped_pairs"] == {
        "longer than train.max_length": 2,
        "no sampled token ids": 1,
        "chosen and rejected are the same tokens": 1,
    }
    ctx = dpo_context([long])
    with pytest.raises(StageError, match=r"no pair to train on \(1 pairs: longer than the model's window\)"):
        execute(ctx.step, ctx)


def test_the_checkpoint_loads_and_answers(dpo_context) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ctx = dpo_context(PAIRS, "train.precision=bf16")
    execute(ctx.step, ctx)
    model = AutoModelForCausalLM.from_pretrained(ctx.out / "model", dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(ctx.out / "model")
    assert str(model.dtype) == "torch.bfloat16" and tokenizer.chat_template
    assert json.loads((ctx.out / "model/config.json").read_text())["dtype"] == "bfloat16"
