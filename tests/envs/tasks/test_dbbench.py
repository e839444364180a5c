"""dbbench: AgentBench's records, what is wrong with some of them, and an oracle over all the others."""

from __future__ import annotations

import copy
import hashlib
import json

import pytest
from support.acting import BOATS, TUNING, play, record, replies, script

from optima_envs.games.tool_use import ToolUse
from optima_envs.tasks.dbbench import DBBench
from optima_envs.tasks.loading import DataError
from optima_envs.tools.rows import METRIC
from optima_envs.tools.sql import rows
from optima_envs.tools.sql_world import table_of

GOLD = "UPDATE `harbour log` SET Crates = '8' WHERE Boat = 'Heron';"
RECORDS = [
    record("UPDATE", [GOLD], answer_md5="[('not compared',)]"),
    record("INSERT", ["INSERT INTO `harbour log` (Boat, Catch, Crates) VALUES ('Skua', 'eel', '3')"]),
    record("DELETE", ["DELETE FROM `harbour log` WHERE Crates = 0"]),
    record("counting", ["4.0"], sql={"query": "SELECT COUNT(*) FROM `harbour log`;", "length": 1}),
    record("other", ["none"], sql={"query": "SELECT Boat FROM `harbour log` WHERE Catch = 'eel'"}),
    record("other", ["Wren", "Tern"], sql={"query": "SELECT Boat FROM `harbour log` WHERE Catch = 'cod'"}),
    record("ranking", ["Wren"], sql={"query": "SELECT Boat FROM `harbour log` ORDER BY Crates DESC LIMIT 1"}),
    record("other", ["Gull"], sql={"query": "SELECT BoatFROM harbour log"}),
    record("other", ["cod"]),
]  # fmt: skip


def lazy(view) -> str:
    return "Final Answer: I do not know"


def check_oracle_and_lazy(task, **rules) -> int:
    """Plays both over the whole task; a perfect dialogue is worth 1 everywhere, a lazy one 0."""
    game = ToolUse(world="sql", max_turns=20, **rules)
    for inst in task:
        lines = {**task.solution(inst), "checker": ["Approve"]}
        turns, outcome = play(game, inst, script(lines))
        assert METRIC.score(outcome.answer, inst.answers) == 1.0, inst.id
        assert not game.faults(inst, turns) and not any(text.startswith("error") for text in replies(turns))
        assert METRIC.score(play(game, inst, lazy)[1].answer, inst.answers) == 0.0, inst.id
    return len(task)


@pytest.mark.parametrize("checker", [False, True])
def test_an_oracle_is_right_on_every_record_and_a_lazy_agent_on_none(checker: bool):
    assert check_oracle_and_lazy(DBBench(data=RECORDS), checker=checker) == len(RECORDS)


def test_an_instance_holds_the_question_and_hides_table_and_gold():
    inst = DBBench(data=RECORDS)[0]
    assert inst.id == "dbbench-test-0" and inst.private == {}
    assert inst.question == "Look into the harbour log.\nThe table harbour log has the columns Boat, Catch, Crates."
    assert inst.meta["table"]["rows"] == BOATS and json.loads(json.dumps(inst.meta)) == inst.meta
    view = ToolUse(world="sql").view(inst, (), "Alice")
    assert "Wren" not in str(view) and inst.answers[0] not in str(view)
    assert table_of(inst.meta).rows == tuple(tuple(row) for row in BOATS)


def test_questions_are_graded_by_their_label_with_a_note_where_the_table_disagrees():
    task = DBBench(data=RECORDS)
    notes = {inst.id[-1]: inst.meta.get("notes", [""])[0].split(":")[0] for inst in task}
    assert notes["6"] == "the gold statement disagrees with the label"
    assert notes["7"] == notes["8"] == "the gold statement does not run"
    assert {notes[number] for number in "012345"} == {""}
    assert task[3].answers == ('["4.0"]',)


def broken(change) -> dict:
    row = copy.deepcopy(RECORDS[3])
    change(row)
    return row


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda row: row.pop("table"), "'table' is missing"),
        (lambda row: row["table"].pop("table_info"), "'table_info' is missing"),
        (lambda row: row["table"]["table_info"].update(columns="ab"), "'columns' is not a list of objects"),
        (lambda row: row["table"]["table_info"].update(columns=[]), "'columns' is not a list of objects"),
        (lambda row: row["table"]["table_info"]["columns"][2].update(name="Boat"), "two columns named Boat"),
        (lambda row: row["table"]["table_info"]["columns"][2].update(name="boat"), "two columns named boat"),
        (lambda row: row["table"]["table_info"]["columns"][2].update(name=7), "'name' is int"),
        (lambda row: row["table"]["table_info"]["rows"].append(["only one"]), "row 5 of the table has 1 values"),
        (lambda row: row["table"]["table_info"]["rows"].append("abc"), "'rows' is not a list of lists"),
        (lambda row: row["table"]["table_info"]["rows"].append([{}, 1, 2]), "SQLite does not take the table"),
        (lambda row: row["table"].update(table_name="sqlite_master"), "SQLite does not take the table"),
        (lambda row: row.update(label=[]), "'label' is not a list of texts"),
        (lambda row: row.update(label=[["a"]]), "'label' is not a list of texts"),
        (lambda row: row.update(type="other"), "'type' is str"),
        (lambda row: row.update(description=" "), "'description' is empty"),
    ],
)
def test_a_row_that_breaks_the_schema_is_named_with_its_reason(change, reason: str):
    with pytest.raises(DataError, match=r"row 1 .*" + reason.replace("(", r"\(")):
        DBBench(data=[broken(change)])
    task = DBBench(data=[broken(change), *RECORDS], skip_bad_rows=True)
    assert [(skip.row, skip.unusable) for skip in task.skipped] == [(1, False)] and len(task) == len(RECORDS)


