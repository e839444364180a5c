"""Teams, backend options and the completion cache on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from optima_agents import EpisodeLog
from optima_train.cli.main import main

TEAM = """
sharing: full
policy: fake:one moment
agents:
  Bob: {policy: "fake:so be it", max_tokens: 2}
"""


def run(capsys, *args: str) -> tuple[int, dict, str]:
    code = main([*args, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if code == 0 else {}, said.err


def test_a_team_file_fills_the_seats(tmp_path: Path, capsys):
    (tmp_path / "duo.yaml").write_text(TEAM)
    log = tmp_path / "log.jsonl"
    code, row, _ = run(
        capsys,
        "rollout",
        "twohop-asym",
        "--team",
        str(tmp_path / "duo.yaml"),
        "-n",
        "2",
        "--max-turns",
        "3",
        "--out",
        str(log),
    )
    assert (code, row["label"], row["turns"], row["failures"], row["causes"]) == (0, "duo", 3, 0, {})
    assert [turn.text for turn in EpisodeLog.read(log)[0].turns] == ["one moment", "so be", "one moment"]


def test_failures_are_counted_by_cause(capsys):
    code, row, _ = run(capsys, "eval", "twohop-asym", "--policy", "hf:tiny", "--token-budget", "1", "-n", "2")
    assert (code, row["failures"]) == (0, 0)
    assert 0 <= row["cached"] < 1
    from optima_agents.backends.base import BackendError
    from optima_agents.backends.fake import FakeBackend
    from optima_agents.making import BACKENDS

    BACKENDS.register("broken", lambda model: FakeBackend("x", faults={0: BackendError("503")}))
    code, row, _ = run(capsys, "rollout", "twohop-asym", "--policy", "broken:", "-n", "3")
    assert (code, row["failures"], row["causes"]) == (0, 1, {"backend": 1})


def test_a_cache_file_is_filled_and_used(tmp_path: Path, capsys):
    cache = tmp_path / "made.sqlite"
    rows = [
        run(capsys, "rollout", "twohop-asym", "--policy", "fake", "-n", "2", "--cache", str(cache))[1] for _ in "12"
    ]
    assert cache.stat().st_size > 0
    assert rows[0] | {"seconds": 0} == rows[1] | {"seconds": 0}


def test_what_is_no_team_is_refused_in_one_line(tmp_path: Path, capsys):
    for text, message in (
        ("- a list", "holds no team"),
        ("{", "cannot be read"),
        ("sharing: none", "sharing"),
        ("agents: {Carol: {}}", "Carol"),
        ("colour: red", "known keys"),
    ):
        (tmp_path / "team.yaml").write_text(text)
        code, _, told = run(capsys, "rollout", "twohop-asym", "--team", str(tmp_path / "team.yaml"))
        assert code == 2
        assert message in told
        assert told.count("\n") == 1
    code, _, told = run(capsys, "rollout", "twohop-asym", "--option", "speed=1", "--policy", "fake")
    assert code == 2
    assert "speed" in told
