"""Dry runs: sizes read from headers and names, and estimates that follow the recipe by hand-computed rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from optima_train.cli.dry_run import quantity, show_plan
from optima_train.config.loading import load
from optima_train.methods import plan
from optima_train.planning.estimate import READING, SAMPLING, TRAINING, Assumed, Work, assume, works
from optima_train.planning.model_size import parameters


def test_a_model_is_measured_by_its_headers_or_its_name(tmp_path: Path):
    for shard in ("model-1.safetensors", "model-2.safetensors"):
        tensors = {"a": torch.zeros(3, 5, dtype=torch.bfloat16), "b": torch.zeros(())}
        save_file(tensors, tmp_path / shard, metadata={"format": "pt"})
    index = {"weight_map": {"a": "model-1.safetensors", "b": "../x/model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert parameters(str(tmp_path)) == (32, "from the weights' headers")
    found = parameters("tiny")
    assert found is not None and 500_000 < found[0] < 5_000_000
    assert parameters("nobody/Llama-3.1-8B-Instruct") == (8_000_000_000, "read off the name Llama-3.1-8B-Instruct")
    assert parameters("nobody/smol-135m") == (135_000_000, "read off the name smol-135m")
    assert parameters("nobody/mix-8x7b") == (56_000_000_000, "read off the name mix-8x7b")
    assert parameters("nobody/unnamed") is None


def test_a_damaged_header_is_no_size(tmp_path: Path):
    folder = tmp_path / "weights"
    folder.mkdir()
    weights, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    for damage in (b"", b"\xff" * 8, (9).to_bytes(8, "little") + b"not json!", (2).to_bytes(8, "little") + b"[]"):
        weights.write_bytes(damage)
        assert parameters(str(folder)) is None
    for damage in ("[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 3}}', '{"weight_map": {"a": "gone"}}', "{"):
        index.write_text(damage)
        assert parameters(str(folder)) is None


def test_sampling_training_and_trees_by_hand():
    config = load("2wmh-isft", ["iterations=1", "evaluate.nll=false", "reward.condition=none"])
    assumed = Assumed(tokens=100, turns=4, prompt=500, train=1_000)
    steps = plan(config)
    found = {step.path: work for step, work in zip(steps, works(config, steps, assumed), strict=True)}
    generate, train = found["it000/generate"], found["it000/train"]
    assert generate is not None and train is not None
    # 1,000 instances there are, 10 dialogues each; both agents read their task once an instance, and every turn
    assert (generate.dialogues, generate.sampled) == (10_000, 1_000_000)
    assert generate.read == 2 * (1_000 * 500 + 1_000_000)
    assert generate.compute() == 2 * 1_000_000 / SAMPLING + 2 * 3_000_000 / READING
    assert found["it000/rank"] == Work(read=1_000_000, disk=300 * 10_000)
    # 70% of the instances, a row per agent, two epochs
    assert (train.rows, train.trained, train.models) == (1_400, 1_400 * 600 * 2, 1)
    assert train.compute() == 6 * train.trained / TRAINING
    lora = works(load("2wmh-isft", ["iterations=1", "train.lora={}"]), steps, assumed)[5]
    assert lora is not None and lora.passes == 4


def test_pairs_are_bounded_by_the_siblings_of_every_expansion():
    assumed = Assumed(tokens=100, turns=4, prompt=500, train=10)
    for kind, each in (("all", 3), ("siblings-extreme", 1)):
        config = load("2wmh-idpo", ["iterations=2", f"pairs.kind={kind}", "reward.weights.readability=0"])
        steps = plan(config)
        found = {step.path: work for step, work in zip(steps, works(config, steps, assumed), strict=True)}
        grow, train = found["it001/grow"], found["it001/train"]
        assert grow is not None and train is not None
        assert (grow.dialogues, grow.sampled) == (10 * 24, 10 * 24 * 70)
        assert train.rows == 10 * 8 * each // 2
        assert train.trained == train.rows * 2 * (500 + 50 + 25)


def test_an_instance_of_a_generated_world_is_measured_and_the_hub_is_not_asked():
    world, hub = assume(load("quickstart")), assume(load("2wmh-isft"))
    assert world.measured and 50 < world.prompt < 500 and world.train == 1_000_000
    assert not hub.measured and (hub.train, hub.test) == (167_454, 12_576)
    assert assume(load("quickstart"), tokens=90, prompt=77).prompt == 77
    # two turns of eight tokens hold no more
    assert assume(load("quickstart", ["env.max_turns=2", "generate.max_tokens=8"])).tokens == 16


def test_the_plan_says_what_it_assumes(capsys: pytest.CaptureFixture[str]):
    assert show_plan(load("arc-isft-dpo", ["device=cpu"]), None, None, None) == 0
    text = capsys.readouterr().out
    assert "it001/grow" in text and "it005/pairs" in text
    assert "8,000,000,000 parameters, read off the name" in text
    assert "no GPU here: hours are those of an A100" in text
    assert show_plan(load("arc-isft-dpo", ["model=unnamed"]), 1e15, 300, None) == 0
    text = capsys.readouterr().out
    assert "size not known" in text and "1e+15 FLOP/s" in text and "300 tokens sampled" in text
    total = next(line for line in text.splitlines() if line.startswith("total"))
    assert total.split()[-4:] == ["?", "?", "-", "?"]
    assert show_plan(load("2wmh-idpo", ["device=cpu", "iterations=2"], ["8b-8gpu"]), None, None, None) == 0
    lines = capsys.readouterr().out.splitlines()
    row = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("it00", "total", "step"))}
    assert row["step"][-4:] == ["GPU-h", "hours", "GiB", "disk"]
    for step in ("it000/generate", "it001/train"):  # eight devices sample, and eight train
        assert float(row[step][-4]) / float(row[step][-3]) == pytest.approx(8, rel=0.01)
    assert row["it000/generate"][-2] == "-" and 20 < float(row["it001/train"][-2]) < 75
    assert row["total"][-2] == max(row[step][-2] for step in ("it000/train", "it001/train"))
    assert any(line.startswith("  memory of dpo on each device, rows of up to 8,192 tokens: weights") for line in lines)
    assert show_plan(load("2wmh-isft", ["device=cpu"]), None, None, None, 4) == 0
    text = capsys.readouterr().out
    assert "hours by the clock: 4 devices" in text
    assert [quantity(n) for n in (0, 999, 25_000_000, 8.03e9)] == ["0", "999", "25M", "8.03G"]


def test_online_learning_by_hand():
    overrides = ["iterations=1", "evaluate.nll=false", "generate.instances=100", "generate.samples=4",
                 "generate.formats=null", "generate.temperature=[1.0]", "grpo.epochs=2",
                 "reward.weights.readability=0"]  # fmt: skip
    assumed = Assumed(tokens=100, turns=4, prompt=500, train=1_000)

    def of(*more: str) -> dict[str, Work | None]:
        config = load("2wmh-isft", [*overrides, *more])
        steps = plan(config)
        found = works(config, steps, assumed)
        return {step.path: work for step, work in zip(steps, found, strict=True)}

    staged = of("method=grpo")
    train = staged["it000/train"]
    # a row per agent of 400 dialogues, each the task and the dialogue long; the old scores are read once
    assert train is not None
    assert (train.rows, train.trained, train.read) == (800, 800 * 600 * 2, 800 * 600)
    assert train.models == 5, "the weights, and Adam's two moments in fp32 for weights in bf16"
    assert staged["it000/advantages"] is not None
    kept = of("method=grpo", "grpo.carry_optimizer=false", "grpo.old=stored", "grpo.importance=none")["it000/train"]
    assert kept is not None and (kept.models, kept.read) == (1, 0)
    anchored = of("method=grpo", "grpo.beta=0.1")["it000/train"]
    assert anchored is not None and anchored.read == 2 * train.read
    live = of("method=grpo-live", "grpo.rounds=3")["it000/train"]
    generate = staged["it000/generate"]
    assert live is not None and generate is not None
    assert (live.dialogues, live.sampled, live.trained) == (3 * 400, 3 * generate.sampled, 3 * train.trained)
    trees = of("method=grpo", "grpo.estimator=tree", "tree.temperature=1.0", "tree.instances=10", "tree.rounds=2",
               "tree.rollouts=3")["it000/train"]  # fmt: skip
    assert trees is not None and trees.rows == 10 * 2 * 3 * 2


def test_whole_dialogues_against_each_other_by_hand():
    config = load("eto-tiny", ["iterations=2", "generate.instances=100", "generate.samples=4", "contrast.per=all"])
    steps = plan(config)
    works_of = works(config, steps, Assumed(tokens=100, turns=4, prompt=500, train=1_000))
    found = {step.path: work for step, work in zip(steps, works_of, strict=True)}
    pairs, train = found["it001/pairs"], found["it001/train"]
    # three worse dialogues for each best one, a pair for each of two agents, both sides whole
    assert pairs is not None and pairs.rows == 100 * 3 * 2
    assert train is not None and (train.rows, train.trained) == (600, 600 * 2 * 600)
    assert found["it000/mix"] is None


def test_a_task_that_turns_and_siblings_share_is_read_once():
    config = load("2wmh-isft", ["iterations=1", "generate.instances=10", "generate.samples=4", "evaluate.instances=5"])
    steps = plan(config)
    works_of = works(config, steps, Assumed(tokens=100, turns=4, prompt=500, train=1_000))
    found = {step.path: work for step, work in zip(steps, works_of, strict=True)}
    rank = found["it000/rank"]
    assert rank is not None and rank.read == 10 * 2 * 500 + 40 * 100


def test_a_named_model_has_the_size_its_makers_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("OPTIMA_CACHE", str(tmp_path))
    assert parameters("smollm2") == (134_515_008, "as its makers say")


def test_weights_of_their_own_are_counted_for_every_seat() -> None:
    def models(*overrides: str) -> list[int]:
        config = load("quickstart", ["iterations=1", *overrides])
        steps = plan(config)
        found = works(config, steps, Assumed(agents=3))
        return [work.models for step, work in zip(steps, found, strict=True) if work and step.stage.name == "train"]

    lora = "train.lora={rank: 16, merge: false}"
    assert models() == models(lora) == [1]
    assert models(lora, "train.sharing=adapter") == models("train.sharing=full") == [3]
    assert models("train.sharing=full", "train.groups={talkers: [Alice, Bob]}") == [2]


def test_an_adapter_takes_the_disk_that_is_told(tmp_path: Path) -> None:
    import peft

    from optima_agents.backends.chat.model_files import resolve
    from optima_agents.backends.hf.loading import load_causal
    from optima_train.planning.model_size import shape

    size = shape("tiny")
    assert size is not None
    config = peft.LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
    peft.get_peft_model(load_causal(resolve("tiny"), "float32"), config).save_pretrained(str(tmp_path))
    saved = (tmp_path / "adapter_model.safetensors").stat().st_size
    assert size.adapter(16) * 4 == pytest.approx(saved, rel=0.03)
