"""Logs between runs: one writer at a time, nothing cut that is no log, and what a log says it holds."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from optima_agents import EpisodeLog, rollout
from optima_agents.scripted import Scripted
from optima_envs import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn, scenario
from optima_envs.lines import is_torn, lines
from optima_train.tree_search.log import TreeLog

HOLDS = {"env": "optima/x-v0", "team": {"policy": "hf:tiny", "temperature": 0.7}}


def episode(number: int = 0, error: ErrorInfo | None = None) -> Episode:
    inst = Instance(f"i{number}", f"question {number}?", ("a",), {"Alice": "x"})
    return Episode(
        EpisodeKey(inst.id), "optima/x-v0", inst, (Turn("Alice", "hi", 3),), Outcome("answered"), error=error
    )


def written(path: Path, count: int = 3, **kwargs) -> Path:
    with EpisodeLog(path, **kwargs) as log:
        for number in range(count):
            log.append(episode(number))
    return path


def hold(path: str, ready, done) -> None:
    with EpisodeLog(path):
        ready.set()
        done.wait()


def test_a_log_has_one_writer_at_a_time_whatever_process_it_is(tmp_path: Path):
    path = written(tmp_path / "e.jsonl")
    before = path.read_bytes()
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    child = context.Process(target=hold, args=(str(path), ready, done))
    child.start()
    ready.wait()
    try:
        path.write_bytes(before + b'{"schema":1,"half')  # as if the other one were in the middle of a line
        with pytest.raises(OSError, match="being written by another process"):
            EpisodeLog(path)
        assert path.read_bytes().endswith(b"half"), "nothing of the other's is cut"
        assert len(EpisodeLog.read(path)) == 3, "reading is free"
    finally:
        done.set()
        child.join()
    with EpisodeLog(path) as log:
        assert log.torn
        with pytest.raises(OSError, match="being written"):
            EpisodeLog(path)
    EpisodeLog(path).close()  # free again


def test_two_commands_on_one_log_do_not_double_a_dialogue(tmp_path: Path):
    """The second is refused while the first writes, and afterwards finds all done."""
    command = [sys.executable, "-m", "optima_train", "rollout", "twohop-asym", "--policy", "random", "-n", "300"]
    command += ["--samples", "4", "--out", str(tmp_path / "two.jsonl"), "--resume", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [run.communicate() for run in both]
    codes = sorted(run.returncode for run in both)
    assert codes in ([0, 0], [0, 2]), told  # they may also have come one after the other
    if codes == [0, 2]:
        assert any("being written by another process" in err for _, err in told)
    keys = [line.row["key"] for line in lines(tmp_path / "two.jsonl") if "key" in line.row]
    assert len(keys) == len({json.dumps(key) for key in keys}) == 1200


@pytest.mark.parametrize(
    "content",
    [
        b"my notes",
        b"my notes\nand more\n",
        b"\x00\x01\x02 binary",
        b"[1, 2]\n",
        b'"text"\n',
        b"{}\n",
        b'{"name": "thesis"}\n{"half',
        b"{'python': 1}",
        b"# yaml\nkey: value",
        "\ufeff{}\n".encode("utf-16"),
        b"x" * 3_000_000,
    ],
)
def test_what_is_no_log_is_left_as_it_is(tmp_path: Path, content: bytes):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"notes\.txt is no such log.*name another file"):
        EpisodeLog(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("path", ["/dev/full", "/dev/null", "/dev/zero"])
def test_devices_are_refused(path: str):
    with pytest.raises(ValueError, match="no regular file"):
        EpisodeLog(path)


def test_pipes_and_folders_are_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ValueError, match="no regular file"):
            EpisodeLog(path)


@pytest.mark.parametrize(
    "left", [b"", b"{", b'{"sch', b'{"schema":1,"key', b'{"schema": 1, "k', b'{"log":"epi', b" \n"]
)
def test_what_a_kill_leaves_of_a_first_line_is_cut(tmp_path: Path, left: bytes):
    path = tmp_path / "e.jsonl"
    path.write_bytes(left)
    with EpisodeLog(path) as log:
        log.append(episode())
    assert EpisodeLog.read(path) == [episode()]


def test_a_log_of_trees_is_no_log_of_episodes(tmp_path: Path):
    with TreeLog(tmp_path / "t.jsonl") as trees:
        trees.write({"tree": 0, "instance": "x"})
    with pytest.raises(ValueError, match="no such log"):
        EpisodeLog(tmp_path / "t.jsonl")


def test_a_log_says_what_it_holds_and_refuses_to_hold_anything_else(tmp_path: Path):
    path = written(tmp_path / "e.jsonl", holds=HOLDS)
    first = json.loads(path.read_text().splitlines()[0])
    assert first == {"log": "episodes", "holds": HOLDS}
    assert len(EpisodeLog.read(path)) == 3
    with EpisodeLog(path, holds=HOLDS) as log:
        assert len(log.keys()) == 3
    other = {**HOLDS, "team": {"policy": "random"}}
    with pytest.raises(ValueError, match=r"dialogues of another team: .*hf:tiny.*not .*random.*name another file"):
        EpisodeLog(path, holds=other)
    assert len(EpisodeLog.read(path)) == 3
    EpisodeLog(path).close()  # whoever does not say is not asked


def test_a_log_of_before_that_does_not_say_is_taken(tmp_path: Path):
    path = written(tmp_path / "e.jsonl")
    with (
        pytest.warns(RuntimeWarning, match=r"e\.jsonl does not say what it holds"),
        EpisodeLog(path, holds=HOLDS) as log,
    ):
        log.append(episode(7))
    assert [e.instance.id for e in EpisodeLog.read(log.path)] == ["i0", "i1", "i2", "i7"]


def test_forgotten_episodes_leave_the_log_and_nothing_else_changes(tmp_path: Path):
    path = written(tmp_path / "e.jsonl", 1, holds=HOLDS)
    with EpisodeLog(path) as log:
        for number in range(1, 5):
            log.append(episode(number, ErrorInfo("backend", "503") if number % 2 else None))
        path.chmod(0o600)
        whole = path.read_text().splitlines(keepends=True)
        assert log.forget(lambda entry: entry.error is not None) == 2
        assert path.read_text() == "".join(line for line in whole if '"503"' not in line)
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(OSError, match="being written"):
            EpisodeLog(path)  # the new file is locked too
        log.append(episode(9))
        assert log.forget(lambda entry: True) == 4
    assert path.read_text() == whole[0]
    assert [file.name for file in tmp_path.iterdir()] == ["e.jsonl"]


def test_a_disk_that_fills_up_while_forgetting_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with EpisodeLog(written(tmp_path / "e.jsonl")) as log:
        before = log.path.read_bytes()
        real = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:10]))
        with pytest.raises(OSError, match="disk full"):
            log.forget(lambda entry: entry.key.instance == "i1")
        monkeypatch.undo()
        log.append(episode(5))
    assert log.path.read_bytes().startswith(before)
    assert len(EpisodeLog.read(log.path)) == 4
    assert [file.name for file in tmp_path.iterdir()] == ["e.jsonl"]


DAMAGE = [
    "not json", "[1]", '{"schema": 1}', '{"key": 3}', "\x00" * 40, '{"schema":1,"key":{"instance":[1]}}',
    "[" * 100_000, '"text"', "null", '{"schema":2}', "{}" * 3, '{"key":{"instance":"a","sample":"x","seed":0}}',
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_line_ends_a_resumed_rollout_with_its_place(tmp_path: Path, damage: str):
    world = scenario("twohop-asym")
    path = tmp_path / "e.jsonl"
    with EpisodeLog(path) as log:
        rollout(world, Scripted(["x"]), episodes=2, log=log)
    path.write_bytes(path.read_bytes() + damage.encode() + b"\n")
    with EpisodeLog(path) as log, pytest.raises(ValueError, match=r"e\.jsonl, line 3: "):
        rollout(world, Scripted(["x"]), episodes=3, log=log)


def test_stray_blank_lines_are_passed_over(tmp_path: Path):
    path = tmp_path / "e.jsonl"
    written(path)
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"\n" + b"\n \n".join(rows) + b"\n\n")
    assert len(EpisodeLog.read(path)) == 3
    with EpisodeLog(path) as log:
        assert len(log.keys()) == 3
        assert log.forget(lambda entry: entry.key.instance == "i1") == 1
    assert len(EpisodeLog.read(path)) == 2


def test_torn_files_are_known_at_their_end(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    for content, torn in (("", False), ("{}\n", False), ("{}\n{", True), ("{", True), ("{}\n" + "x" * 200_000, True)):
        path.write_text(content)
        assert is_torn(path) == torn
