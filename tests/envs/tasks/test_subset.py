"""Some instances of a task in the place of all, by ids or by place; and the supporting sentences of a context alone."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

import optima_envs
from optima_envs.tasks.loading import DataError
from optima_envs.tasks.subset import Subset, by_ids, read_ids


def row(name: str, facts: list[list[Any]], **changes: Any) -> dict[str, Any]:
    context = [["A", ["A one.", " A two."]], ["B &amp; C", ["B one.", "B two."]], ["D", ["D one."]]]
    return {"_id": name, "question": "Q?", "answer": "x", "supporting_facts": facts, "context": context, **changes}


def test_ids_choose_and_order_instances() -> None:
    task = optima_envs.scenario("hotpotqa-asym", data=[row(name, [["A", 0]]) for name in "abcd"]).task
    chosen = by_ids(task, ["d", "b"])
    assert [inst.id for inst in chosen] == ["d", "b"] == [inst.id for inst in chosen[:]]
    assert (len(chosen), chosen.name, chosen.split) == (2, "hotpotqa-asym", task.split)
    assert [inst.id for inst in copy.deepcopy(chosen)] == ["d", "b"]
    assert not hasattr(chosen, "find")


def test_what_a_task_can_do_it_still_can_as_a_part() -> None:
    task: Any = optima_envs.scenario("twohop-search").task
    assert Subset(task, range(2, 4)).solution(task[2]) == task.solution(task[2])


@pytest.mark.parametrize(
    ("ids", "told"),
    [([], "no ids"), (["a", "a"], "'a' is named twice"), (["a", "z"], "no instance has the id 'z'")],
)
def test_ids_that_choose_nothing_are_named(ids: list[str], told: str) -> None:
    task = optima_envs.scenario("hotpotqa-asym", data=[row("a", [["A", 0]])]).task
    with pytest.raises(ValueError, match=told):
        by_ids(task, ids)


def test_an_id_that_a_world_without_end_has_not_is_not_looked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optima_envs.tasks.subset.LOOKED_AT", 50)
    task = optima_envs.scenario("twohop-asym").task
    assert [inst.id for inst in by_ids(task, [task[49].id])] == [task[49].id]
    with pytest.raises(ValueError, match="no instance has the id 'nobody'"):
        by_ids(task, ["nobody"])


def test_a_file_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("\ufeff# mine\n a \n\nb\r\n", encoding="utf-8")
    assert read_ids(path) == ["a", "b"]
    for missing in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(ValueError, match="cannot be read as a list of ids"):
            read_ids(missing)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="cannot be read as a list of ids"):
        read_ids(path)


@pytest.mark.parametrize("env", ["hotpotqa-asym", "2wmh-asym"])
def test_supporting_sentences_alone_are_dealt(env: str) -> None:
    rows = [row("a", [["A", 1], ["B &amp; C", 0], ["A", 1]])]
    (inst,) = optima_envs.scenario(env, data=rows, paragraphs="supporting").task
    assert sorted(inst.private.values()) == ["A: A two.", "B & C: B one."]
    assert {title for titles in inst.meta["gold"].values() for title in titles} == {"A", "B & C"}
    assert "notes" not in inst.meta


def test_facts_that_are_not_there_are_noted_and_none_at_all_is_an_error() -> None:
    rows = [row("a", [["A", 7], ["Z", 0], ["D", 0]])]
    (inst,) = optima_envs.scenario("hotpotqa-asym", data=rows, paragraphs="supporting").task
    assert "".join(inst.private.values()) == "D: D one."
    assert len(inst.meta["notes"]) == 2
    for facts in ([["A", 7]], []):
        with pytest.raises(DataError, match="no supporting sentence is in the context"):
            optima_envs.scenario("hotpotqa-asym", data=[row("a", facts)], paragraphs="supporting")


def test_another_excerpt_is_refused() -> None:
    with pytest.raises(ValueError, match="paragraphs is 'full', 'first-sentence' or 'supporting', not 'all'"):
        optima_envs.scenario("hotpotqa-asym", data=[row("a", [["A", 0]])], paragraphs="all")
