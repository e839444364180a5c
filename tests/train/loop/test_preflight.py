"""Preflight: settings that cannot give what is asked for are refused before anything is sampled."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from optima_train.config.loading import ConfigError, load
from optima_train.loop.experiment import Experiment
from optima_train.loop.preflight import preflight


@pytest.mark.parametrize(
    ("recipe", "overrides", "message"),
    [
        ("quickstart", ["backend=openai", "model=http://localhost:1/v1", "dtype=null"], "keeps the weights it was"),
        ("twohop-idpo", ["tree.rollouts=1"], "tree.rollouts: one dialogue from a node has no sibling"),
        ("quickstart", ["reward.normaliser=percentile"], "reward.normaliser: percentile is for trees"),
        ("quickstart", ["select.threshold=1.6"], "select.threshold: 1.6 is above the highest reward there is, 1.5"),
        ("twohop-idpo", ["pairs.threshold=1.5"], "pairs.threshold: 1.5 is not below the highest reward, 1.5"),
        ("twohop-idpo", ["env.args.order=simultaneous"], "speak at once"),
        ("quickstart", ["train.processes=3"], "train: "),
        ("twohop-idpo", ["train.processes=2", "train.micro_batch=8"], "dpo: "),
        ("quickstart", ["train.accelerate=nowhere"], "no file 'nowhere'"),
        ("quickstart", ["rollout.workers=local"], "rollout.workers: workers are ray:local"),
        ("quickstart", ["backend=vllm"], "dtype: vLLM does not compute in float64"),
    ],
)
def test_what_cannot_work_is_refused(recipe: str, overrides: list[str], message: str):
    with pytest.raises(ConfigError) as caught:
        preflight(load(recipe, overrides))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_percentile_is_fine_with_trees_and_an_unknown_terms_bound_is_not_guessed():
    preflight(load("twohop-idpo", ["reward.normaliser=percentile"]))
    preflight(load("quickstart", ["reward.weights={format: 0.1}", "select.threshold=1.6"]))


@pytest.mark.parametrize("recipe", ["twohop-idpo", "twohop-isft-dpo"])
def test_a_single_iteration_without_trees_is_warned_about(recipe: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        preflight(load(recipe, ["iterations=1"]))
    assert "trees from its second iteration on" in caplog.text
    caplog.clear()
    preflight(load(recipe))
    assert not caplog.text


@pytest.mark.parametrize("world", ["twohop", "arith"])
@pytest.mark.parametrize("method", ["isft", "idpo", "isft-dpo"])
def test_the_embedded_worlds_recipes_pass(world: str, method: str):
    preflight(load(f"{world}-{method}"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("env.id=twohop-asim", "did you mean"),
        ("env.args.distractor=3", "has no argument distractor; did you mean distractors"),
        ("env.test.split=exam", "twohop has no split 'exam'"),
        ("method=isftt", "method: unknown method 'isftt'; did you mean isft"),
        ("backend=hff", "backend: unknown backend 'hff'"),
        ("generate.formats=[arows]", "unknown format arows"),
        ("reward.weights={taks: 1.0}", "unknown reward term 'taks'; did you mean task"),
        ("env={id: 2wmh-asym, train: {split: train, data: nowhere.parquet}}", "nowhere.parquet"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(
    tmp_path: Path, small: list[str], override: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Experiment(load("quickstart", [*small, "isolation=inline", override]), tmp_path / "run").run()
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()
