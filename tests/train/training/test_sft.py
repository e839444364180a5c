"""Training steps: no gradient from partner turns, LoRA leaves the base alone, checkpoints load as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from support.rows import training_row

from optima_train.config.loading import load
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.markers import execute
from optima_train.run.progress import silent
from optima_train.run.records import SavedModel, write_records
from optima_train.run.stage import StageContext, StageError, Step
from optima_train.training.sft import Sft, fit, training_rows

ROW = {"input_ids": [2, 30, 31, 32, 33, 34, 35, 1], "completion_mask": [0, 0, 1, 1, 0, 0, 1, 1]}


@pytest.fixture
def context(tmp_path: Path, small: list[str], random_model: Path):
    def make(rows: list[dict], *overrides: str) -> StageContext:
        config = load("quickstart", [*small, *overrides])
        (tmp_path / "it000/rows").mkdir(parents=True, exist_ok=True)
        write_records(tmp_path / "it000/rows/rows.jsonl", map(training_row, rows))
        base = ModelRef(str(random_model))
        return StageContext(config, tmp_path, Step(0, Sft()), base, base, Engines(config), silent)

    return make


def weights(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_the_loss_is_the_mean_over_own_tokens_and_ignores_what_partners_said(context, random_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    ctx = context([ROW] * 4, "train.learning_rate=1e-9")
    model = AutoModelForCausalLM.from_pretrained(random_model)
    with torch.no_grad():
        logits = model(torch.tensor([ROW["input_ids"]])).logits[0].log_softmax(-1)
    own = [k for k, bit in enumerate(ROW["completion_mask"]) if bit]
    expected = -sum(float(logits[k - 1, ROW["input_ids"][k]]) for k in own) / len(own)
    assert execute(ctx.step, ctx).numbers["first_loss"] == pytest.approx(expected, rel=1e-4)


def test_a_token_that_only_partners_say_gets_no_gradient_as_a_target(
    context, random_model: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ctx = context([ROW] * 4)
    model = AutoModelForCausalLM.from_pretrained(random_model)
    tokenizer = AutoTokenizer.from_pretrained(random_model)
    seen: list[torch.Tensor] = []
    last: Any = model.get_decoder().norm  # what the output layer reads: its gradient is zero where nothing is predicted
    last.register_forward_hook(lambda module, given, out: out.register_hook(seen.append) and None)
    fit(ctx, model, tokenizer, training_rows(tmp_path / "it000/rows/rows.jsonl"))
    predicting = [bool(bit) for bit in ROW["completion_mask"][1:]] + [False]
    for position, own in enumerate(predicting):
        assert bool(seen[0][0, position].any()) is own


def test_lora_merged_changes_only_its_targets_and_leaves_the_base_bit_identical(context, random_model: Path) -> None:
    before = (random_model / "model.safetensors").read_bytes()
    ctx = context([ROW] * 8, "train.lora={rank: 4, targets: [q_proj]}", "train.learning_rate=0.1")
    marker = execute(ctx.step, ctx)
    assert marker.model == SavedModel(model="model", adapter=None)
    assert (random_model / "model.safetensors").read_bytes() == before
    base, trained = weights(random_model), weights(ctx.out / "model")
    changed = {name for name in base if not base[name].equal(trained[name])}
    assert changed and all("q_proj" in name for name in changed)


def test_an_unmerged_adapter_plays_and_trains_on(context, random_model: Path, tmp_path: Path) -> None:
    ctx = context([ROW] * 8, "train.lora={rank: 4, merge: false}", "train.learning_rate=0.01", "train.epochs=6")
    marker = execute(ctx.step, ctx)
    assert marker.model == SavedModel(model=str(random_model), adapter="adapter")
    assert json.loads((ctx.out / "adapter/adapter_config.json").read_text())["r"] == 4
    adapted = ModelRef(str(random_model), str(ctx.out / "adapter"))
    engines = Engines(ctx.config)
    scores = [
        engines.wait(cast("Any", engines.backend(ref)).logprobs(ROW["input_ids"][:2], ROW["input_ids"][2:4]))
        for ref in (adapted, ModelRef(str(random_model)))
    ]
    assert sum(scores[0]) > sum(scores[1])
    engines.close()
    again = StageContext(ctx.config, tmp_path, Step(1, Sft()), adapted, ctx.initial, Engines(ctx.config), silent)
    (tmp_path / "it001/rows").mkdir(parents=True)
    write_records(tmp_path / "it001/rows/rows.jsonl", map(training_row, [ROW] * 8))
    assert execute(again.step, again).numbers["first_loss"] < marker.numbers["first_loss"]


def test_a_lora_target_that_matches_nothing_is_an_error(context) -> None:
    ctx = context([ROW] * 4, "train.lora={targets: [q_proj, qq_proj]}")
    with pytest.raises(StageError, match=r"no module named qq_proj; the model has .*q_proj"):
        execute(ctx.step, ctx)


def test_rows_without_a_token_to_learn_are_refused(context) -> None:
    ctx = context([{**ROW, "completion_mask": [0] * 8}])
    with pytest.raises(StageError, match="every row is masked entirely"):
        execute(ctx.step, ctx)


def test_rows_beyond_the_window_are_refused_not_cut(context) -> None:
    ctx = context([{"input_ids": [5] * 1100, "completion_mask": [1] * 1100}])
    with pytest.raises(
        StageError, match=r"the longest row has 1100 tokens, the model's window 1024; set train.max_length"
    ):
        execute(ctx.step, ctx)


def test_bf16_checkpoints_are_half_the_size_and_load(context, random_model: Path) -> None:
    from transformers import AutoModelForCausalLM

    ctx = context([ROW] * 4, "train.precision=bf16")
    execute(ctx.step, ctx)
    loaded = AutoModelForCausalLM.from_pretrained(ctx.out / "model", dtype="auto")
    assert str(loaded.dtype) == "torch.bfloat16"
