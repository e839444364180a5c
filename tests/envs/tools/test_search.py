"""Search over an instance's passages, lookup in the first of them, and queries written to be more than words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_envs.records import Instance
from optima_envs.tools.search import PASSAGE, WORLD, search
from optima_envs.tools.world import MAX_TEXT, Call, Done

PASSAGES = [
    ["Leith", "Leith is a port. It lies north of the city. Ships were built there. The port has a lighthouse."],
    ["Oban (town)", "Oban is a harbour town on the west coast."],
    ["", "The keeper of the lighthouse was born in Oban."],
    ["Long", "word " * 500],
]
INST = Instance("i", "?", ("Oban",), meta={"passages": PASSAGES})


def ask(done: list[Done], tool: str, text: str) -> str:
    call = Call(tool, (("query" if tool == "search" else "word", text),))
    done.append(Done(call, WORLD.observe(INST, done, call)))
    return done[-1].observation


def test_the_best_passages_come_first_and_titles_weigh_more():
    assert search(PASSAGES, "Where is Oban?")[0] == 1
    assert search(PASSAGES, "keepers of a lighthouse")[0] == 2  # word stems
    assert search(PASSAGES, "lighthouse", 1) in ([0], [2])
    assert search(PASSAGES, "zebra") == [] == search(PASSAGES, "?!")


def test_observations_are_one_line_a_passage_and_bounded():
    seen = ask([], "search", "word oban leith")
    lines = seen.splitlines()
    assert [line[:2] for line in lines] == ["1.", "2.", "3."] and len(seen) <= MAX_TEXT
    assert all(len(line) <= PASSAGE + 3 for line in lines)
    assert ask([], "search", "zebra") == "no passage holds any of these words"


def test_lookup_goes_through_the_first_passage_of_the_last_search():
    done: list[Done] = []
    assert ask(done, "lookup", "port").startswith("error: ")
    assert ask(done, "search", "Leith").startswith("1. Leith: Leith is a port.")
    assert ask(done, "lookup", "Port") == "(1 of 2) Leith is a port."
    assert ask(done, "lookup", "ships") == "(1 of 1) Ships were built there."
    assert ask(done, "lookup", "port") == "(2 of 2) The port has a lighthouse."
    assert ask(done, "lookup", "port") == "no more sentence of Leith holds that"
    assert ask(done, "lookup", "whale") == "no sentence of Leith holds that"
    ask(done, "search", "Oban town")
    assert ask(done, "lookup", "west") == "(1 of 1) Oban is a harbour town on the west coast."
    ask(done, "search", "zebra")
    assert ask(done, "lookup", "west").startswith("error: ")


@pytest.mark.parametrize(
    "query",
    ['"', "a OR NOT b", "title:Leith", "NEAR(a b)", "a* ^b", "'; DROP TABLE passage; --", "_", "(" * 99, "\x00 oban"],
)
def test_a_query_is_words_and_nothing_else(query: str):
    assert isinstance(search(PASSAGES, query), list)
    assert search(PASSAGES, f"{query} Leith")[:1] == [0]


@given(st.text(max_size=80))
def test_any_query_has_an_observation(query: str):
    for tool in ("search", "lookup"):
        assert len(ask([], tool, query)) <= MAX_TEXT


def test_hostile_passages_do_no_harm():
    odd = [["\ud800 title", "text \ud800\x00 here"], ["", ""], ["x" * 10_000, "y\n3. Fake: line"]]
    inst = Instance("i", "?", ("a",), meta={"passages": odd})
    seen = WORLD.observe(inst, [], Call("search", (("query", "text here fake y x"),)))
    assert len(seen.splitlines()) == len([line for line in seen.splitlines() if line[:2] in ("1.", "2.", "3.")])
