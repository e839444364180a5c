"""Rows from files, folders, lists, data frames and the hub, and the splits they are of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.task_rows import EXAM, HOP, PROBLEM, QUIZ, STORY, SUM, TASKS, TRIVIA

from optima_envs.checks.datacheck import check
from optima_envs.scenario import scenario
from optima_envs.scoring.metrics import METRICS
from optima_envs.scoring.numerals import read_number
from optima_envs.tasks.arc import ARC
from optima_envs.tasks.cbt import CBT
from optima_envs.tasks.gsm8k import GSM8K
from optima_envs.tasks.hendrycks import HendrycksMath
from optima_envs.tasks.hotpotqa import HotpotQA
from optima_envs.tasks.loading import DataError, Source
from optima_envs.tasks.mmlu import MMLU
from optima_envs.tasks.triviaqa import TriviaQA
from optima_envs.tasks.twowiki import TwoWiki


@pytest.mark.parametrize("task", TASKS)
def test_unknown_splits_list_the_known_ones(task: Any) -> None:
    with pytest.raises(DataError, match=f"{task.name} has no split 'tset' with answers; choose from .*train"):
        task("tset")


@pytest.mark.parametrize(
    ("written", "gold"),
    [
        ("\u201310", "-10"),
        ("\u2014 10", "- 10"),
        ("\u221210", "-10"),
        ("\uff0d10", "-10"),
        ("$\u20133", "$-3"),
        ("\u2013$3", "-$3"),
        ("1_000", "1000"),
        ("-12_345_678", "-12345678"),
        ("1,450,000", "1,450,000"),
        ("18", "18"),
    ],
)
def test_the_gold_number_is_the_one_written(written: str, gold: str) -> None:
    (inst,) = GSM8K(data=[{**SUM, "answer": f"work\n#### {written}"}])
    assert inst.answers == (gold,)
    assert read_number(gold) is not None
    assert METRICS["number"].score(gold.lstrip("- $"), inst.answers) == float("-" not in gold)


def pandas_rows(rows: list[dict[str, Any]]) -> list[dict[Any, Any]]:
    """Rows as pandas gives them back from a parquet file: lists are numpy arrays."""
    pa, pd = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    buffer = pa.BufferOutputStream()
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return pd.read_parquet(pa.BufferReader(buffer.getvalue())).to_dict("records")


@pytest.mark.parametrize(
    ("task", "row"),
    [
        (GSM8K, SUM),
        (HendrycksMath, PROBLEM),
        (CBT, STORY),
        (TriviaQA, TRIVIA),
        (ARC, QUIZ),
        (MMLU, EXAM),
        (HotpotQA, {**HOP, "context": {"title": ["T1", "T2"], "sentences": [["a.", "b."], ["c."]]},
                    "supporting_facts": {"title": ["T1", "T2"], "sent_id": [0, 0]}}),
    ],
)  # fmt: skip
def test_records_of_pandas_are_read_like_lists(task: Any, row: dict[str, Any]) -> None:
    given = pandas_rows([row])
    assert list(task(data=given)) == list(task(data=[row]))
    assert json.loads(json.dumps([dict(inst.meta) for inst in task(data=given)])) is not None


def test_numbers_and_gaps_of_numpy_in_rows() -> None:
    assert MMLU(data=[{**EXAM, "answer": np.int64(1), "choices": np.array(EXAM["choices"])}])[0].answers == ("B", "x")
    with pytest.raises(DataError, match="'question' is missing"):
        GSM8K(data=[{**SUM, "question": float("nan")}])
    with pytest.raises(DataError, match="'question' is list, not str"):
        GSM8K(data=[{**SUM, "question": np.array(["a", "b"])}])


@pytest.mark.parametrize("data", [object(), {"a": 1}, b"bytes", 7, pytest.param("frame", id="frame")])
def test_data_of_other_kinds_is_told_the_way_out(data: Any) -> None:
    data = pytest.importorskip("pandas").DataFrame([SUM]) if isinstance(data, str) else data
    with pytest.raises(DataError, match=r"not \w+; pass list\(dataset\), or frame.to_dict\('records'\)"):
        GSM8K(data=data)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000, "~nobody-of-that-name/x.jsonl", "/dev/null/x", "no/such@"])
def test_names_no_file_can_have_are_no_data_file(name: str) -> None:
    with pytest.raises(DataError, match="gsm8k-debate: no data file") as caught:
        GSM8K(data=name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("test.jsonl", "test"),
        ("train.json", "train"),
        ("dev.jsonl", "validation"),
        ("dev_v1.1.json", "validation"),
        ("validation-00000-of-00002.jsonl", "validation"),
        ("train-00003-of-00017.jsonl", "train"),
        ("testing.jsonl", "validation"),
        ("mine.jsonl", "validation"),
    ],
)
def test_a_local_file_is_the_split_it_is_named_after(tmp_path: Path, name: str, split: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps([HOP] if path.suffix == ".json" else HOP), encoding="utf-8")
    assert HotpotQA(data=path).split == scenario("2wmh-asym", data=str(path)).task.split == split
    assert HotpotQA("train", data=path).split == "train", "what somebody says counts"
    assert HotpotQA("test", data=path).split == "test", "and a file may hold what the hub has no answers for"
    with pytest.raises(
        DataError, match="hotpotqa-asym has no split 'tset' with answers; choose from train, validation"
    ):
        HotpotQA("tset", data=path)


def test_instances_are_named_after_the_split_they_are_of(tmp_path: Path) -> None:
    for name in ("train", "test", "mine"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(SUM), encoding="utf-8")
    ids = [GSM8K(data=tmp_path / f"{name}.jsonl")[0].id for name in ("train", "test", "mine")]
    assert ids == ["gsm8k-train-0", "gsm8k-test-0", "gsm8k-test-0"]
    assert GSM8K("train", data=tmp_path / "test.jsonl")[0].id == "gsm8k-train-0"
    dev = tmp_path / "dev.jsonl"
    dev.write_text(json.dumps(EXAM), encoding="utf-8")
    assert MMLU(data=dev).split == "dev", "a split of the source's own"


ESCAPE = "i\x1b]0;PWN\x07\n[forged] line"


def test_escapes_in_data_are_drawn_not_obeyed(tmp_path: Path) -> None:
    rows = [{**HOP, "_id": ESCAPE}, {**HOP, "_id": ESCAPE + "2", "answer": 5}, {**HOP, "_id": ESCAPE + "3"}]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        HotpotQA(data=path)
    assert str(caught.value).isprintable()
    report = str(check("hotpotqa-asym", path))
    assert all(line.isprintable() for line in report.split("\n"))
    assert not any(line.startswith("[forged]") for line in report.split("\n"))


def test_data_at_a_branch_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: datasets.Dataset.from_list([STORY]))
    CBT()
    assert "cbt-asym: cam-cst/cbt is read at main, which may change under you" in caplog.text
    assert "data='cam-cst/cbt@COMMIT'" in caplog.text
    caplog.clear()
    CBT(data="cam-cst/cbt@" + "a" * 40)
    assert caplog.text == ""


def test_split_names() -> None:
    assert TwoWiki("dev", data=[HOP]).split == TwoWiki("val", data=[HOP]).split == "validation"
    assert MMLU("dev", data=[EXAM]).split == "dev"
    with pytest.raises(DataError, match="no split 'test' with answers"):
        HotpotQA("test", data=[HOP])


@pytest.mark.parametrize("task", TASKS)
def test_offline_without_data_says_what_to_do(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the hub\nsecond line")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)  # the network is the one part a test cannot have
    with pytest.raises(DataError, match=f"{task.name}: cannot load .*no route to the hub.*pass data=FILE") as caught:
        task()
    assert "\n" not in str(caught.value)


def test_hub_files_are_read_as_data_at_a_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    asked: list[tuple[str, dict]] = []

    def record(kind: str, *, data_files: dict, split: str) -> Any:
        asked.append((kind, data_files))
        return datasets.Dataset.from_list([SUM])

    monkeypatch.setattr(datasets, "load_dataset", record)
    assert GSM8K()[0].answers == ("2",)
    revision = GSM8K.source.revision
    GSM8K("train", data="someone/mirror@abc123")
    GSM8K(data="hf://datasets/someone/mirror@abc123/rows.jsonl")
    assert asked == [
        ("parquet", {"test": [f"hf://datasets/openai/gsm8k@{revision}/main/test-*.parquet"]}),
        ("parquet", {"train": ["hf://datasets/someone/mirror@abc123/main/train-*.parquet"]}),
        ("json", {"test": ["hf://datasets/someone/mirror@abc123/rows.jsonl"]}),
    ]


def test_all_sources_but_one_are_pinned_to_a_commit() -> None:
    assert [task.name for task in TASKS if not task.source.pinned] == ["cbt-asym"]
    assert not Source("a/b", "main", {}).pinned


@pytest.mark.parametrize(
    ("env", "option"), [("hotpotqa-asym", {"paragraphs": "half"}), ("cbt-asym", {"halves": "odd"})]
)
def test_wrong_variants_are_named(env: str, option: dict) -> None:
    with pytest.raises(ValueError, match=f"{env}: .* not '"):
        scenario(env, data=[HOP], **option)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*sorted(HOP), "id", "choices"]), inner)
    ),
    max_leaves=10,
)


@given(st.sampled_from(TASKS), json_values, st.data())
def test_any_json_is_an_instance_or_a_clear_error(task: Any, value: Any, data: st.DataObject) -> None:
    good = {GSM8K: SUM, CBT: STORY, TriviaQA: TRIVIA, ARC: QUIZ, MMLU: EXAM, HendrycksMath: PROBLEM}.get(task, HOP)
    row = value if data.draw(st.booleans()) else {**good, data.draw(st.sampled_from(sorted(good))): value}
    try:
        inst = task(data=[row])[0]
    except DataError as err:
        inst, message = None, str(err)
        assert task.name in message
    if inst is not None:
        assert inst.question
        assert all(inst.answers)
        json.dumps(dict(inst.meta))
