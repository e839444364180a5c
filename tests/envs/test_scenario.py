"""Ids, specs and scenarios: resolution, arguments, clear refusals."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import json
import pickle
import subprocess
import sys

import pytest
from support.worlds import Tiny, turns

import optima_envs
from optima_envs.games.asymmetric import AsymmetricQA
from optima_envs.records import ENVIRONMENT, Instance, Outcome, Turn
from optima_envs.scoring.metrics import METRICS, Measure
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


@pytest.mark.parametrize("name", ["optima/twohop-asym-v1", "twohop-asym-v7", "optima/twohop-asym_v1"])
def test_a_version_there_is_not_names_those_there_are(name):
    with pytest.raises(optima_envs.UnknownName, match=r"optima/twohop-asym has no v\d; there is v0"):
        optima_envs.make(name)


def test_several_versions_are_named_in_order():
    for version in (11, 2):
        optima_envs.register(f"tests/several-v{version}", task=Tiny)
    with pytest.raises(optima_envs.UnknownName, match="tests/several has no v3; there is v2, v11"):
        optima_envs.scenario("tests/several-v3")


@pytest.mark.parametrize("name", [None, 3, b"twohop-asym", ["twohop-asym"]])
def test_an_id_that_is_no_text_is_refused_by_name(name):
    for use in (optima_envs.make, optima_envs.scenario, optima_envs.spec, optima_envs.settings):
        with pytest.raises(TypeError, match="an environment id is a text such as 'twohop-asym', not"):
            use(name)


def test_instances_themselves_can_be_the_task():
    given = [Instance("a", "first?", ("1",), {"Alice": "x"}), Instance("b", "second?", ("2",))]
    optima_envs.register("tests/given-v0", task=given)
    scene = optima_envs.scenario("tests/given")
    assert [inst.id for inst in scene.task] == ["a", "b"]
    assert scene.index_of("b") == 1
    assert pickle.loads(pickle.dumps(scene)).task[1] == given[1]  # noqa: S301 - our own bytes
    assert optima_envs.check_env("tests/given", episodes=1)


@pytest.mark.parametrize("task", [["a text"], 5, "support.worlds:DATA", {"a": 1}])
def test_what_is_no_task_is_refused_by_name(task):
    name = f"tests/no-task-{abs(hash(str(task)))}-v0"
    optima_envs.register(name, task=task)
    with pytest.raises(TypeError, match=f"{name}: task must be a factory or a sequence of Instance"):
        optima_envs.scenario(name)


def test_an_empty_task_is_named():
    optima_envs.register("tests/empty-v0", task=Tiny, size=0)
    with pytest.raises(ValueError, match="tests/empty-v0: the task has no instances"):
        optima_envs.make("tests/empty")


class Endless(AsymmetricQA):
    """Never ends."""

    def outcome(self, inst, turns):
        return None


def test_rules_that_never_end_are_stopped_and_named():
    scene = optima_envs.Scenario("tests/endless-v0", Endless(max_turns=3), Tiny(), METRICS["f1"])
    inst = scene.task[0]
    assert scene.outcome(inst, turns(*[("Alice", "hm")] * 4)) is None, "a round that has begun may be finished"
    with pytest.raises(RuntimeError, match="tests/endless-v0: not over after 5 turns, though the rules promise 3"):
        scene.outcome(inst, turns(*[("Alice", "hm")] * 5))
    world = (Turn(ENVIRONMENT, "observation"),) * 9
    assert scene.outcome(inst, turns(("Alice", "hm")) + world) is None, "the world's replies are no turns of an agent"
    env = optima_envs.DialogueEnv(scene)
    env.reset(seed=0)
    for _ in range(4):
        env.step(dict.fromkeys(env.agents, "hm"))
    with pytest.raises(RuntimeError, match="not over after 5 turns"):
        env.step(dict.fromkeys(env.agents, "hm"))


class Brevity:
    """A metric over the whole dialogue."""

    name, instant = "brevity", True

    def score(self, answer, golds):
        raise AssertionError("judge takes its place")

    def judge(self, inst, turns, outcome):
        return 1 / len(turns)

    def correct(self, score):
        return score >= 0.5


def test_a_metric_may_see_the_dialogue():
    scene = optima_envs.Scenario("tests/brief-v0", AsymmetricQA(), Tiny(), Brevity())
    said = turns(("Alice", "a"), ("Bob", "b"))
    assert scene.judge(scene.task[0], said, Outcome("max_turns")) == (0.5, True)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "metric 'odd' gave NoneType None, which is no number as the score of 'tiny-0'"),
        ("1.0", "metric 'odd' gave str '1.0', which is no number"),
        (float("nan"), "metric 'odd' is not finite"),
        (10**400, "metric 'odd' is too large for a float"),
        (1.5, r"metric 'odd' gave 1.5 as the score of 'tiny-0'; it is in \[0, 1\]"),
        (-0.1, "metric 'odd' gave -0.1"),
    ],
)
def test_a_metric_that_gives_no_score_is_named(value, named):
    scene = optima_envs.Scenario("tests/odd-v0", AsymmetricQA(), Tiny(), Measure("odd", lambda answer, golds: value))
    with pytest.raises(ValueError, match=named):
        scene.judge(scene.task[0], (), Outcome("answered", "x"))


@pytest.mark.parametrize("package", ["optima_envs", "optima_agents", "optima_train", "benchmarks"])
def test_every_package_tells_its_version(package):
    assert importlib.import_module(package).__version__ == importlib.metadata.version("optima-marl")
    assert "__version__" in dir(importlib.import_module(package))


@pytest.mark.parametrize("package", ["optima_envs", "optima_agents", "optima_train"])
def test_names_that_load_late_are_the_same_for_type_checkers(package):
    """Each is listed for the loader, imported for type checkers, and promised: in three places, which must agree."""
    module = importlib.import_module(package)
    tree = ast.parse(inspect.getsource(module))
    checked = {
        alias.name: part.module
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in node.body
        if isinstance(part, ast.ImportFrom)
        for alias in part.names
    }
    assert checked == module._WHERE
    assert set(checked) <= set(module.__all__)
    for name in checked:
        assert getattr(module, name) is module.__dict__[name], "found at once from then on"
