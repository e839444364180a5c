"""Files that are whole or absent, and readers that say where a file is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optima_train.run.files import publish, read_json, read_lines, write_json, write_lines


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    assert write_lines(target, [{"a": 1}, {"a": "é"}]) == 2

    def rows() -> Iterator[dict]:
        yield {"a": 3}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lines(target, rows())
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"a": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_lines(target, [{"a": 4}, {"a": float("inf")}])
    assert list(read_lines(target)) == [{"a": 1}, {"a": "é"}]
    assert list(tmp_path.iterdir()) == [target]


@settings(deadline=None)  # it writes files, and a shared disk stalls
@given(st.lists(st.characters() | st.sampled_from("\\\ud800\udfff")).map("".join))
def test_any_text_is_written_and_read_again(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("text")
    write_lines(folder / "rows.jsonl", [{text: text}])
    write_json(folder / "row.json", {text: text})
    same = json.loads(json.dumps({text: text}))  # two surrogates side by side are one character
    assert list(read_lines(folder / "rows.jsonl")) == [same] == [read_json(folder / "row.json")]


def test_broken_files_are_named_with_their_line(tmp_path: Path) -> None:
    broken = tmp_path / "rows.jsonl"
    broken.write_text(json.dumps({"a": 1}) + "\n{torn")
    with pytest.raises(ValueError, match=r"rows\.jsonl, line 2: not JSON"):
        list(read_lines(broken))
    with pytest.raises(ValueError, match=r"rows\.jsonl: not JSON"):
        read_json(broken)


def test_publishing_replaces_what_an_earlier_attempt_left(tmp_path: Path) -> None:
    for name, text in (("model", "old"), ("model.partial", "new")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(text)
    publish(tmp_path / "model.partial", tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model/weights").read_text() == "new"
