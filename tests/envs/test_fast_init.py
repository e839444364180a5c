"""Quickly built frozen dataclasses are dataclasses in every other respect."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field

import pytest

from optima_envs.fast_init import fast_init
from optima_envs.records import Turn, View


@dataclass(frozen=True, slots=True)
class Usual:
    name: str
    size: int = 3
    parts: tuple[int, ...] | None = None


@fast_init
@dataclass(frozen=True, slots=True)
class Quick:
    name: str
    size: int = 3
    parts: tuple[int, ...] | None = None


class Longer(Quick):
    pass


def test_signature_fields_and_repr_are_those_of_dataclasses():
    assert inspect.signature(Quick) == inspect.signature(Usual)
    described = [[(f.name, f.type, f.default) for f in dataclasses.fields(kind)] for kind in (Quick, Usual)]
    assert described[0] == described[1]
    assert repr(Quick("a", parts=(1,))) == repr(Usual("a", parts=(1,))).replace("Usual", "Quick")
    assert Quick.__match_args__ == Usual.__match_args__


@pytest.mark.parametrize("record", [Quick("a", 1), Turn("Alice", "hi", 2, ids=(1, 2)), Longer("b", parts=(4,))])
def test_copies_are_equal_hash_alike_and_stay_frozen(record):
    pickled = pickle.loads(pickle.dumps(record))  # noqa: S301 - our own
    copies = [copy.copy(record), copy.deepcopy(record), pickled, dataclasses.replace(record)]
    for same in copies:
        assert same == record
        assert type(same) is type(record)
        assert hash(same) == hash(record)
        name = dataclasses.fields(same)[0].name
        with pytest.raises(FrozenInstanceError):
            setattr(same, name, "other")
        with pytest.raises(FrozenInstanceError):
            delattr(same, name)


def test_a_record_takes_no_new_attributes():
    view = View("Alice", ("Bob",), "holder", "exchange", "", "q", "", (), 0, 8)
    with pytest.raises((FrozenInstanceError, TypeError)):
        view.secret = "x"  # type: ignore[attr-defined]
    assert not hasattr(view, "__dict__")
    assert dataclasses.asdict(view)["turns_left"] == 8


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), (("a", 1, None, 2), {}), (("a",), {"weight": 2})])
def test_wrong_arguments_are_refused_as_ever(args, kwargs):
    with pytest.raises(TypeError):
        Quick(*args, **kwargs)


def test_default_factories_are_refused_by_name():
    with pytest.raises(TypeError, match="notes"):

        @fast_init
        @dataclass(frozen=True, slots=True)
        class Noted:
            notes: list[str] = field(default_factory=list)
