"""``optima data``: read, show, write, check and mix, on look-alikes of the authors' files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.foreign import native, save
from support.foreign_runs import AGENTINSTRUCT, NAT

from optima_agents import EpisodeLog
from optima_train.cli.main import main


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return save(tmp_path / "db.jsonl", [*AGENTINSTRUCT, {"id": "db_3", "conversations": []}, AGENTINSTRUCT[0]])


def test_read_counts_what_is_kept_and_why_the_rest_is_not(rows: Path, tmp_path: Path, capsys) -> None:
    out, dropped = tmp_path / "episodes.jsonl", tmp_path / "dropped.jsonl"
    command = ["data", "read", "agentinstruct", str(rows), "--out", str(out), "--dropped", str(dropped)]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "4 rows: 3 kept, 1 dropped" in told and "with loss" in told and "an id that came before" in told
    assert [item.instance.id for item in EpisodeLog.iterate(out)] == ["db_1", "db_2", "db_1#2"]
    (row,) = native(dropped)
    assert (row["file"], row["row"], row["id"]) == ("db.jsonl", 2, "db_3") and row["reason"] in told


def test_steps_and_options_are_taken(tmp_path: Path, capsys) -> None:
    runs = save(tmp_path / "nat.jsonl", NAT)
    questions = save(tmp_path / "questions.jsonl", [{"id": "q1", "question": "Is there a moon?"}])
    command = ["data", "read", "nat", str(runs), "--questions", str(questions), "--step", "keep: {min_score: 1.0}"]
    assert main(command) == 0
    assert "1 kept" in capsys.readouterr().out
    assert main([*command[:3], str(runs), "--option", "questoins=x"]) == 2
    assert "did you mean questions" in capsys.readouterr().err
    assert main([*command[:-1], "kepp"]) == 2
    assert "did you mean keep" in capsys.readouterr().err
    assert main(["data", "read", "agentinstuct", str(runs)]) == 2
    assert "did you mean agentinstruct" in capsys.readouterr().err


def test_show_marks_what_is_trained_on_and_finds_an_id(rows: Path, tmp_path: Path, capsys) -> None:
    assert main(["data", "show", "agentinstruct", str(rows), "--id", "db_2"]) == 0
    told = capsys.readouterr().out
    assert "db_2" in told and "\u27e6Deleting." in told and "\u27e6Ok." not in told
    log = tmp_path / "log.jsonl"
    assert main(["data", "read", "agentinstruct", str(rows), "--out", str(log)]) == 0
    capsys.readouterr()
    assert main(["data", "show", str(log), "db_2"]) == 0
    assert capsys.readouterr().out == told
    assert main(["data", "show", str(log), "db_9"]) == 2
    assert "no trajectory 'db_9'" in capsys.readouterr().err


def test_written_back_a_row_is_what_it_was(rows: Path, tmp_path: Path, capsys) -> None:
    back = tmp_path / "back.jsonl"
    command = ["data", "write", "agentinstruct", str(rows), "--from", "agentinstruct", "--out", str(back)]
    assert main(command) == 0
    assert native(back) == [*AGENTINSTRUCT, AGENTINSTRUCT[0]]
    table = tmp_path / "table.parquet"
    assert main(["data", "write", "table", str(rows), "--from", "agentinstruct", "--out", str(table)]) == 0
    assert main(["data", "read", "optima", str(table)]) == 0
    assert "3 rows: 3 kept" in capsys.readouterr().out
    assert main(command[:-2]) == 2
    assert "needs --out" in capsys.readouterr().err


def test_what_a_layout_cannot_hold_is_counted(rows: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "sft.jsonl"
    command = ["--from", "agentinstruct", "--out", str(out)]
    assert main(["data", "write", "trl-conversation", str(rows), *command]) == 1
    assert "not written 3: some turns carry no loss" in capsys.readouterr().out
    assert main(["data", "write", "trl-prompt", str(rows), *command]) == 0
    assert {tuple(row) for row in native(out)} == {("prompt", "completion")}


def test_check_fails_where_rows_are_dropped(rows: Path, tmp_path: Path, capsys) -> None:
    assert main(["data", "check", "agentinstruct", str(rows)]) == 1
    assert main(["data", "check", "agentinstruct", str(save(tmp_path / "good.jsonl", AGENTINSTRUCT))]) == 0
    assert "2 kept, 0 dropped" in capsys.readouterr().out


def test_mix_draws_lines_in_exact_shares(tmp_path: Path, capsys) -> None:
    agent = save(tmp_path / "agent.jsonl", [{"of": "agent", "n": n} for n in range(7)])
    general = save(tmp_path / "general.jsonl", [{"of": "general", "n": n} for n in range(50)])
    out = tmp_path / "mixed.jsonl"
    parts = [f"{agent}=0.2", f"{general}=0.8", f"{tmp_path / 'missing.jsonl'}=0"]
    assert main(["data", "mix", *parts, "--rows", "40", "--out", str(out)]) == 0
    mixed = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["of"] for row in mixed].count("agent") == 8 and len(mixed) == 40
    assert "8 of 40 rows (20.0%), 1 repeated" in capsys.readouterr().out
    before = out.read_bytes()
    assert main(["data", "mix", *parts, "--rows", "40", "--out", str(out)]) == 0 and out.read_bytes() == before
    assert main(["data", "mix", *parts, "--rows", "40", "--seed", "1", "--out", str(out)]) == 0
    assert out.read_bytes() != before
    assert main(["data", "mix", str(agent), "--out", str(out)]) == 2
    assert "FILE=WEIGHT" in capsys.readouterr().err
