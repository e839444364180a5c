"""The step benchmark does the work it says, with and without its peer, and writes its figures."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks.speed import env_steps, peers


@pytest.fixture
def quick(monkeypatch, tmp_path):
    out = tmp_path / "figures.json"
    monkeypatch.setattr(env_steps, "RESETS", 30)
    monkeypatch.setattr(sys, "argv", ["env_steps", "--seconds", "0.01", "--rounds", "1", "--json", str(out)])
    return out


def test_every_contender_plays_all_turns():
    assert all(episode() == env_steps.TURNS for episode in env_steps.contenders().values())
    assert all(len(text.split()) == env_steps.WORDS for text in env_steps.TEXTS)


def test_figures_are_written_without_the_peer(quick, monkeypatch, capsys):
    monkeypatch.setattr(peers, "textarena_version", lambda: None)
    code = env_steps.main()
    rows = json.loads(quick.read_text())
    assert all(set(row) == {"name", "value", "target", "holds"} and row["value"] > 0 for row in rows)
    assert {row["target"] for row in rows} == {env_steps.BARE, env_steps.DEFAULT, env_steps.FLAT, None}
    assert code == (0 if all(row["holds"] for row in rows) else 1)
    assert "TextArena is not installed" in capsys.readouterr().out


def test_the_peer_runs_in_the_same_table(quick, capsys):
    if peers.textarena_version() is None:
        pytest.skip("textarena is not installed (extra: bench)")
    env_steps.main()
    assert "textarena raw" in capsys.readouterr().out
