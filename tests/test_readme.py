"""The README tells the truth: its code runs, its file tree is the tree, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest
import tree

from optima_train.cli.main import VERBS

TEXT = (tree.ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_code_runs(code: str):
    done = subprocess.run([sys.executable, "-c", code], cwd=tree.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_tree_is_the_tree():
    assert tree.readme() == TEXT, "run make tree"


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("https://") or (tree.ROOT / link).is_file(), link


def test_verbs_exist():
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = {*VERBS, *project["entry-points"]["optima.commands"]}
    assert set(re.findall(r"^optima (\w+)", TEXT, re.MULTILINE)) <= known
