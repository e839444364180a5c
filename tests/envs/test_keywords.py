"""Keyword arguments: their types are checked by name, their meanings read from the documentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

import optima_envs
from optima_envs.keywords import Keyword, Keywords, check_types, fits, spelled

BUILT_IN = [name for name in optima_envs.list_envs() if name.startswith("optima/")]


class Speaks(Protocol):
    def speak(self) -> str: ...


@pytest.mark.parametrize(
    ("value", "hint", "fit"),
    [
        (3, int, True),
        (True, int, False),
        ("3", int, False),
        (3.0, int, False),
        (3, float, True),
        (False, float, False),
        (None, int | None, True),
        ("x", int | None, False),
        (("a", "b"), Sequence[str], True),
        (["a", 3], Sequence[str], False),
        ("ab", Sequence[str], False),
        ("ab", tuple[str, ...], False),
        (["a"], tuple[str, ...], False),
        (2, int | Sequence[str], True),
        (2.5, int | Sequence[str], False),
        ("half", Literal["full", "first"], True),  # of the right type: the factory knows the values
        (2, Literal["full", "first"], False),
        (object(), Any, True),
        (Path("x"), str | Path, True),
        (print, Callable[[str], int], True),
        (3, Callable[[str], int], False),
        (3, Speaks, True),  # a protocol that cannot be asked
        ({"a": 1}, dict[str, int], True),
        ([], dict[str, int], False),
    ],
)
def test_what_fits(value: object, hint: Any, fit: bool):
    assert fits(value, hint) is fit


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (int | None, "int or None"),
        (Literal["a", "b"], "'a' or 'b'"),
        (Sequence[str], "a sequence of str"),
        (tuple[str, ...], "a sequence of str"),
        (str | Path | None, "str or Path or None"),
    ],
)
def test_types_are_spelled_for_people(hint: Any, text: str):
    assert spelled(hint) == text


class Task:
    """A task. ``size``: how many there are. ``mood``: ``"glad"`` or not; see elsewhere. Raises ValueError."""

    def __init__(self, size: int = 3, *, mood: str = "glad", other=None, **more: Any) -> None:
        """Make it."""


def test_keywords_of_a_factory():
    takes = Keywords.of(Task)
    assert takes.open
    assert takes.names == ("size", "mood", "other")
    size, mood, other = takes.items
    assert (size.hint, size.default, size.meaning) == (int, 3, "how many there are")
    assert (mood.meaning, other.hint, other.meaning) == ('"glad" or not', Any, "")
    assert "anything" in takes
    assert "size" not in Keywords.of(lambda x, /: x)


def test_hints_that_only_type_checkers_know_check_nothing():
    def factory(size: Unknown) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Nothing."""

    check_types("x", factory, {"size": "anything"})


@pytest.mark.parametrize(
    ("env", "kwargs", "named"),
    [
        ("twohop-asym", {"distractors": "many"}, "optima/twohop-asym-v0: distractors must be int, got str 'many'"),
        ("twohop-asym", {"max_turns": "8"}, "max_turns must be int or None, got str '8'"),
        ("twohop-asym", {"max_turns": 8.5}, "max_turns must be int or None, got float 8.5"),
        ("twohop-asym", {"token_budget": True}, "token_budget must be int or None, got bool True"),
        ("twohop-asym", {"seed": [1]}, r"seed must be int, got list \[1\]"),
        ("arith-debate", {"limit": "20"}, "limit must be int, got str '20'"),
        ("arith-debate", {"order": 3}, "order must be 'alternating' or 'simultaneous' or None, got int 3"),
        ("arith-debate", {"agents": "Alice"}, "agents must be int or a sequence of str or None, got str 'Alice'"),
        ("arith-debate", {"agents": ["A", 3]}, r"agents must be int or a sequence of str"),
        ("arith-debate", {"metric": 5}, "metric must be str or None, got int 5"),
        ("arith-debate", {"split": 5}, "split must be str or None, got int 5"),
        ("arith-debate", {"answer_format": 5}, "answer_format must be str, got int 5"),
        ("hotpotqa-asym", {"skip_bad_rows": "yes", "data": []}, "skip_bad_rows must be bool, got str 'yes'"),
        (
            "hotpotqa-asym",
            {"paragraphs": 1, "data": []},
            "paragraphs must be 'full' or 'first-sentence' or 'supporting', got int 1",
        ),
        ("cbt-asym", {"halves": None, "seed": "0", "data": []}, "seed must be int, got str '0'"),
    ],
)
def test_an_argument_of_a_wrong_type_is_named(env: str, kwargs: dict[str, Any], named: str):
    factories: list[Any] = [optima_envs.scenario, optima_envs.make]
    for factory in factories:
        with pytest.raises(TypeError, match=named):
            factory(env, **kwargs)


def test_the_default_of_a_setting_is_the_environments_own():
    settings = {item.name: item for item in optima_envs.settings("gsm8k-debate")}
    assert settings["answer_format"].default == "boxed"
    assert settings["metric"].default == "number"
    assert settings["split"].default == "test"
    assert {item.name: item.default for item in optima_envs.settings("2wmh-asym")}["split"] == "validation"


@pytest.mark.parametrize("env", BUILT_IN)
def test_every_setting_is_accepted_and_explained(env: str):
    settings = optima_envs.settings(env)
    assert all(isinstance(item, Keyword) and item.meaning for item in settings), [s.name for s in settings]
    wrong: dict[str, Any] = {f"{settings[0].name}x": 1}
    with pytest.raises(TypeError) as caught:
        optima_envs.make(env, **wrong)
    assert all(item.name in str(caught.value) for item in settings)
