"""Every setting is described from the models themselves, and the schema takes what the loader takes."""

from __future__ import annotations

import re

import pytest
import yaml

from optima_train.config.describe import schema, settings
from optima_train.config.loading import RECIPES, check, flatten, load
from optima_train.config.settings import TrainConfig


def test_every_setting_is_listed_with_its_meaning() -> None:
    listed = {setting.key: setting for setting in settings()}
    there = ["train.lora={}", "condition={}", "pairs.influence={}", "reward.weights={task: 1}"]
    optional = {"train.lora", "condition", "pairs.influence"}
    leaves = {re.sub(r"^reward\.weights\..*", "reward.weights", key) for key in flatten(load("quickstart", there))}
    assert leaves <= listed.keys() <= leaves | optional | {key for key in listed if ".NAME." in key}
    assert {"data.NAME.read", "data.NAME.weight", "evaluate.also.NAME.env.id"} <= listed.keys()
    for setting in listed.values():
        assert setting.meaning[-1:] == "." and setting.meaning[0].isascii(), f"{setting.key} needs a docstring"
        assert "\n" not in setting.meaning and setting.kind


def test_the_defaults_are_those_of_the_models() -> None:
    given = {"name": "x", "model": "tiny", "env": {"id": "twohop-asym"}}
    defaults = flatten(check({**given, "train": {"lora": {}}}, TrainConfig))
    required = {setting.key for setting in settings() if setting.default is None and ".NAME." not in setting.key}
    assert required == {"name", "model", "env.id"}
    for setting in settings():
        if setting.default is not None and setting.key in defaults:
            assert yaml.safe_load(setting.default) == pytest.approx(defaults[setting.key])


def test_the_schema_knows_every_key_and_no_other() -> None:
    found = schema()
    assert found["additionalProperties"] is False and "required" not in found
    sections = found["$defs"]
    assert all(part["additionalProperties"] is False and "required" not in part for part in sections.values())
    assert all(field["description"] for part in sections.values() for field in part["properties"].values())
    for recipe in RECIPES.rglob("*.yaml"):
        if recipe.parent.name != "accelerate":
            assert yaml.safe_load(recipe.read_text()).keys() <= found["properties"].keys()