def test_a_change_that_changes_nothing_or_does_not_run_is_left_out_and_counted():
    rows = [
        record("UPDATE", ["UPDATE `harbour log` SET Crates = '7' WHERE Boat = 'Heron'"]),
        record("UPDATE", ["UPDATE `harbour log` SET Crates = 9 WHERE Boat = 'Nobody'"]),
        record("UPDATE", ["UPDATE nowhere SET Crates = 9"]),
        record("UPDATE", ["DROP TABLE `harbour log`"]),
        RECORDS[0],
    ]
    task = DBBench(data=rows)
    assert [(skip.row, skip.unusable) for skip in task.skipped] == [(1, True), (2, True), (3, True), (4, True)]
    assert [skip.reason[:35] for skip in task.skipped] == [
        "the gold statement changes nothing", "the gold statement changes nothing",
        "the gold statement does not run (er", "the gold statement does not run (er"]  # fmt: skip


def test_without_a_file_the_way_out_is_named():
    for split, file in (("test", "standard.jsonl"), ("dev", "dev.jsonl")):
        with pytest.raises(DataError, match=rf"pass data=FILE with data/dbbench/{file}"):
            DBBench(split)


# --- the records themselves ---


def published(name: str):
    path = TUNING / "agentbench" / name
    if not path.exists():
        pytest.skip(f"no agentbench/{name} in the shared data")
    return path


AGREE = {0, 6, 9, 11, 14, 21, 22, 23, 27, 29, 32}
DISAGREE = {2, 5, 7, 8, 12, 16, 17, 19, 24, 25, 26}
BROKEN = {1, 3, 4, 10, 13, 15, 18, 20, 28, 30, 31}


def test_published_records():
    task = DBBench(data=published("dbbench_standard.jsonl"))
    assert [(skip.row, skip.reason) for skip in task.skipped] == [(52, "the gold statement changes nothing")]
    kinds = [inst.meta["kind"] for inst in task if inst.meta["change"]]
    assert (kinds.count("INSERT"), kinds.count("UPDATE"), len(task) - len(kinds)) == (12, 11, 33)
    noted: dict[str, set[int]] = {}
    for inst in task:
        if not inst.meta["change"]:
            kind = inst.meta.get("notes", ["agrees"])[0].split(":")[0]
            noted.setdefault(kind, set()).add(int(inst.id.rpartition("-")[2]))
    assert noted == {
        "agrees": AGREE,
        "the gold statement disagrees with the label": DISAGREE,
        "the gold statement does not run": BROKEN,
    }


@pytest.mark.parametrize("checker", [False, True])
def test_an_oracle_over_the_published_records(checker: bool):
    assert check_oracle_and_lazy(DBBench(data=published("dbbench_standard.jsonl")), checker=checker) == 56


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_the_table_after_each_published_change_has_the_published_hash():
    """MySQL's own verdict, from the records: md5 over the sorted hashes of the rows. So our tables end as theirs."""
    path = published("dbbench_standard.jsonl")
    hashes = [json.loads(line).get("answer_md5", "") for line in path.read_text(encoding="utf-8").splitlines()]
    checked = 0
    for inst in DBBench(data=path):
        if inst.meta["change"]:
            after = rows(table_of(inst.meta), [inst.meta["gold"]])
            lines = [",".join(str(value) for value in row if value is not None) for row in after]
            assert md5(",".join(sorted(md5(line)[:5] for line in lines))) in hashes[int(inst.id.rpartition("-")[2])]
            checked += 1
    assert checked == 23


def test_two_columns_of_one_name_in_the_copy_that_differs():
    path = published("dbbench_cmat_differs.jsonl")
    with pytest.raises(DataError, match=r"row 2 .*two columns named Score"):
        DBBench(data=path)
    task = DBBench(data=path, skip_bad_rows=True)
    assert [skip.row for skip in task.skipped] == [2, 3] and [inst.id for inst in task] == ["dbbench-test-0"]
