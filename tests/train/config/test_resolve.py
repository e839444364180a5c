"""Relative paths do not survive: a run is resumed from anywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.lookalikes import ROWS, write_lookalike
from support.worlds import Tiny

import optima_envs
from optima_train.config.loading import load
from optima_train.config.resolve import KEYS, absolute_paths, named_splits
from optima_train.config.settings import TrainConfig


def value(config: TrainConfig, key: str) -> str | None:
    found = config
    for part in key.split("."):
        if part == "*":
            found = next(iter(found.values() if isinstance(found, dict) else found))
        else:
            found = getattr(found, part)
    return found  # type: ignore[return-value]


SOURCE = {"read": "chat", "files": ["elsewhere.jsonl"]}
UNDER_NAMES = {  # settings under names of the user's own
    "data.*.files.*": lambda text: ("data", {"mine": SOURCE | {"files": [text]}}),
    "data.*.options.*": lambda text: ("data", {"mine": SOURCE | {"options": {"questions": text}}}),
    "evaluate.also.*.env.train.data": lambda text: also("train", text),
    "evaluate.also.*.env.test.data": lambda text: also("test", text),
    "evaluate.also.*.env.train.ids": lambda text: also("train", text, "ids"),
    "evaluate.also.*.env.test.ids": lambda text: also("test", text, "ids"),
}


def also(part: str, text: str, what: str = "data") -> tuple[str, dict]:
    return "evaluate.also", {"mine": {"env": {"id": "arith-debate", part: {what: text}}}}


def configured(key: str, text: str) -> TrainConfig:
    if key in UNDER_NAMES:
        name, setting = UNDER_NAMES[key](text)
        return load("quickstart", [f"{name}={json.dumps(setting)}"])
    return load("quickstart", [f"{key}='{text}'"])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("text", ["here", "sub/../here", "./here", "~/here"])
def test_what_is_here_becomes_absolute(key: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "here").mkdir()
    (tmp_path / "sub").mkdir()
    found = value(absolute_paths(configured(key, text)), key)
    assert found is not None and Path(found).is_absolute() and Path(found).samefile(tmp_path / "here")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("text", ["owner/name", "hf://datasets/a/b/c.parquet", "zero3", "~nobody-at-all/x", "x" * 5000])
def test_what_is_not_here_stays(key: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = configured(key, text)
    assert absolute_paths(config) == config


def test_the_embedded_model_is_never_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert absolute_paths(load("quickstart")).model == "tiny"


@pytest.mark.parametrize("env", [*ROWS, "twohop-asym", "arith-debate"])
def test_the_evaluation_split_is_the_environments_own(env: str) -> None:
    sheet = optima_envs.spec(env).sheet
    config = named_splits(load("base", [f"env.id={env}"]))
    assert config.env.train.split == "train"
    assert config.env.test.split == (re.split(r"\W", sheet.evaluation)[0] or "test")
    assert config.env.test.split in (sheet.splits or {"test"})
    assert named_splits(config) == config
    given = load("base", [f"env.id={env}", "env.train.split=validation", "env.test.split=train"])
    assert named_splits(given) == given


@pytest.mark.parametrize("env", ROWS)
def test_a_local_file_needs_no_split(env: str, tmp_path: Path) -> None:
    file = write_lookalike(tmp_path, env)
    config = load("base", [f"env.id={env}", f"env.train.data={file}", f"env.test.data={file}"])
    assert len(config.env.scenario("train").task) == len(config.env.scenario("test").task) == 8
    assert config.env.scenario("train").task.split == "train"


class OwnSplits(Tiny):
    def __init__(self, split: str | None = None, agents: tuple[str, ...] = ("Alice", "Bob")) -> None:
        super().__init__(split or "exam", agents=agents)


def test_a_task_that_alone_knows_its_split_is_left_to_it() -> None:
    optima_envs.register("tests/own-splits-v0", task=OwnSplits)
    config = named_splits(load("base", ["env.id=tests/own-splits"]))
    assert config.env.test.split is None and config.env.scenario("test").task.split == "exam"
    assert config.env.scenario("train").task.split == "train"
