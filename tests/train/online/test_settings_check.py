"""What online learning cannot work with is refused before a token is sampled, by key and with the way out."""

from __future__ import annotations

import pytest

from optima_train.config.loading import ConfigError, load
from optima_train.methods import plan

LIVE = "method=grpo-live"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["generate.temperature=[0.7]"], "generate.temperature: .0.7. instead of 1.*set generate.temperature=.1.0."),
        (["generate.temperature=[1.0, 0.9]"], "generate.temperature: .1.0, 0.9."),
        (["generate.top_p=0.95"], "generate.top_p: 0.95 instead of 1.*set generate.top_p=1.0"),
        (["grpo.estimator=tree", "tree.temperature=0.7"], "tree.temperature: 0.7 instead of 1.*tree.temperature=1.0"),
        (["grpo.estimator=tree", "tree.top_p=0.5"], "tree.top_p: 0.5 instead of 1"),
        (["grpo.estimator=agnet"], "grpo.estimator: unknown advantage estimator 'agnet'; did you mean agent"),
        (["grpo.agent_weights={token-own: 1.0}"], "grpo.agent_weights: .*did you mean tokens-own"),
        (["generate.samples=1"], "generate.samples: one dialogue has nothing to be compared with"),
        (["reward.normaliser=percentile"], "reward.normaliser: percentile is for trees"),
        ([LIVE, "grpo.estimator=tree"], "grpo.estimator: tree needs trees, which grpo-live does not grow"),
        ([LIVE, "train.processes=2"], "train.processes: grpo-live trains in one process"),
        ([LIVE, "generate.temperature=[0.5]"], "generate.temperature"),
    ],
)
def test_refusals(overrides: list[str], message: str):
    config = load("twohop-grpo", overrides)
    with pytest.raises(ConfigError, match=message):
        plan(config)


@pytest.mark.parametrize(
    "override", ["grpo.loss=ppo", "grpo.clip_low=1.5", "grpo.importance_cap=0.5", "grpo.updates=0", "grpo.decay=1.0"]
)
def test_settings_that_mean_nothing_are_no_settings(override: str):
    with pytest.raises(ConfigError, match=override.split("=")[0]):
        load("twohop-grpo", [override])


def test_stored_log_probabilities_leave_nothing_to_weigh_by():
    with pytest.raises(ConfigError, match="set importance=none"):
        load("twohop-grpo", ["grpo.old=stored"])
    load("twohop-grpo", ["grpo.old=stored", "grpo.importance=none"])


def names(*overrides: str) -> list[str]:
    config = load("twohop-grpo", ["iterations=1", *overrides])
    return [step.stage.name for step in plan(config)][1:]


def test_the_stages_of_each_kind():
    assert names() == ["generate", "rank", "advantages", "train", "evaluate"]
    assert names("grpo.estimator=tree") == ["grow", "advantages", "train", "evaluate"]
    assert names(LIVE) == ["train", "evaluate"]
    assert names("grpo.estimator=rae", "generate.samples=1") == names()
