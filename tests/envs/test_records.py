"""Records: what they refuse, and how they look where people meet them."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": 3}, "id must be text, not int 3"),
        ({"id": None}, "id must be text, not NoneType"),
        ({"question": b"q"}, "question must be text, not bytes"),
        ({"answers": "gold"}, "'q7': answers must be a tuple of texts, not 'gold'"),
        ({"answers": {"gold"}}, "'q7': answers must be a tuple of texts"),
        ({"answers": (1953,)}, "'q7': an answer must be text, not int 1953"),
        ({"answers": ["a", None]}, "'q7': an answer must be text, not NoneType"),
        ({"private": "all"}, "'q7': private must be a mapping"),
        ({"private": {"Alice": None}}, "what is private to 'Alice' must be text"),
        ({"private": {0: "x"}}, "an agent in private must be text, not int 0"),
        ({"meta": [("a", 1)]}, "'q7': meta must be a mapping"),
    ],
)
def test_an_instance_of_wrong_parts_is_refused_by_name(change: dict[str, Any], named: str):
    with pytest.raises(TypeError, match=named):
        Instance(**{"id": "q7", "question": "?", "answers": ("a",), **change})


def test_a_list_of_answers_becomes_a_tuple():
    inst = Instance("q", "?", ["a", "b"])  # type: ignore[arg-type]
    assert inst.answers == ("a", "b")
    assert inst == Instance("q", "?", ("a", "b"))


def test_a_turn_is_made_as_its_fields_say():
    """Its initialiser is written by hand, for speed."""
    fields = dataclasses.fields(Turn)
    parameters = list(inspect.signature(Turn).parameters.values())
    assert [field.name for field in fields] == [parameter.name for parameter in parameters]
    for field, parameter in zip(fields, parameters, strict=True):
        assert (parameter.default is parameter.empty) == (field.default is dataclasses.MISSING)
        assert parameter.default is parameter.empty or parameter.default == field.default
    values = tuple(range(len(fields)))
    assert dataclasses.astuple(Turn(*values)) == values  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Turn("A", "hi").text = "other"  # type: ignore[misc]


def test_token_ids_flood_no_notebook():
    ids = tuple(range(100_000, 105_000))
    turn = Turn("Alice", "hi there", 2, ids, ids, (-1.0,) * 5_000)
    inst = Instance("q", "?", ("a",))
    whole = Episode(EpisodeKey("q", 1), "optima/x-v0", inst, (turn, turn), Outcome("answered", "a"), 1.0, True)
    failed = dataclasses.replace(whole, outcome=Outcome("error"), error=ErrorInfo("backend", "503"))
    assert "hi there" in repr(turn)
    assert len(repr(turn)) < 200
    assert repr(whole) == "<Episode q#1@0 of optima/x-v0: 2 turns, 4 tokens, stop='answered', score=1>"
    assert "error='backend'" in repr(failed)
