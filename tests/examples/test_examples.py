"""The examples run as they stand, at small size; each says what it needs, and imports from the package tops alone."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.runs import write_run

from optima_envs.extras import EXTRAS, missing

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))
NOTEBOOK = FOLDER / "11_first_look.ipynb"
# how each is called here, and something it must have said
SMALL = {
    "01_play": ((), "Alice answered score"),
    "02_own_policy": (("--instances", "30"), "reader <optima/twohop-asym-v0: score 1.000"),
    "03_own_environment": (("--instances", "3", "--out", "run"), "final: F1"),
    "04_own_reward_term": (("--samples", "4"), "no-echo"),
    "05_compare_methods": (("--instances", "2", "--out", "run"), "vote-of-three"),
    "06_own_method": (("--instances", "3", "--out", "run"), '"different_words": '),
    "07_tool_environment": (("--instances", "12"), "score 1.0"),
    "08_imitate_a_file": (("--instances", "4", "--out", "run"), "final: F1"),
    "09_read_a_run": (("run",), "questions were learned"),
    "10_train_smollm2": (("--model", "tiny", "--instances", "4", "--out", "run"), "final: F1"),
}


def told(text: str) -> list[str]:
    """The extras that an example says it needs."""
    (named,) = re.findall(r"[Nn]eeds the (?:core alone|extras? `\w+`(?: and `\w+`)*)", text)
    return re.findall(r"`(\w+)`", named)


def run(path: Path, cwd: Path, *args: str, **more: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **more}
    done = subprocess.run([sys.executable, str(path), *args], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path):
    lacking = [extra for extra in told(path.read_text(encoding="utf-8")) if missing(extra)]
    if "tiny" in SMALL[path.stem][0]:  # the embedded model in the place of one that is fetched
        lacking = [extra for extra in lacking if extra != "gguf"]
    if lacking:
        pytest.skip(f"the extra {lacking[0]} is not installed")
    if path.stem == "09_read_a_run":
        write_run(tmp_path / "run")
    args, said = SMALL[path.stem]
    assert said in run(path, tmp_path, *args)


def test_the_notebook_runs(tmp_path: Path):
    pytest.importorskip("pandas")
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    if any(missing(extra) for extra in told("".join(cells[0]["source"]))):
        pytest.skip("an extra is not installed")
    assert not [cell for cell in cells if cell.get("outputs")], "clear the outputs before you commit"
    story = tmp_path / "story.py"
    story.write_text(
        "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"), encoding="utf-8"
    )
    assert "What is the " in run(story, tmp_path, QUESTIONS="2")
    used = {
        node.module
        for node in ast.walk(ast.parse(story.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    assert used <= {"optima_agents"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_it_needs(path: Path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert set(told(doc)) <= EXTRAS.keys()
    assert re.search(r"[Tt]akes? (about )?(a|\d+) (second|few seconds|minute|\d+ minutes|minutes)", doc), (
        "how long it takes"
    )


def test_the_table_names_every_example():
    rows = dict(
        re.findall(r"^\| \[([\w.]+)\]\(\1\) \| (.*?) \|", (FOLDER / "README.md").read_text(encoding="utf-8"), re.M)
    )
    assert list(rows) == [path.name for path in [*SCRIPTS, NOTEBOOK]]
    assert {path.stem for path in SCRIPTS} == SMALL.keys()
