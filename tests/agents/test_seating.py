"""What may sit in a seat: policies of any natural shape, and a clear word about those that are none."""

from __future__ import annotations

import asyncio
import functools
import warnings
from typing import Any

import pytest

import optima_envs
from optima_agents import Job, LLMPolicy, Rollouts, arollout, rollout
from optima_agents.backends.fake import FakeBackend
from optima_agents.policy import Act
from optima_agents.rollout import PolicyError
from optima_agents.scripted import Oracle, Scripted
from optima_agents.seating import Seating, as_policy
from optima_envs.registry import UnknownName

AGENTS = ("Alice", "Bob")


async def plain(view):
    return "hello"


async def seeded(view, *, seed):
    return Act("hello", tokens=seed % 7 + 1)


def sync_seeded(view, seed):
    return Act("hello")


class Sync:
    def act(self, view):
        return "hello"


class SyncSeed:
    def act(self, view, *, seed):
        return Act("hello")


class Async:
    async def act(self, view):
        return "hello"


class Called:
    def __call__(self, view):
        return "hello"


class CalledAsync:
    async def __call__(self, view, seed=0):
        return "hello"


class Static:
    @staticmethod
    def act(view, **anything):
        return "hello"


def two(view, text):
    return text


SHAPES = {
    "lambda": lambda view: "hello",
    "lambda of another name": lambda v: "hello",
    "lambda that looks at the view": lambda v: "hello" if v.question else "",
    "async function": plain,
    "async with seed": seeded,
    "sync with seed": sync_seeded,
    "sync act": Sync(),
    "sync act with seed": SyncSeed(),
    "async act": Async(),
    "class": Sync,
    "async class": Async,
    "callable object": Called(),
    "async callable": CalledAsync(),
    "static act": Static(),
    "partial": functools.partial(two, text="hello"),
    "returns a coroutine": lambda view: plain(view),
    "bound method": Sync().act,
    "text": "scripted:hello",
    "mapping of shapes": {"Alice": lambda view: "hello", "Bob": Sync},
    "function of the job": lambda job: Scripted(["hello"]),
    "function of the job, mapping": lambda job: {"Alice": "scripted:hello", "Bob": plain},
    "function of the job, by another name": lambda j: Scripted(["hello"]),
    "function of the job, a text": lambda job: "scripted:hello",
    "function of the job, a function": lambda job: lambda view: "hello",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_natural_shape_plays(shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        played = rollout("twohop-asym", shape, episodes=2)
    assert [e.error for e in played] == [None, None]
    assert {turn.text for e in played for turn in e.turns} == {"hello"}


def test_the_seed_of_a_turn_reaches_whoever_wants_it():
    seen: dict[str, list[int | None]] = {"object": [], "function": [], "positional": []}

    class Noting:
        def act(self, view, *, seed):
            seen["object"].append(seed)
            return "x"

    def noting(view, seed=None):
        seen["function"].append(seed)
        return "x"

    def positional(view, seed=5, /):
        seen["positional"].append(seed)
        return "x"

    for policy in (Noting(), noting, positional):
        rollout("twohop-asym", policy, episodes=1)
    assert seen["object"] == seen["function"]
    assert len(set(seen["object"])) == len(seen["object"]) > 1
    assert set(seen["positional"]) == {5}, "a seed by position alone is not ours to fill"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (7, r"in a seat may be act\(view, \*, seed\).*not int"),
        (None, "not NoneType"),
        (["random"], "not list"),
        (dict, "dict is a class without act"),
        (lambda: "x", r"cannot speak: it is called with \(view, seed=...\) or \(view\)"),
        (lambda view, text, more: "x", "cannot speak"),
        (type("Needs", (), {"__init__": lambda self, model: None, "act": lambda self, view: ""}), "not its class"),
        (type("Acts", (), {"act": lambda self: ""})(), "Acts.act"),
        ({"Alice": 3, "Bob": "random"}, "not int"),
        (lambda v: 7, "returns int: a function of the view returns text"),
    ],
)
def test_what_cannot_speak_is_refused_before_the_first_dialogue(wrong, message):
    for call in (rollout, lambda *a, **k: asyncio.run(arollout(*a, **k))):
        with pytest.raises(TypeError, match=message):
            call("twohop-asym", wrong, episodes=3)


def test_wrong_names_are_refused_before_the_first_dialogue():
    with pytest.raises(UnknownName, match="did you mean random"):
        rollout("twohop-asym", "randum", episodes=1)
    with pytest.raises(ValueError, match="Carol"):
        rollout("twohop-asym", {"Alice": "random", "Carol": "random"}, episodes=1)


