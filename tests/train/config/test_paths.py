"""Relative paths do not survive: a run is resumed from anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from optima_train.config.loading import load
from optima_train.config.paths import KEYS, absolute_paths
from optima_train.config.settings import TrainConfig


def value(config: TrainConfig, key: str) -> str | None:
    found = config
    for part in key.split("."):
        found = getattr(found, part)
    return found  # type: ignore[return-value]


def configured(key: str, text: str) -> TrainConfig:
    splits = [f"{key.rpartition('.')[0]}.split=train"] if key.endswith("data") else []
    return load("quickstart", [f"{key}='{text}'", *splits])


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
