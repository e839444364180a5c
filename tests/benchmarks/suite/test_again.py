"""What a cell stands for: all episodes that were planned, of these questions, played by this code; else it is not."""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.small_suites import ASKED, make, opened, play, question

from benchmarks.suite.cells import settings
from benchmarks.suite.planning import plan
from benchmarks.suite.running import committed
from optima_agents import EpisodeLog, Rollouts
from optima_train.config.loading import ConfigError
from optima_train.run.files import write_json
from optima_train.run.stage import StageError


def test_an_episode_whose_awaited_work_is_cancelled_is_counted(tmp_path: Path):
    """As when a method, or somebody else, closes what it waits for."""
    rows = play(tmp_path, methods=["small-right", "small-cancelled"])["rows"]
    assert rows[1]["causes"] == {"method": 6}
    assert rows[1]["episodes"] == 6
    assert "cancelled" in rows[1]["reasons"]["method"]


def test_a_cell_with_fewer_episodes_than_planned_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = Rollouts.stream

    async def losing(self, jobs):
        async with aclosing(real(self, list(jobs)[:-1])) as stream:
            async for episode in stream:
                yield episode

    monkeypatch.setattr(Rollouts, "stream", losing)
    with pytest.raises(StageError, match=r"5 episodes, not the 6 that were planned \(see twohop-test-"):
        play(tmp_path)
    monkeypatch.undo()
    assert {row["episodes"] for row in play(tmp_path)["rows"]} == {6}  # what was lost is played


@pytest.mark.parametrize("tamper", ["drop", "double", "swap"])
def test_a_log_that_is_not_what_was_planned_is_never_committed(tmp_path: Path, tamper: str):
    play(tmp_path)
    cell = tmp_path / "cells/small-even/twohop-asym/base/seed0"
    log, rows = cell / "episodes.jsonl", (cell / "episodes.jsonl").read_text().splitlines(keepends=True)
    (cell / "cell.json").unlink()
    if tamper == "drop":  # is played again, so all is there
        log.write_text("".join(rows[:-1]))
        assert {row["episodes"] for row in play(tmp_path)["rows"]} == {6}
        return
    log.write_text(
        "".join([*rows, rows[0]] if tamper == "double" else [*rows, rows[0].replace('"seed":0', '"seed":9')])
    )
    summary = play(tmp_path)
    assert [row["label"] for row in summary["rows"]] == ["small-right"]
    (gone,) = summary["missing"]
    assert "7 episodes, not the 6 that were planned" in gone["reason"]
    assert "--again 'small-even'" in gone["reason"]
    assert len(play(tmp_path, again=("small-even",))["rows"]) == 2


def test_other_questions_or_golds_are_refused_and_can_be_played_again(tmp_path: Path):
    rows = [question(n) for n in range(6)]
    env = [{"id": "tests/asked-v0", "label": "asked", "split": "test"}]
    ASKED[:] = rows
    first = play(tmp_path, envs=env, methods=["small-right"])
    ASKED[3] = replace(rows[3], answers=("another",))
    with pytest.raises(ConfigError, match=r"was played on other questions or golds; .*--again 'small-right'"):
        play(tmp_path, envs=env, methods=["small-right"])
    ASKED[3] = rows[3]
    assert play(tmp_path, envs=env, methods=["small-right"])["rows"] == first["rows"]
    ASKED[3] = replace(rows[3], question="another?")
    with pytest.raises(ConfigError, match="other questions"):
        play(tmp_path, envs=env, methods=["small-right", "small-even"], only=("small-even",))
    done = play(tmp_path, envs=env, methods=["small-right"], again=("small-right",))
    assert done["rows"][0]["episodes"] == 6
    log = EpisodeLog.read(tmp_path / "cells/small-right/asked/base/seed0/episodes.jsonl")
    assert "another?" in {e.instance.question for e in log}


def test_a_cell_depends_on_the_sentence_its_model_is_played_under(tmp_path: Path):
    """Also on its going: every change of it is another cell."""
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    resolved = tmp_path / "run" / "config.resolved.yaml"
    models = [{"label": "base", "backend": "opened:base", "options": {"beside": str(model)}}]

    def told(*texts: str) -> tuple[str | None, str]:
        condition = f"{{names: [good], infer: good, texts: [{texts[0]}]}}" if texts else "null"
        resolved.write_text(f"condition: {condition}\n")
        planned = plan(make(models=models))
        cell, out, problem = planned.cells[0], tmp_path / "out", "alike"
        try:
            committed(planned, cell, out)
        except ConfigError as err:
            problem = "refused" if "with told" in str(err) and "--again" in str(err) else str(err)
        cell.folder(out).mkdir(parents=True, exist_ok=True)
        found = settings(planned, cell)
        write_json(cell.folder(out) / "settings.json", found)
        return found["told"], problem

    assert [told(), told(), told("Be right."), told("Be right."), told("Be brief."), told()] == [
        (None, "alike"), (None, "alike"), ("Be right.", "refused"), ("Be right.", "alike"), ("Be brief.", "refused"),
        (None, "refused"),
    ]  # fmt: skip