def test_an_engine_named_in_several_seats_is_opened_once_and_closed(monkeypatch):
    opened = []

    class Noted(FakeBackend):
        def __init__(self, model):
            super().__init__("hi")
            opened.append(model)

        async def aclose(self):
            opened.append("closed")

    from optima_agents.making import BACKENDS

    monkeypatch.setitem(BACKENDS._items, "noted", Noted)
    rollout("twohop-asym", lambda job: {"Alice": "noted:m", "Bob": "noted:m"}, episodes=4)
    assert opened == ["m", "closed"]
    with pytest.raises(UnknownName):
        rollout("twohop-asym", {"Alice": "noted:m", "Bob": "nobody"}, episodes=4)


def test_a_made_environment_is_rolled_out_as_its_scenario():
    for env in (
        optima_envs.make("twohop-asym", distractors=2, token_budget=50),
        optima_envs.make("arith-debate").unwrapped,
        optima_envs.scenario("twohop-asym"),
    ):
        (played,) = rollout(env, "random", episodes=1)
        assert played.error is None
    with pytest.raises(TypeError, match=r"env is an id.*not int"):
        rollout(3, "random", episodes=1)
    with pytest.raises(TypeError, match="takes no further arguments: distractors"):
        rollout(optima_envs.make("twohop-asym"), "random", episodes=1, distractors=3)


def test_a_policy_that_always_fails_ends_the_rollout_with_its_reason():
    class Broken:
        async def act(self, view, *, seed):
            return view.no_such_thing

    with pytest.raises(PolicyError, match=r"first 8 dialogues all failed in the policy: AttributeError.*no_such"):
        rollout("twohop-asym", Broken(), episodes=100)
    with pytest.warns(RuntimeWarning, match=r"^2 of 2 failed: policy: AttributeError"):
        assert len(rollout("twohop-asym", Broken(), episodes=2)) == 2


def test_one_that_fails_now_and_then_goes_on():
    def team(job):
        if job.index != 5:
            raise ValueError("not today")
        return Scripted(["x"])

    world = optima_envs.scenario("twohop-asym")
    with pytest.raises(PolicyError):
        rollout(world, team, episodes=30, start=6)
    with pytest.warns(RuntimeWarning, match=r"^7 of 8 failed: policy: ValueError: not today"):
        assert len(rollout(world, team, episodes=8, concurrency=1)) == 8
    with pytest.warns(RuntimeWarning, match="29 of 30 failed"):
        assert len(rollout(world, team, episodes=30, concurrency=1)) == 30


def test_failures_of_the_backend_do_not_end_a_rollout():
    from optima_agents.backends.base import BackendError

    backend = FakeBackend("x", faults={n: BackendError("503") for n in range(1000)})
    with pytest.warns(RuntimeWarning, match="20 of 20 failed: backend: BackendError: 503"):
        assert len(rollout("twohop-asym", LLMPolicy(backend), episodes=20)) == 20


def test_an_adapted_policy_keeps_what_the_engine_asks_of_it():
    class Owner:
        backend = FakeBackend("x")
        closed = False

        def act(self, view):
            return "x"

        async def aclose(self):
            self.closed = True

    owner = Owner()
    made: Any = as_policy(owner)
    assert made.backend is owner.backend
    asyncio.run(made.aclose())
    assert owner.closed
    ready = Oracle("x")
    assert as_policy(ready) is ready
    assert Seating(ready, AGENTS).of(Job(0)) == dict.fromkeys(AGENTS, ready)


@pytest.mark.parametrize("team", [lambda human: human, lambda human: {"Alice": human, "Bob": "random"},
                                  lambda human: lambda job: {"Alice": human, "Bob": "random"}],
                         ids=["all seats", "one seat", "by job"])  # fmt: skip
def test_a_person_plays_one_dialogue_at_a_time(team):
    from optima_agents.human import HumanPolicy

    shown: list[str] = []
    human = HumanPolicy(lambda prompt: "well", shown.append)
    world = optima_envs.scenario("twohop-asym", max_turns=4)
    runner = Rollouts(world, team(human), concurrency=8)

    async def run():
        return [e async for e in runner.stream(map(Job, range(3)))]

    questions = [e.instance.question for e in asyncio.run(run())]
    assert len(questions) == 3
    order = [next(q for q in questions if q in text) for text in shown if "Question: " in text]
    assert [q for n, q in enumerate(order) if n == 0 or order[n - 1] != q] == list(dict.fromkeys(order))
