"""Rows out of files: bounded, one at a time, a bad row told by its number and a bad file by its name and byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optima_envs.tasks.loading import DataError
from optima_train.trajectories import files
from optima_train.trajectories.files import Broken, Entry, entries
from optima_train.trajectories.writing import write_file

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def read(path: Path, **options) -> list:
    return list(entries(path, **options))


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
@pytest.mark.parametrize("window", [1, 7, 1 << 20])
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(VALUES, max_size=6))
def test_rows_are_those_that_were_written(suffix: str, window: int, rows: list, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("rows") / f"rows{suffix}"
    write_file(path, rows)
    with pytest.MonkeyPatch.context() as patch:  # the window splits values, keys, numbers and characters
        patch.setattr(files, "CHUNK", window)
        assert read(path) == [Entry(number, row) for number, row in enumerate(rows)]


@settings(max_examples=40, deadline=None)
@given(rows=st.dictionaries(st.text(max_size=5), VALUES, max_size=6), indent=st.sampled_from([None, 1]))
def test_an_object_gives_its_values_with_their_keys(rows: dict, indent, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.json"
    path.write_text(json.dumps(rows, indent=indent))
    assert read(path, keyed=True) == [Entry(k, value, key) for k, (key, value) in enumerate(rows.items())]
    assert read(path) == [Entry(0, rows)]


LINES = {
    b'{"a": 1}': None,
    b"{": "not JSON",
    b'{"a": NaN}': "not JSON: NaN is no JSON number",
    b'{"a": -Infinity}': "not JSON: -Infinity",
    b"\xff{}": "not UTF-8 (byte 0 of the line)",
    b'{"a": "\x00"}': "not JSON",
    b"[" * 100_000: "not JSON: nested too deeply",
    b'{"n": ' + b"9" * 5000 + b"}": "not JSON",
    b"": None,
    b'["a list"]': None,
}


def test_a_bad_line_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join([*LINES, b'{"last": true}']))
    found = {entry.row: entry for entry in read(path)}
    for number, reason in enumerate(LINES.values()):
        if reason is not None:
            broken = found[number]
            assert isinstance(broken, Broken) and broken.reason.startswith(reason), broken
    assert found[0] == Entry(0, {"a": 1}), "a byte order mark is no part of the first row"
    assert 8 not in found, "an empty line is no row, but it counts as a line"
    assert found[10] == Entry(10, {"last": True}), "a last line without an end is read"


def test_a_line_beyond_the_limit_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROW_LIMIT", 100)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n' + json.dumps("x" * 1000) + '\n{"a": 2}\n' + json.dumps("y" * 99))
    assert [type(entry) for entry in read(path)] == [Entry, Broken, Entry, Broken]
    assert "longer than 100 bytes" in read(path)[1].reason


BROKEN = {
    b'[{"a": 1}, {"b": }]': "Expecting value (byte 17)",
    b'[{"a": 1} {"b": 2}]': "expected ',' or ']' (byte 10)",
    b'[{"a": 1},': "Expecting value (byte 10)",
    b'[{"a": 1}': "the file ends too early (byte 9)",
    b'{"a": 1} {"b": 2}': "text after the value (byte 9); one object a line belongs in a .jsonl file",
    b"": "Expecting value (byte 0)",
    '["\u00e9\u00e9", tru]'.encode(): "Expecting value (byte 9)",
    b'["' + b"x" * 300: "Unterminated string starting at (byte 1)",
    b'["a", NaN]': "NaN is no JSON number",
    b"[" + b"[" * 100_000: "nested too deeply",
    b'["\x01"]': "Invalid control character at (byte 2)",
}


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("window", [4, 1 << 20])
def test_a_broken_json_file_is_named_with_the_byte(content: bytes, window: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(files, "CHUNK", window)
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in str(caught.value) and BROKEN[content] in str(caught.value)


def test_the_rows_before_a_break_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK", 8)
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1}, {"a": 2}, {"a": ]')
    stream = entries(path)
    assert [cast("Any", next(stream)).value for _ in range(2)] == [{"a": 1}, {"a": 2}]
    with pytest.raises(DataError):
        next(stream)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(b'["\xc3\xa9", "\xff"]')
    with pytest.raises(DataError, match=r"not UTF-8 text \(byte 8\)"):
        read(path)


def test_csv_rows_are_mappings_and_odd_ones_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b',prompt\r\n0,"two\nlines, and ""quotes"""\r\n1,a,b\r\n2,\xff\r\n\r\n3,last')
    assert read(path) == [
        Entry(0, {"": "0", "prompt": 'two\nlines, and "quotes"'}),
        Broken(1, "3 fields, the header has 2"),
        Broken(2, "not UTF-8"),
        Entry(4, {"": "3", "prompt": "last"}),
    ]


