"""Rounds in which contenders take turns, and what is made of them."""

from __future__ import annotations

import pytest

from benchmarks.speed.timing import in_turn


def test_contenders_take_turns_and_the_first_round_only_warms_up():
    order: list[str] = []
    speeds = {"a": iter([99.0, 4.0, 1.0, 9.0]), "b": iter([99.0, 2.0, 1.0, 3.0])}  # all slower in the third round

    def play(name: str) -> float:
        order.append(name)
        return next(speeds[name])

    found = in_turn({"a": lambda: play("a"), "b": lambda: play("b")}, rounds=3)
    assert order == ["a", "b"] * 4
    assert (found.median("a"), found.median("b")) == (4.0, 2.0)
    assert found.ratio("a", "b") == pytest.approx(2.0), "the median of 2, 1 and 3"


def test_long_rounds_tell_how_far_they_are(capsys):
    in_turn({"a": lambda: 2.0}, rounds=1)
    assert capsys.readouterr().err == ""
    in_turn({"a": lambda: 2.0}, rounds=1, tell=True)
    warm, one = capsys.readouterr().err.splitlines()
    assert warm.endswith("warm-up: a 2")
    assert one.endswith("round 1 of 1: a 2")


def test_a_long_contender_may_warm_up_on_less():
    played: list[str] = []

    def play(what: str) -> float:
        played.append(what)
        return 3.0 if what == "all" else 1.0

    found = in_turn({"a": lambda: play("all")}, rounds=2, warm_up={"a": lambda: play("little")})
    assert played == ["little", "all", "all"]
    assert found.median("a") == 3.0
