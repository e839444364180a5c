"""Comparisons of training methods: real runs that share what they do alike, and tables that hide nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks.suite.models import train
from benchmarks.suite.settings import ModelChoice
from benchmarks.training.__main__ import Comparison, main, planned
from benchmarks.training.table import Targets, judge, summarise, write_tables
from optima_agents.results.intervals import bootstrap
from optima_train.config.loading import ConfigError, check, load, read
from optima_train.loop.reuse import _shared_steps
from optima_train.methods import plan

CONFIGS = Path(__file__).parents[3] / "benchmarks" / "configs"
SMALL = """env.max_turns=2 generate.instances=2 generate.samples=2 generate.max_tokens=8 select.threshold=-5
    select.top_share=1 train.epochs=1 train.batch_size=4 train.micro_batch=4 evaluate.instances=3
    evaluate.max_tokens=8 evaluate.nll=false device=cpu isolation=inline""".split()


@pytest.mark.parametrize("name", ["methods", "arith", "ablations", "online", "online-trees"])
def test_packaged_comparisons_name_recipes_that_exist(name: str, tmp_path: Path):
    comparison = check(read(CONFIGS / f"{name}.yaml"), Comparison)
    runs = list(planned(comparison, tmp_path, (), None))
    assert len(runs) == len(comparison.runs) * 3
    assert {run.config.seed for run in runs} == {0, 1, 2}
    assert len({run.directory for run in runs}) == len(runs)


def test_an_ablation_differs_from_its_method_in_one_weight(tmp_path: Path):
    comparison = check(read(CONFIGS / "ablations.yaml"), Comparison)
    runs = {run.label: run.config for run in planned(comparison, tmp_path, (), "0")}
    for method in ("isft", "isft-dpo"):
        for term in ("tokens", "readability"):
            ablated, whole = runs[f"{method}-no-{term}"], runs[method]
            assert ablated.reward.weights == {**whole.reward.weights, term: 0}
            assert ablated.model_copy(update={"reward": whole.reward}) == whole


@pytest.mark.slow
def test_runs_share_what_they_do_alike_and_go_on(tmp_path: Path):
    runs = {
        "short": {"recipe": "twohop-isft", "overrides": [*SMALL, "iterations=1"]},
        "long": {"recipe": "twohop-isft", "overrides": [*SMALL, "iterations=2"]},
        "other": {"recipe": "twohop-isft", "overrides": [*SMALL, "iterations=1", "reward.weights.tokens=0"]},
    }
    file, out = tmp_path / "c.yaml", tmp_path / "out"
    file.write_text(json.dumps({"runs": runs, "targets": {"token_ratio": 9}}))
    assert main([str(file), "--out", str(out)]) == 0
    steps = "untrained/evaluate it000/generate it000/rank it000/select it000/rows it000/train it000/evaluate".split()

    def copied(label: str) -> list[str]:
        markers = sorted((out / label / "seed0").glob("*/*/DONE.json"))
        return [f"{m.parts[-3]}/{m.parts[-2]}" for m in markers if "copied_from" in json.loads(m.read_text())]

    assert copied("short") == []
    assert sorted(copied("long")) == sorted(steps)
    assert copied("other") == ["it000/generate", "untrained/evaluate"], "another reward: what was sampled is the same"
    weights = [(out / label / "seed0/it000/train/model/model.safetensors").read_bytes() for label in ("short", "long")]
    assert weights[0] == weights[1]
    table = json.loads((out / "table.json").read_text())
    assert [(row["label"], row["iteration"]) for row in table["rows"]] == [
        ("short", -1), ("short", 0), ("long", -1), ("long", 0), ("long", 1), ("other", -1), ("other", 0)
    ]  # fmt: skip
    before = {path: path.stat().st_mtime_ns for path in out.rglob("DONE.json")}
    assert main([str(file), "--out", str(out)]) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("DONE.json")} == before, "all was done already"


@pytest.mark.slow
def test_a_suite_takes_over_what_a_suite_beside_it_has_trained(tmp_path: Path):
    training = {"recipe": "twohop-isft", "overrides": (*SMALL, "iterations=1")}
    model = ModelChoice.model_validate({"label": "isft", "train": training})
    for suite in ("first", "second"):
        (tmp_path / suite).mkdir()
        train(model, tmp_path / suite, lambda step: None)
    done = {suite: sorted((tmp_path / suite).glob("trained/*/*/*/DONE.json")) for suite in ("first", "second")}
    assert len(done["first"]) == len(done["second"]) == 7
    assert not any("copied_from" in json.loads(marker.read_text()) for marker in done["first"])
    assert all("copied_from" in json.loads(marker.read_text()) for marker in done["second"])


@pytest.mark.parametrize("recipe", ["twohop-isft", "twohop-idpo", "twohop-isft-dpo"])
def test_runs_of_equal_settings_are_alike_to_the_end(recipe: str):
    config = load(recipe)
    steps = plan(config)
    assert list(_shared_steps(steps, config, load(recipe))) == steps
    assert 0 < len(list(_shared_steps(steps, config, load(recipe, ["train.epochs=7"])))) < len(steps)


def write_run(directory: Path, evaluations: list[list[tuple[float, int]]], planned: int) -> None:
    """A run directory as ``Experiment`` leaves it after so many of its planned evaluations; (score, tokens) each."""
    results = []
    for place, values in enumerate(evaluations):
        folder = directory / ("untrained" if place == 0 else f"it{place - 1:03d}") / "evaluate"
        folder.mkdir(parents=True)
        with (folder / "episodes.jsonl").open("w") as log:
            for index, (score, tokens) in enumerate(values):
                log.write(json.dumps(episode(index, score, tokens)) + "\n")
        label = "untrained" if place == 0 else "final" if place == planned - 1 else f"iteration {place - 1}"
        means = [sum(column) / len(values) for column in zip(*values, strict=True)]
        results.append(
            {"label": label, "iteration": place - 1, "score": means[0], "tokens": means[1], "turns": 2, "failures": 0}
        )
    finished = len(evaluations) == planned
    (directory / "results.json").write_text(json.dumps(results))
    (directory / "metrics.jsonl").write_text(
        '{"iteration": -1, "seconds": 5}\n{"iteration": 0, "seconds": 3, "sampled_tokens": 40}\n'
        '{"iteration": 0, "seconds": 4}\n{"iteration": 1, "seconds": 0, "sampled_tokens": 2}\n'
    )
    (directory / "state.json").write_text(json.dumps({"next_step": None if finished else "it001/grow"}))


def episode(index: int, score: float, tokens: int) -> dict:
    return {
        "schema": 1, "key": {"instance": f"i{index}", "sample": 0, "seed": 0}, "env": "optima/twohop-asym-v0",
        "instance": {"id": f"i{index}", "question": "?", "answers": ["x"], "private": {}, "meta": {}},
        "turns": [{"agent": "Alice", "text": "x", "tokens": tokens}], "outcome": {"stop": "answered", "answer": "x"},
        "score": score, "correct": score == 1, "reward": score, "terms": {}, "error": None, "seconds": 1.0, "info": {},
    }  # fmt: skip


def test_the_table_averages_seeds_and_names_what_is_missing(tmp_path: Path):
    first = [[(0.0, 100), (0.5, 100)], [(1.0, 10), (1.0, 20)]]
    second = [[(0.5, 100), (0.0, 100)], [(1.0, 10), (0.0, 20)]]
    write_run(tmp_path / "m/seed0", first, 2)
    write_run(tmp_path / "m/seed1", second, 2)
    write_run(tmp_path / "n/seed0", first, 2)
    write_run(tmp_path / "n/seed1", second[:1], 2)
    runs = [(label, seed, tmp_path / label / f"seed{seed}") for label in ("m", "n", "o") for seed in (0, 1)]
    rows, missing = summarise(runs, {("o", 1): "it broke"})
    assert missing == [
        {"label": "n", "seed": 1, "reason": "stopped before it001/grow"},
        {"label": "o", "seed": 0, "reason": "not started"},
        {"label": "o", "seed": 1, "reason": "it broke"},
    ]
    final = rows[1]
    assert (final["label"], final["iteration"], final["seeds"], final["n"]) == ("m", 0, [0, 1], 2)
    assert (final["score"], final["tokens"]) == (0.75, 15)
    assert final["score_ci"] == bootstrap([1.0, 0.5]), "an instance counts once, however many seeds answered it"
    assert (final["score_ratio"], final["token_ratio"], final["seconds"]) == (3.0, 0.15, 12)
    assert (rows[0]["sampled"], final["sampled"]) == (None, 40), "tokens of this iteration and of those before"
    assert final["score_by_seed"] == {"0": 1.0, "1": 0.5}
    alone = rows[3]
    assert (alone["seeds"], alone["score"], alone["score_ratio"]) == ([0], 1.0, 4.0), "against its own seed's start"
    lines = write_tables(tmp_path, rows, missing, Targets(score=0.8, token_ratio=0.2))
    assert "m: score 0.750, target 0.8: MISSED" in lines and "m: token_ratio 0.150, target 0.2: met" in lines
    assert "MISSING: o seed 1: it broke" in lines
    with (tmp_path / "table.csv").open() as handle:
        told = list(csv.DictReader(handle))
    assert [row["seeds"] for row in told] == ["0 1", "0 1", "0 1", "0"]
    assert json.loads((tmp_path / "table.json").read_text())["missing"] == missing


def test_a_target_without_a_figure_is_missed():
    assert judge({"score_ratio": None, "seconds": 10}, Targets(score_ratio=2, seconds=10)) == {
        "score_ratio": False,
        "seconds": True,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs: {}", "runs"),
        ("runs: {a/b: {recipe: twohop-isft}}", "runs"),
        ("runs: {a: {recipe: twohop-isft}}\nseeds: [x]", "seeds"),
        ("runs: {a: {recip: twohop-isft}}", "recip"),
        ("runs: {a: {recipe: twohop-isfd}}", "did you mean twohop-isft"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str):
    (tmp_path / "c.yaml").write_text(text)
    assert main([str(tmp_path / "c.yaml"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_unknown_label_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(CONFIGS / "methods.yaml"), "--only", "sft", "--out", str(tmp_path)]) == 2
    assert "no run sft; known: isft, idpo, isft-dpo" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        check({"runs": {"a": {"recipe": 5}}}, Comparison)
