"""Memory of training: by hand, against real steps, and for every packaged recipe of an 8B model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.speed.random_model import build
from benchmarks.speed.train_memory import CASES, measured
from optima_train.config.loading import RECIPES, ConfigError, load
from optima_train.config.settings import TrainConfig
from optima_train.loop.preflight import preflight
from optima_train.methods import plan
from optima_train.planning.devices import Devices, devices, main_memory
from optima_train.planning.estimate import Assumed
from optima_train.planning.fitting import check_memory, longest_row
from optima_train.planning.memory import step_memory
from optima_train.planning.model_size import Shape, shape

SMALL = Shape(1_000_000, 100, 2, 300, 4, 100, 50, 1000, True, 2048, "by hand")
GB = 1_000_000_000
LARGE = [path.stem for path in sorted(RECIPES.glob("*.yaml")) if "8B" in load(path.stem).model and path.stem != "base"]


def stages(config: TrainConfig) -> list[Any]:
    return [step.stage for step in plan(config)]


def check(config: TrainConfig, there: Devices) -> None:
    found = shape(config.model)
    assert found is not None
    check_memory(config, stages(config), found, Assumed(), there)


def test_weights_gradients_and_moments_by_hand():
    full = step_memory(SMALL, load("quickstart"), "train", 10, gpu=True)
    assert (full.weights, full.gradients, full.optimiser, full.reference) == (4e6, 4e6, 8e6, 0)
    # 2 layers: four matrices of attention, three of the inner layer; autocast keeps all of them in bf16
    assert SMALL.linear == 2 * 100 * (2 * 100 + 2 * 50 + 3 * 300)
    bf16 = step_memory(SMALL, load("quickstart", ["train.precision=bf16"]), "train", 10, gpu=True)
    assert bf16.weights == 4e6 + 2 * SMALL.linear
    # rank 16: (in + out) of q and o, of k and v, of gate, up and down
    adapter = 2 * 16 * (2 * 200 + 2 * 150 + 3 * 400)
    lora = step_memory(SMALL, load("quickstart", ["train={lora: {}, precision: bf16}"]), "train", 10, gpu=True)
    assert (lora.weights, lora.gradients, lora.optimiser) == (2e6 + 4 * adapter, 4 * adapter, 8 * adapter)
    pairs = step_memory(SMALL, load("quickstart", ["dpo={micro_batch: 16, batch_size: 16}"]), "dpo", 10, gpu=True)
    assert pairs.activations == 2 * full.activations, "a pair is two rows, and its reference no second model"
    held = ["grpo={beta: 0.1, micro_batch: 16}"]
    assert step_memory(SMALL, load("quickstart", held), "grpo", 10, gpu=True).reference == 4e6


def test_shards_divide_and_copies_do_not():
    many = ["train={processes: 4, batch_size: 64, micro_batch: 16}"]
    copies = step_memory(SMALL, load("quickstart", many), "train", 10, gpu=True)
    assert (copies.weights, copies.gradients, copies.host) == (4e6, 2 * 4e6, 4 * 4e6)
    once = step_memory(SMALL, load("quickstart", [*many, "train.accelerate=fsdp"]), "train", 10, gpu=True)
    layer, outer = SMALL.linear / 2, 100 * 1000
    assert once.weights == 1e6 + 4 * (2 * layer + outer)
    assert (once.optimiser, once.gradients) == (2e6, 1e6 + 4 * (layer + outer))
    twice = load("quickstart", [*many, "train.accelerate=fsdp", "train.batch_size=128"])
    assert step_memory(SMALL, twice, "train", 10, gpu=True).gradients == 1e6 + 4e6, "whole until the last pass"


def test_activations_grow_with_rows_and_shrink_when_computed_again():
    def of(*overrides: str, tokens: int = 100) -> float:
        return step_memory(SMALL, load("quickstart", list(overrides)), "train", tokens, gpu=False).activations

    assert of(tokens=200) == 2 * of(tokens=100) and of("train.micro_batch=8") == of() / 2
    assert of("train.gradient_checkpointing=true") < of() * 0.8
    assert of("train.precision=bf16") < of() < of("train.lora={}")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["SFT", "SFT, gradient checkpointing", "SFT, LoRA", "DPO"])
def test_real_steps_take_what_was_predicted_within_a_fifth(case: str, tmp_path: Path):
    build("small", tmp_path, device="cpu", dtype="float32")
    section, overrides = CASES[case]
    found = measured(str(tmp_path), section, overrides, tokens=600, rows=8 if section == "train" else 4)
    assert found["predicted"] == pytest.approx(found["peak"], rel=0.2)


def test_there_are_8b_recipes_to_check():
    assert len(LARGE) >= 26 and {"2wmh-isft", "mmlu-isft-dpo", "gsm8k-grpo"} <= {*LARGE}


@pytest.mark.parametrize("recipe", LARGE)
def test_every_8b_recipe_fits_with_its_part_and_is_refused_without(recipe: str):
    for name, count in (("8b-1gpu", 1), ("8b-8gpu", 8)):
        there = Devices(count, 80 * GB, True, 1000 * GB)
        check(load(recipe, parts=[name]), there)
        with pytest.raises(ConfigError, match=rf"GiB of the GPU; there are 75 .*what would fit: the part {name} "):
            check(load(recipe), there)


def test_a_part_changes_what_fits_and_none_of_the_papers_constants():
    plain, laid = load("2wmh-idpo").model_dump(), load("2wmh-idpo", parts=["8b-8gpu"]).model_dump()
    changed = {key for key in plain if plain[key] != laid[key]}
    assert changed == {"backend", "engine", "train"}
    kept = ("learning_rate", "epochs", "batch_size", "scheduler", "warmup", "precision", "start")
    assert all(plain["train"][key] == laid["train"][key] for key in kept)
    with pytest.raises(ConfigError, match="no part '8b-2gpu'; did you mean 8b-"):
        load("2wmh-idpo", parts=["8b-2gpu"])


def test_preflight_refuses_what_this_machine_cannot_train_before_it_opens_any_data():
    with pytest.raises(
        ConfigError, match=r"train: training on rows of up to .*main memory.*a GPU of 80 GB with --part"
    ):
        preflight(load("2wmh-isft", ["device=cpu", "train={micro_batch: 32}", "env.train.data=nowhere.jsonl"]))


def test_the_way_out_of_small_memory_is_told_and_is_one():
    there = Devices(1, 4 << 30, False, 4 << 30)
    big = load("quickstart", ["model=nobody/llama-50m", "train={micro_batch: 16, max_length: 2048}"])
    with pytest.raises(ConfigError) as caught:
        check(big, there)
    message = str(caught.value)
    assert "GiB of main memory; there are 4.0" in message and "what would fit: train.micro_batch=1; or" in message
    check(load("quickstart", ["model=nobody/llama-50m", "train={micro_batch: 1, max_length: 2048}"]), there)
    with pytest.raises(ConfigError, match="8 training processes need a GPU each, and there are 2"):
        check(load("2wmh-isft", parts=["8b-8gpu"]), Devices(2, 80 * GB, True, 1000 * GB))
    with pytest.raises(ConfigError, match="8 processes read the weights into 238 GiB of main memory"):
        check(load("2wmh-isft", parts=["8b-8gpu"]), Devices(8, 80 * GB, True, 200 * GB))


def test_the_longest_row_is_bounded_by_dialogues_windows_and_settings():
    def of(*overrides: str, window: int | None = None) -> int:
        config = load("quickstart", list(overrides))
        return longest_row(config, stages(config), Assumed(prompt=100), window)

    assert of() == 125 + 10 * (64 + 8)
    assert of("env.max_turns=4") == 125 + 4 * 72
    assert of("train.max_length=300") == of(window=300) == of("engine.max_model_len=300") == 300
    assert of("env.token_budget=200") == 125 + 264
    assert of("method=idpo") == 125 + 10 * (2000 + 8), "trees have a limit of their own"
    assert of("method=imitate", "data={d: {read: chat, files: [x]}}") == 4096, "others' rows may be of any length"


def test_a_shape_is_read_from_a_config_or_guessed_from_the_size(tmp_path: Path):
    found = shape("tiny")
    assert found is not None
    assert (found.width, found.layers, found.inner, found.keys, found.window, found.tied) == (
        128,
        4,
        256,
        128,
        4096,
        True,
    )
    guess = shape("nobody/Llama-3-8B-Instruct")
    assert guess is not None
    assert (guess.width, guess.layers, guess.inner, guess.keys) == (4096, 32, 14336, 1024)
    assert 0.95 < (guess.linear + 2 * guess.head) / guess.parameters < 1.05
    odd = tmp_path / "model-70m"
    odd.mkdir()
    for text in ("", "[]", '{"hidden_size": 0}', '{"hidden_size": "x"}', json.dumps({"text_config": 3})):
        (odd / "config.json").write_text(text)
        known = shape(str(odd))
        assert known is not None and known.parameters == 70_000_000 and "proportions" in known.known
    assert shape("nobody/unnamed") is None


def test_this_machine_has_memory():
    there = devices("cpu")
    assert there == Devices(1, main_memory(), False, main_memory())
    assert there.memory > 1 << 30
