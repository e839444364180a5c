"""Ids, specs and scenarios: resolution, arguments, clear refusals."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support.worlds import Tiny, turns

import optima_envs
from optima_envs.records import Outcome
from optima_envs.spec import EnvSpec, Sheet, full_id


@pytest.fixture
def tiny():
    return optima_envs.register("tests/tiny-v0", task="support.worlds:Tiny")


@pytest.mark.parametrize("name", ["twohop-asym", "optima/twohop-asym", "twohop-asym-v0", "optima/twohop-asym_v0"])
def test_short_ids_resolve_to_the_full_one(name):
    assert optima_envs.spec(name).id == optima_envs.scenario(name).id == "optima/twohop-asym-v0"


def test_an_unversioned_id_means_the_newest_version():
    for version in (2, 10, 1):
        optima_envs.register(f"tests/versions-v{version}", task=Tiny)
    assert full_id("tests/versions") == "tests/versions-v10"
    assert optima_envs.scenario("tests/versions-v1").id == "tests/versions-v1"


def test_an_unknown_id_suggests_known_ones():
    with pytest.raises(optima_envs.UnknownName, match=r"twohop-asim-v0.*did you mean optima/twohop-asym-v0"):
        optima_envs.scenario("twohop-asim")
    with pytest.raises(ValueError, match="namespace"):
        optima_envs.scenario("a/b/c")


def test_a_wrong_argument_names_the_env_and_what_it_takes():
    with pytest.raises(TypeError, match=r"optima/twohop-asym-v0 has no argument hop; did you mean hops.*distractors"):
        optima_envs.scenario("twohop-asym", hop=3)
    with pytest.raises(TypeError, match="no argument data"):
        optima_envs.make("arith-debate", data="x.json")


def test_arguments_reach_the_rules_and_the_task(tiny):
    scene = optima_envs.scenario("tests/tiny", agents=3, size=5, max_turns=4, order="simultaneous")
    assert scene.rules.agents == ("Alice", "Bob", "Carol")
    assert (len(scene.task), scene.rules.max_turns) == (5, 4)
    assert set(scene.task[0].private) == {"Alice", "Bob", "Carol"}, "the task deals to the agents of the rules"


def test_defaults_of_a_spec_can_be_overridden():
    optima_envs.register("tests/defaults-v0", task=Tiny, size=7, max_turns=2)
    scene = optima_envs.scenario("tests/defaults")
    assert (len(scene.task), scene.rules.max_turns) == (7, 2)
    assert len(optima_envs.scenario("tests/defaults", size=1).task) == 1


def test_a_task_that_takes_anything_gets_only_what_is_meant_for_it():
    seen = {}

    def task(**kwargs):
        seen.update(kwargs)
        return Tiny()

    optima_envs.register("tests/anything-v0", task=task)
    optima_envs.scenario("tests/anything", max_turns=2, colour="red")
    assert seen == {"colour": "red", "agents": ("Alice", "Bob")}


def test_judge_and_support(tiny):
    scene = optima_envs.scenario("tests/tiny")
    inst = scene.task[1]
    assert scene.judge(inst, (), Outcome("answered", "answer 1")) == (1.0, True)
    assert scene.judge(inst, (), Outcome("max_turns", None)) == (0.0, False)
    assert scene.supported(inst, ()) is None
    twohop = optima_envs.scenario("twohop-asym")
    gold = twohop.task[0].answers[0]
    assert twohop.supported(twohop.task[0], turns(("Alice", f"<A>{gold}</A>"))) in (True, False)


def test_another_metric_by_name(tiny):
    assert optima_envs.scenario("tests/tiny", metric="em").metric.name == "em"
    with pytest.raises(optima_envs.UnknownName, match="did you mean"):
        optima_envs.scenario("tests/tiny", metric="f11")


def test_an_instance_is_found_by_its_id(tiny):
    scene = optima_envs.scenario("tests/tiny")
    assert scene.index_of("tiny-2") == 2
    with pytest.raises(KeyError, match="tiny-9"):
        scene.index_of("tiny-9")


def test_specs_are_data():
    for name in optima_envs.list_envs():
        spec = optima_envs.spec(name)
        if isinstance(spec.task, str):
            assert EnvSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    with pytest.raises(TypeError, match="module:attr"):
        EnvSpec("tests/function-v0", task=lambda: Tiny(), sheet=Sheet()).to_json()


def test_registering_twice_is_refused_unless_equal(tiny):
    assert optima_envs.register(tiny) == tiny
    with pytest.raises(ValueError, match="registered already"):
        optima_envs.register("tests/tiny-v0", task=Tiny)
    with pytest.raises(ValueError, match="namespace/name-v0"):
        optima_envs.register("tiny", task=Tiny)
    with pytest.raises(TypeError, match="task="):
        optima_envs.register("tests/none-v0")


def test_the_package_imports_nothing_heavy():
    heavy = ("torch", "transformers", "datasets", "pettingzoo", "gymnasium", "numpy", "rich", "sympy")
    code = f"import sys, optima_envs; print([m for m in {heavy!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