def test_a_quotation_that_never_ends_does_not_take_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROW_LIMIT", 1000)
    path = tmp_path / "rows.csv"
    path.write_text('a\n1\n"' + "x\n" * 5000)
    with pytest.raises(DataError, match="is not CSV after row 0"):
        read(path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b,a\n1,2,3\n")
    with pytest.raises(DataError, match="two columns have one name"):
        read(path)


def test_parquet_rows_are_plain(tmp_path: Path) -> None:
    import datetime

    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    rows = [{"id": k, "day": datetime.date(2024, 1, k + 1), "x": float("nan"), "n": {"a": [k, None]}} for k in range(3)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert read(path)[1] == Entry(1, {"id": 1, "day": "2024-01-02", "x": "nan", "n": {"a": [1, None]}})
    path.write_bytes(b"PAR1 no parquet")
    with pytest.raises(DataError, match="not a readable parquet file"):
        read(path)


@pytest.mark.parametrize(
    "name", ["data.pkl", "model.pt", "rows.py", "rows.txt", "rows", "rows.jsonl.gz", "w.safetensors"]
)
def test_nothing_else_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(DataError, match=r"data is read from .jsonl, .json, .csv, .parquet only"):
        read(tmp_path / name)
    with pytest.raises(DataError):
        write_file(tmp_path / name, [{}])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.jsonl cannot be opened: No such file"):
        read(tmp_path / "none.jsonl")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    for suffix in (".jsonl", ".json", ".csv", ".parquet"):
        path = tmp_path / f"rows{suffix}"
        with pytest.raises(DataError):
            write_file(path, [{"a": 1}, {"a": object()}])
        assert list(tmp_path.iterdir()) == [], suffix


def test_a_csv_says_which_row_has_other_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 1 has the keys b, the first one a"):
        write_file(tmp_path / "rows.csv", [{"a": 1}, {"b": 1}])


@pytest.mark.parametrize(
    "late", [{"a": 1, "b": 2}, {"a": 1, "c": {"x": 1, "y": 2}}, {"a": 1, "d": [{"x": 1, "z": [{"w": 1}]}]}]
)
def test_parquet_leaves_no_key_out_in_silence(late: dict, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    early = {"a": 0, "c": {"x": 0}, "d": [{"x": 0}]}
    path = tmp_path / "rows.parquet"
    write_file(path, [early, late])
    last = read(path)[-1]
    assert isinstance(last, Entry) and _held(last.value, late)
    with pytest.raises(DataError, match="new key"):  # the columns are decided by then
        write_file(tmp_path / "other.parquet", [*[early] * 600, late])
    assert not (tmp_path / "other.parquet").exists()


@pytest.mark.parametrize("odd", [{"f": {}}, {"f": [{"g": {}}]}, {"f": 2**70}, {"f": "\ud800"}])
@pytest.mark.parametrize("before", [0, 600])
def test_what_parquet_cannot_hold_is_an_error_that_says_so(odd: dict, before: int, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=r"rows.parquet cannot be written"):
        write_file(tmp_path / "rows.parquet", [*[{"a": 1}] * before, odd])
    assert not list(tmp_path.iterdir())


def _held(row: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return all(_held(row[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return all(_held(a, b) for a, b in zip(row, wanted, strict=True))
    return row == wanted
