"""What a layout has no place for is kept as a difference: exact down to types, and small where two rows are alike."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optima_train.trajectories.residue import apply, diff

VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 0.0, 1.0, "", "a", "ab", "b", "\ud800", "\u2028"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


def strict(value) -> str:
    """Equal texts mean equal JSON, types included; the order of keys does not count."""
    return json.dumps(value, sort_keys=True)


@settings(max_examples=400, deadline=None)
@given(ours=VALUES, theirs=VALUES)
def test_a_difference_gives_back_the_other_one(ours, theirs) -> None:
    patch = json.loads(json.dumps(diff(ours, theirs)))
    assert strict(apply(ours, patch)) == strict(theirs)
    assert (patch is None) == (strict(ours) == strict(theirs))


def test_what_is_alike_is_not_stored_again() -> None:
    long = "x" * 1000
    ours = {"id": "1", "turns": [{"role": "user", "text": long}, {"role": "gpt", "text": long}]}
    theirs = {"id": 1, "turns": [{"role": "user", "text": long + "\n"}, {"role": "gpt", "text": long, "loss": True}]}
    assert len(json.dumps(diff(ours, theirs))) < 150


@pytest.mark.parametrize("patch", [["~"], ["~", 1, 2, 3], ["@", {}], ["?", 1], [], 7, ["[", "x"], {"a": 1}])
def test_a_difference_that_does_not_fit_is_a_value_error(patch) -> None:
    with pytest.raises(ValueError, match="kept differences"):
        apply({"a": 1} if patch != ["[", "x"] else "text", patch)
