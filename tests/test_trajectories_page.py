"""docs/trajectories.md: its example runs, its recipe is one, and its tables name every layout and step there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from optima_envs.documents import load_yaml
from optima_train.config import load
from optima_train.trajectories.registry import LAYOUTS, READERS, STEPS, WRITERS, carries

PAGE = (Path(__file__).parents[1] / "docs" / "trajectories.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(python|yaml)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `")]


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra data")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(BLOCKS["python"], "docs/trajectories.md", "exec"), names)  # noqa: S102 - our own page
    assert capsys.readouterr().out == "eto.jsonl 1 b no field conversations\n"
    assert len(names["episodes"]) == 1 and (tmp_path / "chat.parquet").stat().st_size


def test_the_recipe_is_one(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("extends: quickstart\n" + BLOCKS["yaml"], encoding="utf-8")
    assert load(str(path)).mix.replay == load_yaml(BLOCKS["yaml"])["mix"]["replay"]


def test_the_tables_name_what_there_is() -> None:
    named = {name for row in ROWS for name in re.findall(r"`([a-z-]+)[`:]", row.split(" | ")[0])}
    own = {name for kind in (READERS, WRITERS, STEPS) for name in kind if not _foreign(kind, name)}
    assert own <= named
    whole = {name for name in WRITERS if not _foreign(WRITERS, name) and carries(name)}
    said = {re.findall(r"`(\w+)`", row)[0] for row in ROWS if "every record of ours comes back whole" in row}
    assert said == whole


def _foreign(kind: Any, name: str) -> bool:
    """Registered by another test of this process."""
    return not kind[name].__module__.startswith(LAYOUTS.rpartition(".")[0])
