"""Names of a run directory: one place, a page that follows it, and nobody else who spells them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import run_directory

from optima_train.run.layout import RunDirectory, StageDirectory, iteration_folder, iteration_number

ROOT = Path(__file__).parents[3]
# names that other formats fix, or that only a file of ours beside a run has
OTHERS = {"config.json", "adapter_config.json", "frame.html"}


def test_the_page_follows_the_code() -> None:
    assert run_directory.PAGE.read_text(encoding="utf-8") == run_directory.page(), "run python tools/run_directory.py"


def names(directory: RunDirectory | StageDirectory) -> set[str]:
    members = {key for key, value in vars(type(directory)).items() if isinstance(value, property)}
    return {getattr(directory, member).name for member in members}


def literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_nobody_else_spells_a_name_of_a_run() -> None:
    known = names(RunDirectory(Path())) | names(StageDirectory(Path()))
    known = {name for name in known if "." in name} - OTHERS
    assert {"DONE.json", "episodes.jsonl", ".lock", "config.resolved.yaml"} <= known
    folders = ("run", "stages", "tree_search", "training", "loop", "cli", "report", "analysis")
    files = [path for folder in folders for path in (ROOT / "optima_train" / folder).rglob("*.py")]
    files += (ROOT / "benchmarks" / "training").rglob("*.py")
    spelt = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in files
        if path.name != "layout.py"
        for text in literals(path)
        if text in known or re.fullmatch(r"[\w*/]+\.jsonl|it0\d\d.*|it\*.*", text)
    }
    assert not spelt, "take these from optima_train.run.layout"


@pytest.mark.parametrize("iteration", [-1, 0, 7, 1234])
def test_folders_and_numbers(iteration: int) -> None:
    assert iteration_number(iteration_folder(iteration)) == iteration


@pytest.mark.parametrize("name", ["it", "it-1", "items", "model", "", "it0x", "IT000"])
def test_other_folders_are_none_of_an_iteration(name: str) -> None:
    with pytest.raises(ValueError, match="no folder of an iteration"):
        iteration_number(name)


def test_strangers_in_a_run_are_passed_over(tmp_path: Path) -> None:
    for folder in (
        "it000/train",
        "it000/.train.copy",
        "it001/evaluate",
        "untrained/evaluate",
        "notes/evaluate",
        "it1x",
    ):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "it002").write_text("a file")
    run = RunDirectory(tmp_path)
    assert run.iterations() == [-1, 0, 1]
    assert [(k, stage.path.parent.name) for k, stage in run.stages("evaluate")] == [(-1, "untrained"), (1, "it001")]
    assert [stage.path.name for k, stage in run.stages() if k == 0] == ["train"]
    assert list(RunDirectory(tmp_path / "nowhere").stages()) == []
