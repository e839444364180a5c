"""The package that ``optima init`` writes works as it is: its test passes, and a team trains on its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from optima_envs import EnvSpec
from optima_train.cli.init import FILES, SCAFFOLD
from optima_train.cli.main import main

Optima = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "My-World"]) == 0
    return tmp_path / "My-World"


def test_everything_is_written_and_nothing_left_to_fill_in(made: Path):
    assert {path.name for path in SCAFFOLD.iterdir()} == FILES.keys()
    written = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    own = {"my_world/__init__.py", "my_world/env.py", "tests/test_env.py"}
    assert written == {"README.md", "pyproject.toml", "recipe.yaml", *own}
    assert not [path for path in written if "$" in (made / path).read_text(encoding="utf-8")]


def test_its_own_test_passes(made: Path):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=made, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_its_entry_point_is_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = tmp_path / "anywhere"  # a name of its own: this process imports it
    assert main(["init", str(made), "--name", "entered-world"]) == 0
    project = tomllib.loads((made / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((name, place),) = project["entry-points"]["optima.envs"].items()
    monkeypatch.syspath_prepend(made)
    module, _, attribute = place.partition(":")
    spec = getattr(__import__(module, fromlist=["x"]), attribute)
    assert isinstance(spec, EnvSpec) and spec.id == name == "entered_world/cousins-v0"


def test_a_team_trains_on_it(made: Path, optima: Optima):
    sizes = ["generate.instances=2", "generate.samples=4", "evaluate.instances=2"]
    done = optima("train", made / "recipe.yaml", "--out", "run", *sizes)
    assert done.returncode == 0, done.stderr
    assert [row["label"] for row in json.loads((made.parent / "run/results.json").read_text())] == [
        "untrained",
        "final",
    ]


def test_what_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("important")
    for place in (tmp_path / "thesis", tmp_path / "thesis" / "chapter.tex"):
        assert main(["init", str(place), "--name", "own"]) == 2
        assert "not an empty folder; name another" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "chapter.tex"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("json", "a module json is there already"), ("optima-envs", "already"), ("7 of 9", "no name for")],
)
def test_a_name_that_cannot_be_imported_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
):
    assert main(["init", str(tmp_path / name)]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
