"""The facts about an environment are said once, in its sheet: what else could say them agrees with it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import optima_envs
from optima_envs.catalogue import CATALOGUE
from optima_envs.registry import load_attr
from optima_envs.tasks.dataset import Dataset

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "data.md"


def task_of(name: str) -> Any:
    task = optima_envs.spec(name).task
    assert isinstance(task, str)
    return load_attr(task)


DATASETS = [name for name in CATALOGUE if isinstance(task_of(name), type) and issubclass(task_of(name), Dataset)]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_file_describes_the_environment_it_is_listed_for(name: str):
    assert optima_envs.spec(name).id == name


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_docstring_repeats_the_sheet(name: str):
    text = importlib.import_module(f"optima_envs.tasks.{CATALOGUE[name].partition(':')[0]}").__doc__ or ""
    sheet = optima_envs.spec(name).sheet
    facts = [sheet.paper, sheet.licence, sheet.evaluation, *(f"{size:,}" for size in sheet.splits.values())]
    assert not [fact for fact in facts if fact and fact in text]
    assert "| fact |" not in text


@pytest.mark.parametrize("name", DATASETS)
def test_a_sheet_agrees_with_its_task(name: str):
    task, sheet = task_of(name), optima_envs.spec(name).sheet
    assert list(sheet.splits) == list(task.source.files)
    assert task.source.repo in sheet.source
    assert ("pinned commit" in sheet.source) == task.source.pinned
    assert re.findall(r"\w+", sheet.evaluation)[0] == task.usual
    assert name.startswith(f"optima/{task.name.partition('-')[0]}-")
    assert sheet.history[0].startswith("v0: ")


@pytest.mark.parametrize("name", DATASETS)
def test_the_page_on_data_shows_the_sheet(name: str):
    sheet = optima_envs.spec(name).sheet
    sizes = ", ".join(f"{split} {size:,}" for split, size in sheet.splits.items())
    short = name.removeprefix("optima/").removesuffix("-v0")
    row = f"| `{short}` | {sizes} | {sheet.evaluation} | {sheet.licence} | {sheet.source} |"
    assert row in PAGE.read_text(encoding="utf-8").splitlines()
