"""Steps: what they keep and drop, one after another over a stream, and that nothing is dropped uncounted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.steps import go, made, reasons

from optima_envs import Episode, Turn
from optima_train.trajectories import STEPS, BadRow, Dropped, make_steps, run_steps


def test_keep_tells_why_apart() -> None:
    items = [made(0, score=1.0), made(1, score=0.5), made(2), made(3, score=1.0, finished=False)]
    items.append(replace(made(4, score=1.0), turns=(Turn("assistant", "x"), Turn("environment", "y"))))
    found = go([{"keep": {"min_score": 1.0, "finished": True}}], items)
    assert [item.key.instance for item in found if isinstance(item, Episode)] == ["e0"]
    assert reasons(found) == {"score below 1": 1, "no score": 1, "unfinished": 2}
    first = next(item for item in found if isinstance(item, Dropped))
    assert (first.file, first.row, first.id) == ("step keep", 1, "e1")


def test_dedupe_by_text_and_by_question() -> None:
    items = [made(0, "a"), made(0, "a"), made(0, "b"), made(1, "a")]
    assert len([item for item in go(["dedupe"], items) if isinstance(item, Episode)]) == 3
    assert reasons(go([{"dedupe": {"by": "question"}}], items)) == {"the same question as an earlier one": 2}
    with pytest.raises(ValueError, match="by must be text or question"):
        make_steps([{"dedupe": {"by": "id"}}])


def test_limit_stops_reading() -> None:
    pulled = []

    def stream() -> Iterator[Episode]:
        for number in range(100):
            pulled.append(number)
            yield made(number, "x" * number)

    found: list[Any] = list(run_steps(make_steps([{"limit": {"rows": 3, "chars": 4}}]), stream()))
    assert [item.key.instance for item in found] == ["e0", "e1", "e2"] and len(pulled) == 3
    assert reasons(go([{"limit": {"chars": 1}}], [made(0, "ab"), made(1, "a")])) == {"more than 1 characters": 1}
    assert go([{"limit": {"rows": 0}}], [made(0)]) == []


def test_a_step_of_a_plugin_may_give_several_fail_or_drop() -> None:
    def factory(word: str = "x"):
        def step(item: Episode):
            if item.key.instance == "e1":
                raise BadRow("a reason")
            if item.key.instance == "e2":
                raise KeyError(word)
            return [item, item]

        return step

    if "double" not in STEPS:
        STEPS.register("double", factory)
    found = go([{"double": {"word": "w"}}, "dedupe"], [made(0), made(1), made(2)])
    assert reasons(found) == {"a reason": 1, "KeyError: 'w'": 1, "the same text as an earlier one": 1}
    assert len(found) == 4
    with pytest.raises(TypeError, match="step double has no argument wrod; did you mean word"):
        make_steps([{"double": {"wrod": 1}}])
    with pytest.raises(KeyError, match="unknown step 'dubble'; did you mean double"):
        make_steps(["dubble"])
    with pytest.raises(ValueError, match="a step is one name"):
        make_steps([{"keep": {}, "dedupe": {}}])
