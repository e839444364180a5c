"""Suites: what a configuration means, and every mistake named with the way out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import small_suites

from benchmarks.suite.planning import plan
from benchmarks.suite.settings import CONFIGS, load_suite, overridden, suite_of
from optima_envs.registry import UnknownName
from optima_train.config.loading import ConfigError, dump
from optima_train.run.stage import StageError

CONTENT = {path: yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.glob("*.yaml"))}
# the others compare trainings, or play what trainings of hours have made
SUITES = [
    path for path, content in CONTENT.items()
    if "runs" not in content and not any("run" in model for model in content["models"])
]  # fmt: skip
BASE = {"label": "base", "backend": "opened:base"}


@pytest.mark.parametrize("path", SUITES, ids=[path.stem for path in SUITES])
def test_packaged_suites_are_whole(path: Path):
    suite = load_suite(path.stem)
    assert suite.name == path.stem
    assert load_suite(path).model_dump() == suite.model_dump()
    assert plan(suite).cells


def test_a_suite_survives_being_written_down(tmp_path: Path):
    suite = small_suites.make(
        methods=["small-right", {"name": "small-lucky", "samples": 4, "options": {"warmth": 0.2}}]
    )
    (tmp_path / "s.yaml").write_text(dump(suite))
    assert load_suite(tmp_path / "s.yaml") == suite


def test_cells_are_methods_by_environments_by_models_by_seeds():
    planned = plan(
        small_suites.make(
            envs=[{"id": "twohop-asym"}, {"id": "arith-debate", "label": "sums", "instances": 3}],
            models=[
                {"label": "a", "backend": "opened:a"},
                {"label": "b", "backend": "opened:b", "envs": ["sums"]},
                {"label": "trained", "train": {"recipe": "quickstart"}},
            ],
            methods=["small-right", "small-debater", {"name": "small-even", "label": "mine", "models": ["trained"]}],
            seeds=[0, 5],
        )
    )
    assert {cell.path for cell in planned.cells} == {
        f"{path}/seed{seed}"
        for seed in (0, 5)
        for path in ("small-right/twohop-asym/a", "mine/twohop-asym/trained", "small-right/sums/a",
                     "small-right/sums/b", "small-debater/sums/a", "small-debater/sums/b")
    }  # fmt: skip
    labels = {(cell.arena.label, cell.label) for cell in planned.cells}
    assert ("twohop-asym", "small-right") in labels
    assert {("sums", "small-right (a)"), ("sums", "small-right (b)"), ("twohop-asym", "mine")} <= labels
    assert planned.skipped == (("small-debater", "twohop-asym", "is for debate environments"),)
    assert [len(arena.instances) for arena in planned.arenas] == [6, 3]


@pytest.mark.parametrize(
    ("changes", "error", "named"),
    [
        ({"methods": ["small-rihgt"]}, UnknownName, "did you mean small-right"),
        ({"methods": [{"name": "small-lucky", "options": {"heat": 1}}]}, ConfigError, "small-lucky.options"),
        ({"methods": ["small-right", "small-right"]}, ConfigError, "small-right is there twice"),
        ({"methods": ["small-debater"]}, ConfigError, "no method fits"),
        ({"methods": [{"name": "small-right", "models": ["bass"]}]}, ConfigError, "did you mean base"),
        ({"methods": [{"name": "small-right", "sample": 3}]}, ConfigError, "did you mean methods.samples"),
        ({"methods": []}, ConfigError, "methods"),
        ({"envs": [{"id": "twohop-asim"}]}, ConfigError, "did you mean optima/twohop-asym-v0"),
        ({"envs": [{"id": "twohop-asym", "args": {"distractor": 3}}]}, ConfigError, "did you mean distractors"),
        ({"envs": [{"id": "twohop-asym"}, {"id": "twohop-asym"}]}, ConfigError, "twohop-asym is there twice"),
        ({"models": [{"label": "base"}]}, ConfigError, "one of backend, run and train"),
        ({"models": [{"label": "base", "backend": "hff:x"}]}, UnknownName, "did you mean hf"),
        ({"models": [{"label": "base", "backend": "hf:x", "iteration": 1}]}, ConfigError, "iteration"),
        ({"models": [{"label": "../x", "backend": "hf:x"}]}, ConfigError, "models.0.label"),
        ({"models": [BASE, {"label": "x", "run": "absent"}]}, ConfigError, "no run directory"),
        ({"models": [BASE, {"label": "x", "train": {"recipe": "quickstrat"}}]}, ConfigError, "did you mean quickstart"),
        ({"seeds": [-1]}, ConfigError, "seeds.0"),
        ({"reference": "nobody"}, UnknownName, "nobody"),
        ({"curves": [{"kind": "scaling", "of": ["nobody"]}]}, ConfigError, "curves.of"),
        ({"plugins": ["no.such.module"]}, StageError, "no.such.module"),
        ({"colour": "red"}, ConfigError, "unknown key colour"),
    ],
)
def test_what_is_wrong_is_named(changes: dict, error: type[Exception], named: str):
    with pytest.raises(error) as caught:
        plan(small_suites.make(**changes))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_overrides_reach_members_of_lists_by_label_and_by_number(tmp_path: Path):
    data = small_suites.small(envs=[{"id": "twohop-asym", "label": "two.hops"}])
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(data))
    settings = ["models.base.backend=opened:other", "envs.two.hops.instances=2", "methods.1.samples=3"]
    suite = load_suite(tmp_path / "s.yaml", [*settings, "sampling.max_tokens=9"])
    assert (suite.models[0].backend, suite.envs[0].instances, suite.sampling.max_tokens) == ("opened:other", 2, 9)
    assert (suite.methods[1].name, suite.methods[1].samples) == ("small-even", 3)
    with pytest.raises(ConfigError, match="models has no 'bass'; it has base"):
        load_suite(tmp_path / "s.yaml", ["models.bass.backend=x"])
    with pytest.raises(ConfigError, match="no suite 'absent'; packaged suites: "):
        load_suite("absent")


VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2))


@given(st.text(max_size=30), VALUES)
def test_no_override_crashes(key: str, value: object):
    with contextlib.suppress(ConfigError):
        suite_of(overridden(small_suites.small(), key, value))
