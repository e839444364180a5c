"""The lease book: whatever happens, each unit is finished once, and none is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_agents.workers.leases import LeaseBook

ACTS = st.lists(
    st.tuples(st.sampled_from(["lease", "finish", "lose", "stale"]), st.integers(0, 3), st.integers(0, 30)),
    max_size=200,
)


@given(ACTS)
def test_nothing_is_lost_and_nothing_is_finished_twice(acts):
    book: LeaseBook[int, str] = LeaseBook()
    for key in range(12):
        book.add(key, f"unit {key}")
    finished: list[int] = []
    had: dict[str, list[int]] = {}
    for act, number, at in acts:
        worker = f"w{number}"
        if act == "lease":
            had.setdefault(worker, []).extend(key for key, _ in book.lease(worker, at % 4))
        elif act == "lose":
            book.give_back(worker)
        elif had.get(worker):  # a worker tells of what it has, or had before it was given up
            key = had[worker][at % len(had[worker])]
            if book.finish(worker, key) is not None:
                finished.append(key)
    rest = [book.give_back(f"w{number}") for number in range(4)]
    assert rest
    left = [key for key, _ in book.lease("last", 99)]
    assert sorted(finished + left) == list(range(12))


def test_what_comes_back_waits_in_front_in_its_old_order():
    book: LeaseBook[str, int] = LeaseBook()
    for at, key in enumerate("abcd"):
        book.add(key, at)
    assert book.lease("one", 2) == [("a", 0), ("b", 1)]
    assert (book.waiting, book.held("one"), book.open) == (2, 2, 4)
    assert book.give_back("one") == ["a", "b"]
    assert [key for key, _ in book.lease("two", 9)] == ["a", "b", "c", "d"]


def test_a_second_copy_is_told_and_a_key_is_open_once():
    book: LeaseBook[str, int] = LeaseBook()
    book.add("a", 1)
    with pytest.raises(ValueError, match="already"):
        book.add("a", 2)
    book.lease("one", 1)
    with pytest.raises(ValueError, match="already"):
        book.add("a", 2)
    book.give_back("one")
    book.lease("two", 1)
    assert book.finish("one", "a") is None, "it was taken for lost, and another has the unit"
    assert book.unit("two", "a") == 1
    assert book.finish("two", "a") == 1
    assert book.finish("two", "a") is None
    assert book.unit("two", "a") is None


def test_forgetting_names_the_worker_that_should_stop():
    book: LeaseBook[str, int] = LeaseBook()
    book.add("a", 1)
    book.add("b", 2)
    book.lease("one", 1)
    assert book.forget("a") == "one"
    assert book.forget("b") is None
    assert book.open == 0
