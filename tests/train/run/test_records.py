"""What stages hand on: the JSON of every record as it has always been, and no key that is missing, odd or misspelt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_train.run.layout import RunDirectory
from optima_train.run.records import (
    DroppedRow,
    Marker,
    PreferenceRow,
    RankedRow,
    Record,
    SavedModel,
    SelectedRow,
    TrainingRow,
    decode,
    read_marker,
    read_records,
    write_marker,
    write_records,
)

# a line of each file as runs before this codec have it: those must still resume
LINES: dict[type[Record], str] = {
    RankedRow: '{"instance": "q-1", "sample": 2, "seed": 7, "reward": 0.25, '
    '"terms": {"task": 1.0, "tokens": -0.75}, "failed": null}',
    SelectedRow: '{"instance": "q-1", "sample": 2, "seed": 7, "reward": 0.25}',
    DroppedRow: '{"instance": "q-2", "reason": "all dialogues failed", "reward": null}',
    TrainingRow: '{"instance": "q-1", "sample": 2, "agent": "Bob", "turns": [1, 3], '
    '"input_ids": [5, 6, 7], "completion_mask": [0, 0, 1]}',
    PreferenceRow: '{"instance": "q-1", "tree": 0, "node": 4, "agent": "Bob", "depth": 1, "prompt_ids": [5, 6], '
    '"chosen_ids": [7, 1], "rejected_ids": null, "chosen": "é \\ud800", "rejected": "", "chosen_value": 0.5, '
    '"rejected_value": -1.0}',
}
MARKER: dict[str, Any] = {
    "stage": "train",
    "iteration": 0,
    "time": 1.5,
    "seconds": 2.0,
    "numbers": {"loss": 0.5, "stops": {"answered": 3}},
    "model": {"model": "model", "adapter": None},
    "files": {"model/config.json": 12},
}


@pytest.mark.parametrize("kind", LINES)
def test_the_json_of_a_row_stays_as_it_is(tmp_path: Path, kind: type[Record]) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_text(f"{LINES[kind]}\n")
    assert write_records(new, read_records(old, kind)) == 1
    assert new.read_bytes() == old.read_bytes()


@pytest.mark.parametrize("extra", [{}, {"digests": {"a": "sha256:0"}}, {"copied_from": "runs/other"}])
def test_the_json_of_a_marker_stays_as_it_is(tmp_path: Path, extra: dict[str, Any]) -> None:
    path = tmp_path / "DONE.json"
    path.write_text(json.dumps(MARKER | extra))
    marker = read_marker(path)
    assert marker.model == SavedModel(model="model", adapter=None)
    write_marker(path, marker)
    assert list(json.loads(path.read_text()).items()) == list((MARKER | extra).items())


@pytest.mark.parametrize("kind", LINES)
def test_every_key_is_asked_for_and_no_other_let_through(tmp_path: Path, kind: type[Record]) -> None:
    row = json.loads(LINES[kind])
    path = tmp_path / "rows.jsonl"
    for key in row:
        for damaged, said in (
            ({k: v for k, v in row.items() if k != key}, f"'{key}' is missing"),
            ({("x" + k if k == key else k): v for k, v in row.items()}, f"'{key}' is missing"),
            (row | {f"{key}s": 1}, f"unknown key '{key}s'"),
            (row | {key: {"odd": []}}, key),
            (row | {key: float("nan")}, key),
        ):
            path.write_text(f"{LINES[kind]}\n{json.dumps(damaged)}\n")
            with pytest.raises(ValueError, match=rf"rows.jsonl:2: no {kind.__name__}: ") as caught:
                list(read_records(path, kind))
            assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (RankedRow, "sample", "3"),
        (RankedRow, "sample", True),
        (RankedRow, "sample", 1.0),
        (RankedRow, "reward", "0.5"),
        (RankedRow, "terms", [["task", 1.0]]),
        (TrainingRow, "input_ids", "567"),
        (TrainingRow, "input_ids", [5, "6"]),
        (TrainingRow, "input_ids", [5, 6.0]),
        (TrainingRow, "completion_mask", {"0": 1}),
        (PreferenceRow, "chosen", None),
    ],
)
def test_nothing_is_read_as_something_else(kind: type[Record], key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"f:1: no {kind.__name__}: {key}"):
        decode(kind, json.loads(LINES[kind]) | {key: value}, "f:1")


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_json_there_is_ends_in_one_line(value: Any) -> None:
    for kind in (*LINES, Marker):
        with pytest.raises(ValueError, match="f:1: no ") as caught:
            decode(kind, value, "f:1")
        assert "\n" not in str(caught.value) or "\n" in json.dumps(value, ensure_ascii=False)


def test_a_damaged_marker_is_named(tmp_path: Path) -> None:
    stage = RunDirectory(tmp_path).stage("it000/train")
    stage.path.mkdir(parents=True)
    for damaged, said in ((MARKER | {"model": {"modle": "model"}}, "'model.model' is missing"), ([], "no mapping")):
        stage.marker.write_text(json.dumps(damaged))
        with pytest.raises(ValueError, match=f"it000/train/DONE.json: no Marker: .*{said}"):
            read_marker(stage.marker)
