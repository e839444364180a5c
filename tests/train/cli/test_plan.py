"""Measured plans: two small runs of a recipe, and a line through what each stage took."""

from __future__ import annotations

import json

import pytest

from optima_train.cli.main import main
from optima_train.cli.measuring import Measured, expect, line, smaller, units
from optima_train.config.loading import load
from optima_train.methods import plan
from optima_train.planning.estimate import Assumed


def test_a_line_has_what_does_not_grow_and_never_falls():
    assert line((10, 7.0), (30, 11.0), 100) == pytest.approx(25)
    assert line((10, 7.0), (30, 5.0), 100) == 5.0, "noise: it did not grow"
    assert line((10, 1.0), (30, 9.0), 100) == pytest.approx(30), "nothing is left at no work"
    assert line((10, 7.0), (10, 8.0), 20) == pytest.approx(16)
    assert line((0, 1.0), (0, 2.0), 5) == 2.0


def test_a_small_run_is_the_run_with_fewer_instances():
    config = load("quickstart", ["iterations=5"])
    small = smaller(config, 0.1)
    assert small.iterations == 2
    assert small.generate.instances == max(2, round(config.generate.instances * 0.1))
    assert small.evaluate.instances == max(2, round(config.evaluate.instances * 0.1))
    same = {"iterations": config.iterations, "generate": config.generate, "tree": config.tree}
    assert small.model_copy(update={**same, "evaluate": config.evaluate}) == config


def test_a_run_that_takes_what_its_work_says_is_foretold():
    """Stages that take 3 s and 2 ms a unit of work, in the small runs and in the whole."""
    config = load("quickstart", ["iterations=4", "generate.instances=200"])
    assumed = Assumed(train=10_000, test=10_000)

    def took(one):
        work = units(one, plan(one), assumed)
        return Measured({path: 3 + 0.002 * unit for path, unit in work.items()}, work, 2.0)

    found = expect(config, assumed, took(smaller(config, 0.05)), took(smaller(config, 0.2)))
    expected = took(config).seconds
    assert {step.path: step.seconds for step in found[:-1]} == pytest.approx(expected)
    assert all(step.known for step in found)


@pytest.mark.slow
def test_the_command_measures_and_prints(capsys):
    settings = [
        "iterations=1",
        "env.max_turns=2",
        "generate.samples=2",
        "generate.instances=8",
        "generate.max_tokens=6",
    ]
    settings += [
        "evaluate.instances=4",
        "evaluate.max_tokens=6",
        "device=cpu",
        "isolation=inline",
        "select.threshold=-9",
    ]
    assert main(["plan", "quickstart", *settings, "--measure", "--seconds", "5", "--share", "0.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["hours"] * 3600 == pytest.approx(sum(found["steps"].values()), abs=0.1)
    assert found["steps"]["it000/train"] > 0
    assert main(["plan", "quickstart", "--measure", "--share", "0"]) == 2
    assert main(["plan", "quickstart", *settings]) == 0
    assert "GPU-h" in capsys.readouterr().out
