"""YAML of people and strangers: safe, one value a key, and never more than was written."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from optima_envs import documents
from optima_envs.documents import dump_yaml, load_yaml


def bomb(levels: int, width: int = 10) -> str:
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_numbers_are_those_of_yaml_1_2():
    assert load_yaml("a: 1e-6\nb: [2E3, 1.5]\nc: 1e") == {"a": 1e-6, "b": [2000.0, 1.5], "c": "1e"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (bomb(8), "more than 100,000 values"),
        ("a: &a {b: *a}", "a value that holds itself"),
        ("&a [*a]", "a value that holds itself"),
        ("a: 1\nb: 2\na: 3", "key 'a' is given twice"),
        ("[" * 20_000, "nested too deeply"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("a: [", "expected the node content"),
    ],
)
def test_what_is_none_is_refused_at_once(text: str, told: str):
    with pytest.raises(yaml.YAMLError, match=told):
        load_yaml(text)


def test_references_are_fine_while_they_stay_small():
    assert load_yaml(bomb(3, 2))["a2"] == [[["x", "x"]] * 2] * 2


@given(st.recursive(st.text(max_size=5) | st.integers() | st.none() | st.booleans(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)))  # fmt: skip
def test_what_is_written_is_read(value: object):
    assert load_yaml(dump_yaml(value)) == value


def test_the_bound_counts_values_as_often_as_they_are_referred_to(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(documents, "MOST_NODES", 12)
    assert load_yaml("a: &a [1, 2]\nb: *a")  # the mapping, two keys, and twice a list of two
    with pytest.raises(yaml.YAMLError):
        load_yaml("a: &a [1, 2]\nb: *a\nc: *a")