def test_a_cell_played_before_its_data_were_noted_is_still_read(tmp_path: Path):
    first = play(tmp_path)
    for file in tmp_path.glob("cells/*/*/*/*/settings.json"):
        told = json.loads(file.read_text())
        del told["data"], told["source"]
        file.write_text(json.dumps(told))
    opened.clear()
    assert play(tmp_path)["rows"] == first["rows"]
    assert opened == []
    log = tmp_path / "cells/small-even/twohop-asym/base/seed0/episodes.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    question = json.loads(lines[2])["instance"]["question"]
    log.write_text("".join([*lines[:2], lines[2].replace(question, "Quite another?"), *lines[3:]]))
    with pytest.raises(ValueError, match="has another question, or other golds, under"):
        play(tmp_path)


METHOD = '''
from benchmarks.methods.baseline import baseline, BASELINES
from {helper} import told

BASELINES._items.pop("own-{helper}", None)

@baseline("own-{helper}")
async def own(session):
    """{comment}"""
    await session.ask("Alice", session.prompt())
    {body}
'''


def write_method(folder: Path, helper: str, body: str, comment: str = "", told: str = "'7'") -> str:
    """A user's own method in a file, with a helper beside it, freshly imported."""
    (folder / f"{helper}.py").write_text(f"told = {told}  # {comment}\n")
    (folder / f"own_{helper}.py").write_text(METHOD.format(helper=helper, body=body, comment=comment))
    for name in (helper, f"own_{helper}"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return f"own_{helper}"


def test_an_edited_method_is_played_again_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code, out = tmp_path / "code", tmp_path / "out"
    code.mkdir()
    monkeypatch.syspath_prepend(str(code))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def again(**changes):
        plugin = write_method(code, "aid_a", **changes)
        opened.clear()
        rows = play(out, methods=["small-right", "own-aid_a"], plugins=[plugin])["rows"]
        return rows[1]["score"], len(opened) // 2

    wrong, right = "raise ValueError('oops')", "return session.inst.answers[0]"
    assert again(body=wrong) == (0.0, 1)
    assert again(body=wrong) == (0.0, 0)
    assert again(body=wrong, comment="in other words") == (0.0, 0)  # no word of the code has changed
    assert again(body=right) == (1.0, 1)
    assert again(body=right, told="'8'") == (1.0, 1)  # what it imports from beside it is its code too
    assert again(body=right, told="'8'") == (1.0, 0)
    right_cell = out / "cells/small-right/twohop-asym/base/seed0/cell.json"
    made = right_cell.stat().st_mtime_ns
    assert again(body=wrong) == (0.0, 1)
    assert right_cell.stat().st_mtime_ns == made


def test_an_edited_method_left_out_by_only_is_in_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code, out = tmp_path / "code", tmp_path / "out"
    code.mkdir()
    monkeypatch.syspath_prepend(str(code))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    suite: dict[str, Any] = {"methods": ["small-right", "own-aid_b"]}
    play(out, plugins=[write_method(code, "aid_b", "return '7'")], **suite)
    plugin = write_method(code, "aid_b", "return '8'")
    summary = play(out, only=("small-right",), plugins=[plugin], **suite)
    assert [row["label"] for row in summary["rows"]] == ["small-right"]
    assert [entry["reason"] for entry in summary["missing"]] == ["left out by --only"]
    assert len(play(out, plugins=[plugin], **suite)["rows"]) == 2


def test_again_plays_one_method_anew_and_tells_why_it_failed(tmp_path: Path):
    first = play(tmp_path, methods=["small-right", "small-broken"])
    assert first["rows"][1]["reasons"] == {"method": "ValueError: no such luck"}
    kept = tmp_path / "cells/small-right/twohop-asym/base/seed0/episodes.jsonl"
    before = kept.stat().st_mtime_ns
    opened.clear()
    play(tmp_path, methods=["small-right", "small-broken"], again=("small-broken",))
    assert opened == ["base", "base closed"]
    assert kept.stat().st_mtime_ns == before
