"""Rows that are good, bad or not to be scored; every error is one line that names the row and the way out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.task_rows import EXAM, HOP, PROBLEM, QUIZ, STORY, SUM, TRIVIA

from optima_envs.checks.datacheck import check
from optima_envs.tasks.arc import ARC
from optima_envs.tasks.cbt import CBT
from optima_envs.tasks.gsm8k import GSM8K
from optima_envs.tasks.hendrycks import HendrycksMath
from optima_envs.tasks.hotpotqa import HotpotQA
from optima_envs.tasks.loading import DataError
from optima_envs.tasks.mmlu import MMLU
from optima_envs.tasks.triviaqa import TriviaQA
from optima_envs.tasks.twowiki import TwoWiki


def refused(task: type, rows: list[Any], message: str) -> None:
    """Loading stops at the row, says ``message``, and goes on without the row when asked to."""
    with pytest.raises(DataError, match=message) as caught:
        task(data=rows)
    text = str(caught.value)
    assert "\n" not in text
    assert task.name in text
    assert "row 2" in text
    assert "skip_bad_rows=True" in text
    kept = task(data=rows, skip_bad_rows=True)
    assert len(kept) == 1
    assert [skip.row for skip in kept.skipped] == [2]


@pytest.mark.parametrize(
    ("task", "good", "change", "message"),
    [
        (GSM8K, SUM, {"answer": "Two."}, "the solution has no ####"),
        (GSM8K, SUM, {"answer": "#### two"}, "the final answer 'two' is not a number"),
        (GSM8K, SUM, {"question": None}, "'question' is missing"),
        (GSM8K, SUM, {"question": 7}, "'question' is int, not str"),
        (GSM8K, SUM, {"question": "  "}, "'question' is empty"),
        (TwoWiki, HOP, {"_id": "h2", "context": "[["}, "'context' holds text that is not JSON"),
        (TwoWiki, HOP, {"_id": "h2", "context": []}, "the context is empty"),
        (TwoWiki, HOP, {"_id": "h2", "context": [["T1"]]}, "'context' is not a list of pairs"),
        (TwoWiki, HOP, {"_id": "h2", "context": [["T1", "text"]]}, "the paragraph 'T1' is not a list of sentences"),
        (
            TwoWiki,
            HOP,
            {"_id": "h2", "context": {"title": ["T1"], "sentences": []}},
            "title and sentences as lists of one",
        ),
        (
            TwoWiki,
            HOP,
            {"_id": "h2", "supporting_facts": {"title": ["T1"]}},
            "title and sent_id as lists of one length",
        ),
        (TwoWiki, HOP, {"_id": "h2", "answer": None}, "'answer' is missing"),
        (TwoWiki, HOP, {}, "the id h1 was used by row 1"),
        (HotpotQA, HOP, {"_id": "h2", "context": 5}, "'context' is int, not str or list or Mapping"),
        (CBT, STORY, {"answer": "cow"}, "the answer 'cow' is not among the options"),
        (CBT, STORY, {"question": "the cat"}, "no XXXXX in the question"),
        (CBT, STORY, {"sentences": ["a", 5]}, "'sentences' holds something that is not text"),
        (TriviaQA, TRIVIA, {"question_id": "tc_1", "answer": {"aliases": []}}, "no text under 'value'"),
        (ARC, QUIZ, {"id": "q2", "answerKey": "4"}, "the key '4' does not name one of the labels"),
        (ARC, QUIZ, {"id": "q2", "choices": {"text": ["x"], "label": ["A"]}}, "1 options"),
        (ARC, QUIZ, {"id": "q2", "choices": {"text": ["x", " "], "label": ["1", "2"]}}, "an option is empty"),
        (MMLU, EXAM, {"answer": 4}, "the answer 4 names none of the 4 options"),
        (MMLU, EXAM, {"answer": "E"}, "the answer 'E' names none"),
        (MMLU, EXAM, {"answer": True}, "the answer True names none"),
        (MMLU, EXAM, {"answer": "AB"}, "the answer 'AB' names none of the 4 options"),
        (MMLU, EXAM, {"answer": "ABCD"}, "the answer 'ABCD' names none"),
        (MMLU, EXAM, {"answer": "BC "}, "the answer 'BC ' names none"),
        (MMLU, EXAM, {"answer": ""}, "the answer '' names none"),
        (MMLU, EXAM, {"answer": "1"}, "the answer '1' names none"),
        (GSM8K, SUM, {"answer": "#### 1_0"}, "the final answer '1_0' is not a number"),
        (GSM8K, SUM, {"answer": "#### 5\u20136"}, "the final answer '5\u20136' is not a number"),
        (MMLU, EXAM, {"choices": ["w", None, "y", "z"]}, "'choices' holds something that is not text"),
        (HendrycksMath, PROBLEM, {"solution": "It is 2."}, "the solution has no .boxed"),
    ],
)
def test_a_bad_row_is_named(task: type, good: dict, change: dict, message: str) -> None:
    refused(task, [good, {**good, **change}], message)


@pytest.mark.parametrize("row", [None, 5, "text", [], b"x"])
def test_a_row_that_is_no_object(row: object) -> None:
    refused(GSM8K, [SUM, row], "not an object but")


@pytest.mark.parametrize(
    ("task", "good", "change", "reason"),
    [
        (HendrycksMath, PROBLEM, {"solution": "It is $\\boxed{}$."}, "the box with the final answer is empty"),
        (HendrycksMath, PROBLEM, {"problem": "What is $\\boxed{3}$?"}, "uses .boxed as a symbol"),
        (TriviaQA, TRIVIA, {"question_id": "x", "answer": {"value": "<unk>", "aliases": []}}, "the answer is withheld"),
        (TriviaQA, TRIVIA, {"question_id": "x", "search_results": {}}, "nothing to read"),
    ],
)
def test_a_row_nobody_can_be_scored_on_is_left_out_and_counted(
    task: Any, good: dict, change: dict, reason: str
) -> None:
    loaded = task(data=[good, {**good, **change}])
    assert len(loaded) == 1
    assert [skip.row for skip in loaded.skipped] == [2]
    assert re.search(reason, loaded.skipped[0].reason)
    assert loaded.skipped[0].unusable


def test_layouts_of_one_row_agree(tmp_path: Path) -> None:
    texts = {key: json.dumps(value) if isinstance(value, list) else value for key, value in HOP.items()}
    structs = {
        **HOP,
        "context": {"title": ["T1", "T2", "T3"], "sentences": [["a.", "b."], ["c."], ["d."]]},
        "supporting_facts": {"title": ["T1", "T2"], "sent_id": [0, 0]},
    }
    assert TwoWiki(data=[HOP])[0] == TwoWiki(data=[texts])[0] == HotpotQA(data=[structs])[0]
    authors = {
        "Question": "Who?",
        "QuestionId": "tc_0",
        "Answer": {"Value": "Ann", "Aliases": ["Anne"]},
        "SearchResults": [{"Description": "Ann did", "Title": "A"}, {"Description": "Bob did not", "Title": "B"}],
    }
    assert TriviaQA(data=[authors])[0] == TriviaQA(data=[TRIVIA])[0]
    stem = {"stem": "Which?", "choices": [{"text": t, "label": n} for n, t in zip("123", "xyz", strict=True)]}
    assert ARC(data=[{"id": "q1", "question": stem, "answerKey": "2"}])[0] == ARC(data=[QUIZ])[0]
    assert MMLU(data=[{**EXAM, "answer": "D"}])[0] == MMLU(data=[EXAM])[0]


def test_file_kinds_agree(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    rows = [SUM, {**SUM, "question": "2 + 2?", "answer": "#### 4"}] * 100
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (tmp_path / "a.json").write_text("\ufeff" + json.dumps(rows), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps({"Data": rows}), encoding="utf-8")
    (tmp_path / "a.jsonl").write_bytes(b"\r\n".join(json.dumps(row).encode() for row in rows) + b"\r\n\r\n")
    wanted = list(GSM8K(data=rows))
    for name in ("a.parquet", "a.json", "b.json", "a.jsonl"):
        assert list(GSM8K(data=tmp_path / name)) == wanted, name
    assert GSM8K(data=rows)[1:3] == wanted[1:3]
    assert GSM8K(data=rows).find("gsm8k-test-7") == 7
    with pytest.raises(KeyError, match="no instance 'x'"):
        GSM8K(data=rows).find("x")


def test_a_broken_line_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(SUM) + "\n{broken\n" + "[" * 100_000 + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"row 2 .*line 2 is not JSON"):
        GSM8K(data=tmp_path / "a.jsonl")
    assert len(GSM8K(data=tmp_path / "a.jsonl", skip_bad_rows=True).skipped) == 2
    report = check("gsm8k-debate", tmp_path / "a.jsonl")
    assert not report.ok
    assert "bad row: row 2" in str(report)


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for name in ("10", "9", "1"):  # the authors' tree of MATH: sparse names, any directory order
        (tmp_path / "test" / f"{name}.json").write_text(json.dumps(PROBLEM), encoding="utf-8")
    assert [inst.id for inst in HendrycksMath(data=tmp_path)] == ["test/1", "test/10", "test/9"]
    (tmp_path / "dev.json").write_text(json.dumps([HOP]), encoding="utf-8")
    assert TwoWiki(data=tmp_path)[0].id == "h1"
    with pytest.raises(DataError, match=r"has no train.parquet, train.json, train.jsonl and no folder train/"):
        GSM8K("train", data=tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"q,a", r"ends in '.csv'; use one of .parquet, .json, .jsonl"),
        ("a.json", b"{}{}", "one object a line belongs in a .jsonl file"),
        ("a.json", b"[" * 100_000, "is not JSON"),
        ("a.json", b'{"x": 1}', "holds a JSON dict, not a list of rows"),
        ("a.json", b"\xff\xfe\x00", "is not UTF-8 text"),
        ("a.jsonl", b"\xff", "is not UTF-8 text"),
        ("a.jsonl", b"", "has no usable row"),
        ("a.parquet", b"PAR1", "is not a readable parquet file"),
        ("a.pkl", b"cos\nsystem\n(S'echo'\ntR.", "ends in '.pkl'"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        GSM8K(data=tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "gsm8k-debate" in str(caught.value)


@pytest.mark.parametrize("data", ["nowhere.jsonl", 5, {"a": 1}, []])
def test_data_that_is_none(data: Any) -> None:
    with pytest.raises(DataError, match="gsm8k-debate"):
        GSM8K(data=data)
